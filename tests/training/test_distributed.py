"""Two processes train the same weights as one; and the command that starts them."""

import json
from itertools import repeat

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file

from vlmlearn.models import SigLIP, SigLIPConfig
from vlmlearn.training import TrainConfig, distributed
from vlmlearn.training.distributed import fit_together, share
from vlmlearn.training.processes import run_processes
from vlmlearn.world import Tokenizer, caption_pairs

STEPS, PAIRS = 3, 8


def new_model(seed: int) -> SigLIP:
    """In float64: rounding, which two optimizers enlarge, stays far below what a wrong gradient does."""
    torch.manual_seed(seed)
    return SigLIP(SigLIPConfig.tiny(len(Tokenizer()), log_scale=1.0, logit_bias=-3.0)).double()


def batches():
    pairs = caption_pairs(STEPS * PAIRS)
    images = (pairs.images.double() - 127.5) / 127.5
    return list(zip(images.split(PAIRS), pairs.ids[:, 0].split(PAIRS), strict=True))


def train_here(folder: str) -> dict[str, object]:
    rank = dist.get_rank()
    model = new_model(rank)  # other weights on rank 1, which must take those of rank 0
    history = fit_together(model, batches(), TrainConfig(STEPS, log_every=1))
    weights = {name: weight.contiguous() for name, weight in model.state_dict().items()}
    save_file(weights, f"{folder}/{rank}.safetensors")
    try:
        share((torch.zeros(3, 1), torch.zeros(3, 1)))
    except ValueError as error:
        return {"losses": history.values["loss"], "uneven": str(error)}
    return {}


def test_two_processes_train_what_one_does(tmp_path):
    reports = run_processes(train_here, 2, str(tmp_path))
    model = new_model(0)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    history = fit_together(model, batches(), TrainConfig(STEPS, log_every=1))
    for report in reports:
        assert report["losses"] == pytest.approx(history.values["loss"], rel=1e-9)
        assert "the batch has 3 pairs, expected a multiple of 2" in report["uneven"]
    ours, same = (load_file(tmp_path / f"{rank}.safetensors") for rank in range(2))
    moved = 0
    for name, weight in model.state_dict().items():
        assert torch.equal(ours[name], same[name]), name
        reference = weight.double()  # some only count
        assert (ours[name] - reference).norm() <= 1e-5 * reference.norm() + 1e-12, name
        moved += not torch.equal(weight, before[name])
    assert moved > 20


RESULT = {"test_i2t": 50.0}


@pytest.mark.parametrize("processes", [1, 2])
def test_the_command(processes, tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(distributed, "train", lambda *job: calls.append(job) or RESULT)
    monkeypatch.setattr(
        distributed, "run_processes", lambda function, count, *job: list(repeat(function(*job), count))
    )
    path = tmp_path / "result.json"
    command = f"--steps 7 --seed 1 --batch 32 --processes {processes} --json {path}"
    distributed.main(command.split())
    assert calls == [(7, 1, 32)]
    assert json.loads(capsys.readouterr().out) == json.loads(path.read_text()) == RESULT
