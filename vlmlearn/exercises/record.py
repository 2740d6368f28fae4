"""``progress``: which exercises are done in this kernel, or, where kept in a file, in those before it."""

import json
import os
from html import escape
from pathlib import Path

from vlmlearn.exercises import registry
from vlmlearn.exercises.verdict import SIGNS, WRONG, Verdict
from vlmlearn.messages import Message, show

PASSED, TRIED = "passed", "tried"
_done: dict[str, str] = {}


def note(found: Verdict) -> None:
    """Remember a verdict; what has passed once stays passed."""
    if found.attempted and _done.get(found.exercise) != PASSED:
        _done[found.exercise] = PASSED if found.passed else TRIED


def progress(save: str | Path | None = None) -> None:
    """Show the exercises of every chapter worked on, and which are done.

    Args:
        save: a file that keeps the state between kernels; what it holds already is taken over.

    Raises:
        ValueError: the file is no record of progress; it is left as it is.
    """
    if save is not None:
        path = Path(save)
        for name, state in _read(path).items():
            if _done.get(name) != PASSED:
                _done[name] = state
        new = path.with_name(f"{path.name}.new")
        new.write_text(json.dumps(_done, indent=1, sort_keys=True), "utf-8")
        os.replace(new, path)
    show(_table())


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        kept = json.loads(path.read_text("utf-8"))
        if isinstance(kept, dict) and set(kept.values()) <= {PASSED, TRIED}:
            return kept
    except (ValueError, TypeError):
        pass
    raise ValueError(f"{path.name} is no record of progress, and is left as it is: save to another file")


def _table() -> Message:
    touched = sorted({registry.names()[name] for name in _done if name in registry.names()})
    if not touched:
        return Message("还没有做练习。", "No exercise tried yet.")
    rows = [(chapter, e) for chapter in touched for e in registry.in_chapter(chapter)]
    signs = {PASSED: SIGNS["passed"], TRIED: WRONG}
    lines = [
        (signs.get(_done.get(e.name, ""), SIGNS["not_attempted"]), chapter, e.name, e.mark, e.minutes)
        for chapter, e in rows
    ]
    done = sum(_done.get(e.name) == PASSED for _, e in rows)
    texts = {}
    for language, head, minutes in (
        ("zh", f"完成 {done} / {len(rows)}", "分钟"),
        ("en", f"{done} of {len(rows)} done", "min"),
    ):
        texts[language] = "\n".join(
            [head, *(f"{s} {c} {n:24s} {m} {t} {minutes}" for s, c, n, m, t in lines)]
        )
        body = "".join(
            f"<tr><td>{s}</td><td>{c}</td><td><code>{escape(n)}</code></td><td>{m}</td><td>{t} {minutes}</td></tr>"
            for s, c, n, m, t in lines
        )
        texts[f"html_{language}"] = f"<b>{head}</b><table>{body}</table>"
    return Message(**texts)
