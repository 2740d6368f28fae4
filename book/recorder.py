"""Runs inside a chapter's kernel: notes which modules and data files of ``vlmlearn`` the chapter used.

The builder starts it in a hidden first cell and asks for the report in a hidden last one.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import safetensors

DATA_FOLDERS = ("results", "weights", os.path.join("world", "photos"))

_opened: set[str] = set()


def start() -> None:
    """Note every file opened from now on, also by safetensors, which opens files where no hook sees it."""
    sys.addaudithook(_note_open)
    open_tensors = safetensors.safe_open

    def noting_open(filename: Any, *args: Any, **kwargs: Any) -> Any:
        _opened.add(os.fspath(filename))
        return open_tensors(filename, *args, **kwargs)

    setattr(safetensors, "safe_open", noting_open)  # noqa: B010  before safetensors.torch takes its reference


def report() -> str:
    """What was used, as JSON: the package's ``folder``, its loaded ``modules``, its opened ``data`` files."""
    folder = Path(sys.modules["vlmlearn"].__path__[0]).resolve()
    modules = sorted(name for name in sys.modules if name == "vlmlearn" or name.startswith("vlmlearn."))
    opened = {Path(path).resolve() for path in _opened}
    data = sorted(
        path.relative_to(folder).as_posix()
        for path in opened
        if any(path.is_relative_to(folder / name) for name in DATA_FOLDERS)
        and path.is_file()
        and path.suffix not in (".py", ".pyc")
    )
    return json.dumps({"folder": str(folder), "modules": modules, "data": data})


def _note_open(event: str, args: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(args[0], str) and any(name in args[0] for name in DATA_FOLDERS):
        _opened.add(args[0])
