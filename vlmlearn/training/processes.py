"""Several processes on this machine that talk to each other, started from a notebook, a script or a test."""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

LOOPBACK = {"linux": "lo", "darwin": "lo0"}  # elsewhere the backend finds its own way
MINUTES = 10


def run_processes(function: Callable[..., Any], count: int, *arguments: Any) -> list[Any]:
    """Call ``function(*arguments)`` in ``count`` processes that form a ``torch.distributed`` group over gloo.

    Each starts afresh and imports the module of ``function``. So from a notebook call one that a module defines, and
    in a script keep the call under ``if __name__ == "__main__":``.

    Args:
        function: asks ``torch.distributed.get_rank()`` who it is. What it returns must fit into JSON.
        count: of processes; the threads of this one are divided among them.
        arguments: for every process the same.

    Returns:
        What each process returned, in the order of their ranks.

    Raises:
        ValueError: ``count`` below 1, or a function that another process cannot import.
        torch.multiprocessing.ProcessRaisedException: one process raised (its traceback is shown); the others are
            ended.
    """
    if count < 1:
        raise ValueError(f"count is {count}, expected at least 1 process")
    main = sys.modules["__main__"]
    if "<" in function.__qualname__ or (function.__module__ == "__main__" and not hasattr(main, "__file__")):
        raise ValueError(
            f"{function.__qualname__} exists in this session only, another process cannot import it: "
            "define it at the top of a module"
        )
    with tempfile.TemporaryDirectory() as folder:
        threads = max(1, torch.get_num_threads() // count)
        spawn(_work, (function, count, folder, threads, arguments), count)
        return [json.loads(_answer(folder, rank).read_text()) for rank in range(count)]


def _work(
    rank: int, function: Callable[..., Any], count: int, folder: str, threads: int, arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(threads)
    if sys.platform in LOOPBACK:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK[sys.platform])
    store = dist.FileStore(str(Path(folder, "store")), count)  # type: ignore[attr-defined]
    limit = timedelta(minutes=MINUTES)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=count, timeout=limit)
    try:
        _answer(folder, rank).write_text(json.dumps(function(*arguments)))
    finally:
        dist.destroy_process_group()


def _answer(folder: str, rank: int) -> Path:
    return Path(folder, f"{rank}.json")
