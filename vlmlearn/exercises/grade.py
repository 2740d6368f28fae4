"""Grade a folder of notebooks: ``python -m vlmlearn.exercises.grade submissions/ --chapter 01 -o grades.csv``.

One row a learner: for each exercise the verdict and, where it was recognised, the mistake. Each notebook runs in a
process of its own, with limits on time and memory and with cases nobody has seen; when it dies, the exercises left are
graded in a new one. Only the cells of exercises are run, after the imports, functions and classes of the other cells.

**This is no sandbox.** The limits are for accidents. Code that means harm can read and delete whatever you can:
grade strangers' work in a container or a virtual machine without network.
"""

import argparse
import csv
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vlmlearn.exercises import registry
from vlmlearn.exercises.exercise import Exercise

SECONDS = 60.0  # for one process
MEGABYTES = 4096
PASSED = "passed"


def grade(
    notebook: Path, chapter: str, seed: int, *, seconds: float = SECONDS, megabytes: int = MEGABYTES
) -> dict[str, tuple[str, str]]:
    """Exercise → (verdict, mistake) for one notebook; a file that is none gives the reason as every verdict."""
    left = [exercise.name for exercise in registry.in_chapter(chapter)]
    results: dict[str, tuple[str, str]] = {}
    while left:
        said, ending = _run(notebook, left, seed, seconds, megabytes)
        for name, *verdict in said:
            if name in left:
                results[name] = (str(verdict[0]), str(verdict[1]))
                left.remove(name)
        if ending == "unreadable":
            return {exercise.name: (ending, "") for exercise in registry.in_chapter(chapter)}
        if left:  # the one it died on; the others get a process of their own
            results[left.pop(0)] = (ending, "")
    return results


def _run(
    notebook: Path, names: list[str], seed: int, seconds: float, megabytes: int
) -> tuple[list[list[str]], str]:
    """What a worker wrote before its end, and how it ended."""
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        longest = max((registry.find(name).seconds for name in names), default=0.0)
        job = [str(notebook.resolve()), ",".join(names), str(seed), str(megabytes), str(seconds), str(report)]
        paths = [str(root), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "MPLBACKEND": "agg"}
        environment.pop("VLMLEARN_STRICT", None)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "vlmlearn.exercises.worker", *job],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=seconds + (longest if longest > Exercise.seconds else 0),  # a repair trains
                check=False,
            )
            ending = {0: "crashed", 3: "unreadable"}.get(done.returncode, "crashed")
        except subprocess.TimeoutExpired:
            ending = "time"
        lines = report.read_text("utf-8").splitlines() if report.exists() else []
    said = []
    for line in lines:
        try:
            said.append(json.loads(line))
        except ValueError:  # cut off by the crash
            break
    return said, ending


def histogram(grades: dict[str, dict[str, tuple[str, str]]]) -> str:
    """How often each verdict and each mistake came up in the class, exercise by exercise."""
    names = list(next(iter(grades.values()), {}))
    lines = []
    for name in names:
        lines.append(name)
        counts = Counter(row[name][1] or row[name][0] for row in grades.values())
        lines += [f"  {count:3d} {'#' * min(count, 60)} {what}" for what, count in counts.most_common()]
    return "\n".join(lines)


def write(grades: dict[str, dict[str, tuple[str, str]]], path: Path) -> None:
    """Write the table as CSV, in one step: a run that is interrupted leaves the old file whole."""
    names = list(next(iter(grades.values()), {}))
    new = path.with_name(f"{path.name}.new")
    with open(new, "w", encoding="utf-8-sig", newline="") as file:  # with a mark by which Excel knows UTF-8
        table = csv.writer(file)
        header = [column for name in names for column in (name, f"{name}: mistake")]
        table.writerow(["learner", "passed", *header])
        for learner, row in grades.items():
            passed = sum(row[name][0] == PASSED for name in names)
            table.writerow([learner, passed, *(cell for name in names for cell in row[name])])
    os.replace(new, path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vlmlearn.exercises.grade",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", type=Path, help="notebooks, one a learner; the file's name is the learner's"
    )
    parser.add_argument("--chapter", required=True, help="such as 01")
    parser.add_argument("-o", "--output", type=Path, default=Path("grades.csv"))
    parser.add_argument("--seed", type=int, help="of the cases; by default a new one")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for one process")
    parser.add_argument("--megabytes", type=int, default=MEGABYTES, help="of memory for one process")
    options = parser.parse_args(arguments)
    if options.chapter not in registry.chapters():
        known = ", ".join(registry.chapters())
        print(f"chapter {options.chapter!r} has no exercises, choose one of {known}", file=sys.stderr)
        return 2
    notebooks = sorted(options.folder.rglob("*.ipynb")) if options.folder.is_dir() else []
    if not notebooks:
        print(f"no notebooks (*.ipynb) in {options.folder}", file=sys.stderr)
        return 2
    print("This is no sandbox: code that means harm can do what you can. Cases of a new seed for the class.")
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    grades = {}
    for path in notebooks:
        learner = path.relative_to(options.folder).with_suffix("").as_posix()
        grades[learner] = grade(
            path, options.chapter, seed, seconds=options.seconds, megabytes=options.megabytes
        )
        passed = sum(verdict == PASSED for verdict, _ in grades[learner].values())
        print(f"{learner}: {passed} of {len(grades[learner])}", flush=True)
    write(grades, options.output)
    print(f"\n{histogram(grades)}\n\nseed {seed}, written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
