"""Depth stays in its range, and the confidence is a probability that the loss makes honest."""

import math

import pytest
import torch

from tests.heads.vision.tiny import SMALL, features, filled, some
from vlmlearn.heads.vision import DepthEstimationHead
from vlmlearn.losses import laplace_depth_loss


def make(in_channels=6, **options) -> DepthEstimationHead:
    options = {"min_depth": 2.0, "max_depth": 9.1, "upsampling_factor": 2, **SMALL, **options}
    return filled(DepthEstimationHead(in_channels, **options))


def saying(head, place: float, scale: float) -> dict[str, torch.Tensor]:
    """The answer of a head whose raw numbers are these everywhere."""
    with torch.no_grad():
        head.predict.weight.zero_()
        head.predict.bias.copy_(torch.tensor([place, scale]))
    return {name: value.detach() for name, value in head(some(1, 6, 2, 2)).items()}


def test_shapes():
    for size, shape in ((None, (6, 6)), ((64, 48), (64, 48))):
        answer = make((5, 6, 7), output_channels=2)(features("pyramid"), output_size=size)
        assert list(answer) == ["depth", "confidence", "log_scale"]
        assert all(value.shape == (2, 2, *shape) for value in answer.values())


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize(("low", "high"), [(0.1, 100.0), (2.0, 9.1), (1e-3, 0.7)])
def test_depth_never_leaves_its_range(log, low, high):
    head = make(min_depth=low, max_depth=high, use_log_depth=log)
    for place in (-1e4, -3.0, 3.0, 1e4):
        depth = saying(head, place, 0.0)["depth"]
        assert (depth >= low).all() and (depth <= high).all()
    torch.testing.assert_close(saying(head, -1e4, 0.0)["depth"], torch.full((1, 1, 4, 4), low))
    torch.testing.assert_close(saying(head, 1e4, 0.0)["depth"], torch.full((1, 1, 4, 4), high))


def test_half_way():
    for log, middle in ((True, math.sqrt(2 * 9.1)), (False, (2 + 9.1) / 2)):
        assert saying(make(use_log_depth=log), 0.0, 0.0)["depth"].mean().item() == pytest.approx(middle)


def test_confidence_is_the_probability_of_being_near_enough():
    answer = saying(make(), 0.0, -1.0)
    log_scale = 4 * math.tanh(-1 / 4)
    assert answer["log_scale"].mean().item() == pytest.approx(log_scale)
    error = torch.distributions.Laplace(0.0, math.exp(log_scale))
    expected = error.cdf(torch.tensor(1.25).log()) - error.cdf(torch.tensor(1 / 1.25).log())
    torch.testing.assert_close(answer["confidence"].mean(), expected)


@pytest.mark.parametrize("scale", [-1e6, -10.0, 0.0, 10.0, 1e6])
def test_confidence_lies_strictly_between_0_and_1(scale):
    confidence = saying(make(), 0.0, scale)["confidence"]
    assert confidence.min() > 0 and confidence.max() < 1


def test_confidence_is_learnt_and_becomes_honest():
    """Errors are drawn small on the left half of a picture and large on the right: the head finds out which."""
    torch.manual_seed(0)
    head = DepthEstimationHead(2, min_depth=1.0, max_depth=10.0, upsampling_factor=1, **SMALL)
    sides = torch.zeros(1, 2, 8, 8)
    sides[:, 0, :, :4], sides[:, 1, :, 4:] = 1, 1
    spread = torch.where(sides[:, :1] > 0, 0.05, 0.8)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(150):
        target = 3 * torch.exp(torch.distributions.Laplace(0.0, spread).sample())
        answer = head(sides)
        loss = laplace_depth_loss(answer["depth"], answer["log_scale"], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    target = 3 * torch.exp(torch.distributions.Laplace(0.0, spread.expand(200, 1, 8, 8)).sample())
    near = ((answer["depth"].log() - target.log()).abs() < math.log(1.25)).float().mean((0, 1))
    confidence = answer["confidence"][0, 0].detach()
    for half in (slice(0, 3), slice(5, 8)):
        assert (confidence[:, half].mean() - near[:, half].mean()).abs() < 0.1
    assert confidence[:, :3].min() > confidence[:, 5:].max() + 0.3


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_depth": 9.1}, r"min_depth is 9\.1, max_depth 9\.1, expected 0 < min_depth < max_depth"),
        ({"min_depth": 0.0}, "expected 0 < min_depth"),
        ({"max_depth": math.inf}, "finite"),
        ({"max_depth": math.nan}, "max_depth nan"),
        ({"output_channels": 0}, "output_channels is 0"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
