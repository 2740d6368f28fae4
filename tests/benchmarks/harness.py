"""Ours against theirs, in time and in memory, each variant in a process of its own.

A variant is a function of a benchmark file: it takes the sizes, makes the inputs and returns the step to measure.

* Time: two workers take turns, ours, theirs, ours, theirs, … after one untimed step each, and only one works at
  a time. A machine that slows down slows both members of a pair, so we compare the ratios within pairs.
* Memory: a fresh process makes the inputs, warms up on tiny ones so that libraries are loaded, notes what it
  holds, and takes one step. Its peak less that note is the extra memory.

Results go to ``vlmlearn/results/benchmarks.json``, each with the machine that it was measured on.
"""

import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from vlmlearn.training.recipes.record import machine as record_machine

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "vlmlearn" / "results" / "benchmarks.json"
STATUS = Path("/proc/self/status")
PAIRS = 7

Step = Callable[[], object]
Variant = Callable[..., Step]
Sizes = dict[str, int]


@dataclass(frozen=True)
class Comparison:
    """What ours and theirs took: seconds of each pair, extra megabytes at the peak."""

    our_seconds: list[float]
    their_seconds: list[float]
    our_megabytes: float
    their_megabytes: float

    @property
    def time_ratios(self) -> list[float]:
        """Our time divided by theirs, pair by pair."""
        return [ours / theirs for ours, theirs in zip(self.our_seconds, self.their_seconds, strict=True)]

    @property
    def memory_ratio(self) -> float:
        return self.our_megabytes / self.their_megabytes

    def time_verdict(self, limit: float) -> str:
        """ "met", "missed", or "tie": the median misses the limit, but some pair meets it."""
        if statistics.median(self.time_ratios) <= limit:
            return "met"
        return "tie" if min(self.time_ratios) <= limit else "missed"

    def summary(self, time_limit: float, memory_limit: float) -> dict[str, object]:
        """The figures to record: medians, with the spread of the times."""
        return {
            "our_seconds": _median_and_range(self.our_seconds),
            "their_seconds": _median_and_range(self.their_seconds),
            "time_ratio": _median_and_range(self.time_ratios),
            "time_ratio_limit": time_limit,
            "time_verdict": self.time_verdict(time_limit),
            "our_extra_megabytes": round(self.our_megabytes, 1),
            "their_extra_megabytes": round(self.their_megabytes, 1),
            "memory_ratio": round(self.memory_ratio, 4),
            "memory_ratio_limit": memory_limit,
        }


def compare(ours: Variant, theirs: Variant, sizes: Sizes, tiny: Sizes, threads: int = 2) -> Comparison:
    """Measure both variants at ``sizes``; ``tiny`` are the sizes of the warm-up before memory is read."""
    our_megabytes, _ = measure_memory(ours, sizes, tiny, threads)
    their_megabytes, _ = measure_memory(theirs, sizes, tiny, threads)
    workers = [_start("time", variant, [sizes], threads) for variant in (ours, theirs)]
    try:
        turns = [[_take_turn(worker) for worker in workers] for _ in range(1 + PAIRS)]
    finally:
        for worker in workers:
            worker.communicate()  # closing its input ends it
    # The first turns warm up.
    our_seconds, their_seconds = map(list, zip(*turns[1:], strict=True))
    return Comparison(our_seconds, their_seconds, our_megabytes, their_megabytes)


def measure_memory(variant: Variant, sizes: Sizes, tiny: Sizes, threads: int = 2) -> tuple[float, float]:
    """Extra megabytes at the peak of one step in a fresh process, and the seconds that this one step took."""
    worker = _start("memory", variant, [sizes, tiny], threads)
    answer, _ = worker.communicate()
    if worker.returncode != 0:
        raise RuntimeError(f"the worker of {variant.__qualname__} at {sizes} ended with {worker.returncode}")
    megabytes, seconds = json.loads(answer)
    return megabytes, seconds


def record(name: str, figures: dict[str, object], sizes: Sizes, threads: int = 2) -> str:
    """Write one benchmark's figures into the results, beside those of the others, and return them as text."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[name] = {**figures, "sizes": sizes, "machine": machine(threads)}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    return f"\n{name}: {json.dumps(results[name], indent=2)}"


def machine(threads: int) -> dict[str, object]:
    """What a time means only together with; the load is about ``threads`` on an otherwise idle machine."""
    return {**record_machine(), "threads": threads, "load_when_done": round(os.getloadavg()[0], 1)}


def _median_and_range(values: list[float]) -> dict[str, float]:
    figures = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: round(figure, 3) for name, figure in figures.items()}


# ---------------------------------------------------------------- the workers


def _start(kind: str, variant: Variant, sizes: list[Sizes], threads: int) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",  # a worker that waits for its turn must not spin
        "PYTHONPATH": str(ROOT),
    }
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.harness",
        kind,
        variant.__module__,
        variant.__qualname__,
    ]
    return subprocess.Popen(
        [*command, json.dumps(sizes)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _take_turn(worker: subprocess.Popen[str]) -> float:
    assert worker.stdin is not None and worker.stdout is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()
    answer = worker.stdout.readline()
    if not answer:
        raise RuntimeError(f"a worker ended with {worker.wait()} instead of answering: {worker.args!r}")
    return float(answer)


def _seconds(step: Step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _work_in_turns(variant: Variant, sizes: Sizes) -> None:
    step = variant(**sizes)
    for _ in sys.stdin:
        print(_seconds(step), flush=True)


def _work_for_memory(variant: Variant, sizes: Sizes, tiny: Sizes) -> None:
    step = variant(**sizes)
    variant(**tiny)()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _kilobytes("VmRSS")
    seconds = _seconds(step)
    print(json.dumps([(_kilobytes("VmHWM") - before) / 1024, seconds]))


def _kilobytes(field: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])


if __name__ == "__main__":
    kind, module, function, sizes = sys.argv[1:]
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    variant, arguments = getattr(importlib.import_module(module), function), json.loads(sizes)
    if kind == "time":
        _work_in_turns(variant, *arguments)
    else:
        _work_for_memory(variant, *arguments)
