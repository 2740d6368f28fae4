"""The process that runs one learner's exercise cells for :mod:`vlmlearn.exercises.grade`, and reports line by line."""

import ast
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from vlmlearn.exercises import registry, say
from vlmlearn.exercises.diagnose import diagnose
from vlmlearn.exercises.errors import own_line
from vlmlearn.exercises.exercise import Exercise
from vlmlearn.exercises.limits import OutOfTime, captured_output, time_limit
from vlmlearn.exercises.verdict import Verdict

UNREADABLE = 3
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def main(path: str, names: str, seed: str, megabytes: str, seconds: str, report: str) -> int:
    """Grade the exercises ``names`` of one notebook; each verdict is one line of JSON in ``report``."""
    cells = _code_cells(Path(path))
    if cells is None:
        return UNREADABLE
    _limit_memory(int(megabytes))
    each = min(Exercise.seconds, float(seconds) / 3)
    shared = _definitions(cells, each)
    with open(report, "a", encoding="utf-8") as file:
        for name in names.split(","):
            found = _grade(cells, dict(shared), name, int(seed), each)
            kind, mistake = (found.kind, found.mistake or "") if found else ("missing", "")
            file.write(json.dumps([name, kind, mistake]) + "\n")
            file.flush()
    return 0


def _code_cells(path: Path) -> list[dict[str, Any]] | None:
    """Cells as written to the file; nothing but JSON is needed to read them."""
    try:
        notebook = json.loads(path.read_text("utf-8"))
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        for cell in cells:
            cell["source"] = "".join(cell["source"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return cells


def _grade(
    cells: list[dict[str, Any]], names: dict[str, Any], exercise: str, seed: int, seconds: float
) -> Verdict | None:
    source = next((c["source"] for c in reversed(cells) if _holds(c, exercise)), None)
    if source is None:
        return None
    asked = registry.find(exercise)
    try:
        with captured_output(), time_limit(seconds):
            exec(compile(_without_magics(source), f"<{exercise}>", "exec"), names)
    except OutOfTime:
        return say.out_of_time(asked, seconds)
    except (Exception, SystemExit) as error:
        return say.raised(asked, error, own_line(error, _grade))
    limit = seconds if asked.seconds == Exercise.seconds else asked.seconds
    return diagnose(asked, names.get(exercise), seed=seed, seconds=limit)


def _holds(cell: dict[str, Any], exercise: str) -> bool:
    """Whether a cell defines the function; editors that drop the mark we put on it do not matter."""
    tree = _parsed(cell["source"])
    marked = cell.get("metadata", {}).get("vlmlearn", {}).get("exercise") == exercise
    if tree is None:
        return marked
    defined = any(isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == exercise for n in tree.body)
    return marked or defined


def _definitions(cells: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """What the other cells import and define: helpers may stand anywhere, but training is not run."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        for node in getattr(_parsed(cell["source"]), "body", []):
            if isinstance(node, DEFINITIONS):
                code = compile(ast.Module([node], []), "<notebook>", "exec")
                with (
                    contextlib.suppress(Exception, SystemExit, OutOfTime),
                    captured_output(),
                    time_limit(seconds),
                ):
                    exec(code, names)
    return names


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(_without_magics(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _without_magics(source: str) -> str:
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())


def _limit_memory(megabytes: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
