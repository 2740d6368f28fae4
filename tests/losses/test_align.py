"""ALIGN's loss: by the definition, CLIP's without smoothing, never below its floor, and clear about bad input."""

import math

import pytest
import torch
from torch.nn import functional as F

from vlmlearn.losses import align_loss, clip_loss


def features(batch: int = 5, dtype=torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        F.normalize(torch.randn(batch, 8, generator=generator, dtype=dtype), dim=1) for _ in range(2)
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_by_its_definition(smoothing):
    image, text = features(dtype=torch.float64)
    logits = 7.0 * image @ text.T
    labels = (1 - smoothing) * torch.eye(5) + smoothing / 5
    expected = -sum((labels * logits.log_softmax(axis)).sum(axis).mean() for axis in (0, 1)) / 2
    torch.testing.assert_close(align_loss(image, text, 7.0, smoothing=smoothing), expected)


def test_without_smoothing_it_is_clips():
    image, text = features()
    scale = torch.tensor(7.0, requires_grad=True)
    torch.testing.assert_close(align_loss(image, text, scale, smoothing=0), clip_loss(image, text, scale))
    align_loss(image, text, scale).backward()
    assert scale.grad.abs() > 1e-3


def test_certainty_does_not_pay():
    """Perfect pairs: CLIP's loss falls towards 0 with the scale, this one is least at a moderate scale."""
    image = torch.eye(8)
    losses = [align_loss(image, image, scale).item() for scale in (1.0, 4.0, 50.0)]
    labels = torch.full((8,), 0.1 / 8)
    labels[0] += 0.9
    floor = -(labels * labels.log()).sum().item()
    assert losses[1] < losses[0] and losses[1] < losses[2]
    assert min(losses) >= floor


@pytest.mark.parametrize("batch", [1, 6])
def test_nothing_known_costs_log_n(batch):
    image = F.normalize(torch.ones(batch, 4), dim=1)
    assert align_loss(image, image, 10.0).item() == pytest.approx(math.log(batch), abs=1e-6)


def test_half_precision_is_computed_in_single():
    image, text = (x.half() for x in features())
    loss = align_loss(image, text, 100.0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, align_loss(image.float(), text.float(), 100.0))


@pytest.mark.bad_input
def test_bad_input():
    image, text = features()
    with pytest.raises(ValueError, match=r"smoothing is 1\.5"):
        align_loss(image, text, 1.0, smoothing=1.5)
    with pytest.raises(ValueError, match="project one of them"):
        align_loss(image, text[:, :4], 1.0)
    with pytest.raises(ValueError, match="logit_scale is 0"):
        align_loss(image, text, 0.0)
