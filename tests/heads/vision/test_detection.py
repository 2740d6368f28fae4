"""Detection: every anchor of every place, in the order in which decoding counts them."""

import pytest
import torch

from tests.heads.vision.tiny import SMALL, features, filled, some
from vlmlearn.heads.vision import DetectionHead


def make(in_channels=6, **options) -> DetectionHead:
    return filled(DetectionHead(in_channels, **{"num_classes": 5, "num_anchors": 3, **SMALL, **options}))


def test_shapes():
    answer = make()(some(2, 6, 3, 4))
    assert list(answer) == ["classifications", "regressions"]
    assert answer["classifications"].shape == (2, 3 * 4 * 3, 5)
    assert answer["regressions"].shape == (2, 3 * 4 * 3, 4)
    assert make(bbox_dims=5)(some(2, 6, 3, 4))["regressions"].shape == (2, 36, 5)


def test_a_pyramid_answers_on_its_finest_map():
    assert make((5, 6, 7))(features("pyramid"))["classifications"].shape == (2, 9 * 3, 5)


def test_anchors_go_row_by_row_those_of_a_place_together():
    """The anchors that a change far away in the picture moves are those of the places around it."""
    head, x = make(), some(1, 6, 6, 5)
    changed = x.clone()
    changed[0, :, 5, 4] += 1
    for name, value in head(x).items():
        moved = ((head(changed)[name] - value).abs() > 1e-6).any(2)[0].view(6, 5, 3)
        assert moved[4:, 3:].all() and moved.sum() == 4 * 3, name
    # and the last number of the map belongs to the last class of the last anchor
    numbers = head.classes.predict(head.classes.block(head.trunk([x])))
    answer = head(x)["classifications"].view(6, 5, 3, 5)
    torch.testing.assert_close(answer[2, 3, 1, 4], numbers[0, 1 * 5 + 4, 2, 3])


def test_an_untrained_head_expects_little():
    torch.manual_seed(0)
    answer = DetectionHead(6, num_classes=5, **SMALL)(some(2, 6, 3, 4))
    assert 0.002 < answer["classifications"].sigmoid().mean() < 0.05


@pytest.mark.bad_input
@pytest.mark.parametrize("option", ["num_classes", "num_anchors", "bbox_dims"])
def test_bad_input(option):
    with pytest.raises(ValueError, match=f"{option} is 0, expected a whole number, at least 1"):
        make(**{option: 0})
