"""Processes started from a test or a notebook: their answers, their errors, and what they cannot run."""

import sys
from types import ModuleType

import pytest
import torch
import torch.distributed as dist

from vlmlearn.training.processes import run_processes


def greet(word: str) -> list[object]:
    ranks = torch.tensor([dist.get_rank()])
    dist.all_reduce(ranks)
    if word == "stop" and dist.get_rank() == 1:
        raise ValueError("rank 1 has had enough")
    return [word, dist.get_rank(), dist.get_world_size(), ranks.item()]


def test_answers_come_in_the_order_of_the_ranks():
    assert run_processes(greet, 2, "hello") == [["hello", 0, 2, 1], ["hello", 1, 2, 1]]
    assert not dist.is_initialized()


def test_an_error_in_one_process_is_raised_here():
    with pytest.raises(torch.multiprocessing.ProcessRaisedException, match="rank 1 has had enough"):
        run_processes(greet, 2, "stop")


def test_functions_that_another_process_cannot_import(monkeypatch):
    with pytest.raises(ValueError, match="exists in this session only"):
        run_processes(lambda: 0, 2)
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))  # as in a notebook: no file
    typed = type(greet)(greet.__code__, {}, "typed_in_a_cell")
    typed.__module__, typed.__qualname__ = "__main__", "typed_in_a_cell"
    with pytest.raises(ValueError, match=r"typed_in_a_cell exists in this session only, .* top of a module"):
        run_processes(typed, 2)


def test_no_processes():
    with pytest.raises(ValueError, match="count is 0, expected at least 1 process"):
        run_processes(greet, 0, "hello")
