"""Recorded results: values with everything needed to trust or repeat them."""

import json
import os
import platform
import sys
import time
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from vlmlearn.training.recipes.source import source_hash

RESULTS = Path(__file__).resolve().parents[2] / "results"
PACKAGE = Path(__file__).resolve().parents[2]


def load_results(chapter: str) -> dict[str, Any]:
    """The recorded results of a chapter, such as "01".

    Raises:
        ValueError: nothing is recorded for it (the message says how to record it).
    """
    path = RESULTS / f"{chapter}.json"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in RESULTS.glob("*.json")))
        raise ValueError(
            f"no results for chapter {chapter!r}, only for {known}: "
            f"record them with python -m vlmlearn.training.recipes {chapter}"
        )
    return json.loads(path.read_text("utf-8"))


def save_results(chapter: str, recipe: ModuleType, *, threads: int) -> Path:
    """Run ``recipe.run()`` and write what it returns, with the machine, the date, the seconds and the source's hash."""
    torch.set_num_threads(threads)
    start, made_by = (
        time.perf_counter(),
        recipe_hash(recipe),
    )  # before the run: the files may change meanwhile
    values = recipe.run()
    results = {
        "chapter": chapter,
        "command": f"python -m vlmlearn.training.recipes {chapter}",
        "machine": machine(),
        "date": date.today().isoformat(),
        "seconds": round(time.perf_counter() - start),
        "source_hash": made_by,
        **values,
    }
    path = RESULTS / f"{chapter}.json"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    unfinished.replace(path)
    return path


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
        ]
        name = models[0] if models else name
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
    }


def recipe_hash(recipe: ModuleType) -> str:
    """The hash of everything that ``recipe.SOURCES`` names, recorded with the results to tell when they are stale."""
    return source_hash(package_sources(recipe.SOURCES), PACKAGE, with_errors=False)


def package_sources(names: Iterable[str]) -> list[Path]:
    """The files of modules and packages named relative to ``vlmlearn``: "world", "models.clip"."""
    paths: set[Path] = set()
    for name in names:
        path = PACKAGE.joinpath(*name.split("."))
        paths |= set(path.rglob("*.py")) if path.is_dir() else {path.with_suffix(".py")}
    return sorted(paths)


def progress(text: str) -> None:
    """One line on the terminal while a recipe runs."""
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)
