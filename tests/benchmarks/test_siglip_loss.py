"""siglip_loss with chunks against open_clip's SigLipLoss: forward and backward in float32 on two threads."""

import pytest
import torch
import torch.nn.functional as F

from tests.benchmarks.harness import STATUS, Step, compare, measure_memory, record
from tests.open_clip_loss import load_open_clip_loss
from vlmlearn.losses import siglip_loss

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not STATUS.exists(), reason="peak memory is read from /proc, which only Linux has"),
]
CHUNK_SIZE = 512
TIME_LIMIT = 0.5  # ours / theirs
MEMORY_LIMIT = 0.05
TINY = {"batch": 64, "dim": 256}


def step_of(loss_function, batch: int, dim: int) -> Step:
    generator = torch.Generator().manual_seed(0)
    image = F.normalize(torch.randn(batch, dim, generator=generator), dim=1).requires_grad_()
    text = F.normalize(torch.randn(batch, dim, generator=generator), dim=1).requires_grad_()
    scale = torch.tensor(10.0, requires_grad=True)
    bias = torch.tensor(-10.0, requires_grad=True)

    def step() -> None:
        image.grad = text.grad = scale.grad = bias.grad = None
        loss_function(image, text, scale, bias).backward()

    return step


def ours(batch: int, dim: int) -> Step:
    return step_of(lambda *inputs: siglip_loss(*inputs, chunk_size=CHUNK_SIZE), batch, dim)


def theirs(batch: int, dim: int) -> Step:
    return step_of(load_open_clip_loss().SigLipLoss(), batch, dim)


@pytest.mark.skipif(load_open_clip_loss() is None, reason="needs pip install --no-deps open_clip_torch")
def test_less_time_and_memory_than_open_clip(capsys):
    sizes = {"batch": 16_384, "dim": 256}
    comparison = compare(ours, theirs, sizes, TINY)
    text = record("siglip_loss against open_clip", comparison.summary(TIME_LIMIT, MEMORY_LIMIT), sizes)
    with capsys.disabled():
        print(text)
    assert comparison.memory_ratio <= MEMORY_LIMIT
    assert comparison.time_verdict(TIME_LIMIT) in ("met", "tie")


def test_a_batch_of_65536_fits_into_a_gigabyte(capsys):
    sizes = {"batch": 65_536, "dim": 256}
    megabytes, seconds = measure_memory(ours, sizes, TINY)
    figures = {
        "extra_megabytes": round(megabytes, 1),
        "extra_megabytes_limit": 1000,
        "seconds": round(seconds, 1),
    }
    text = record("siglip_loss at a large batch", figures, sizes)
    with capsys.disabled():
        print(text)
    assert megabytes < 1000
