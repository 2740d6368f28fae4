"""Segmentation: masks and logits, and what skip connections add."""

import pytest
import torch
from torch.nn import functional as F

from tests.equality import assert_equal
from tests.heads.vision.tiny import CHANNELS, KINDS, SMALL, features, filled, some
from vlmlearn.heads.vision import SegmentationHead


def make(in_channels=6, **options) -> SegmentationHead:
    return filled(
        SegmentationHead(in_channels, **{"num_classes": 5, "upsampling_factor": 2, **SMALL, **options})
    )


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_probabilities(kind):
    answer = make(CHANNELS[kind])(features(kind))
    assert answer["masks"].shape == answer["logits"].shape == (2, 5, 6, 6)
    torch.testing.assert_close(answer["masks"], answer["logits"].softmax(1))
    assert answer["logits"].min() < 0


def test_a_single_class_is_a_yes_or_no():
    answer = make(num_classes=1)(some(2, 6, 3, 3))
    torch.testing.assert_close(answer["masks"], answer["logits"].sigmoid())


@pytest.mark.parametrize("size", [None, (7, 5)])
def test_skip_connections_add_every_scales_own_votes(size):
    x = features("pyramid")
    with_votes, without = make((5, 6, 7), use_skip_connections=True), make((5, 6, 7))
    expected = without(x, output_size=size)["logits"]
    for vote, scale in zip(with_votes.votes, x, strict=True):
        expected = expected + F.interpolate(vote(scale), size=size or (6, 6), mode="bilinear")
    assert_equal(with_votes(x, output_size=size)["logits"], expected)


def test_a_single_scale_votes_too():
    x = some(2, 6, 3, 3)
    assert len(make(use_skip_connections=True).votes) == 1
    gap = make(use_skip_connections=True)(x)["logits"] - make()(x)["logits"]
    assert gap.norm() > 1e-2
    assert torch.equal(
        make(use_skip_connections=True)([x])["masks"], make(use_skip_connections=True)(x)["masks"]
    )


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(ValueError, match="num_classes is 0"):
        make(num_classes=0)
    with pytest.raises(
        ValueError, match="no option 'use_skip_conections', did you mean 'use_skip_connections'"
    ):
        make(use_skip_conections=True)
