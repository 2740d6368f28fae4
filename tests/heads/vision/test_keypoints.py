"""Keypoints: one heat map a kind of point."""

import pytest
import torch

from tests.heads.vision.tiny import CHANNELS, KINDS, SMALL, features, filled, some
from vlmlearn.heads.vision import KeypointHead
from vlmlearn.heads.vision.decoding import soft_argmax, top_peaks


def make(in_channels=6, **options) -> KeypointHead:
    return filled(KeypointHead(in_channels, **{"num_classes": 3, "upsampling_factor": 2, **SMALL, **options}))


@pytest.mark.parametrize("kind", KINDS)
def test_heat_maps_are_probabilities_of_their_own(kind):
    answer = make(CHANNELS[kind])(features(kind))
    assert answer["heatmaps"].shape == answer["logits"].shape == (2, 3, 6, 6)
    torch.testing.assert_close(answer["heatmaps"], answer["logits"].sigmoid())


def test_decoding_reads_them():
    answer = make()(some(2, 6, 3, 3))
    assert top_peaks(answer["heatmaps"], 4).cells.shape == (2, 4)
    assert soft_argmax(answer["logits"]).shape == (2, 3, 2)


def test_an_untrained_head_expects_little():
    torch.manual_seed(0)
    heat = KeypointHead(6, num_classes=3, **SMALL)(some(2, 6, 3, 3))["heatmaps"]
    assert 0.03 < heat.mean() < 0.25


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(ValueError, match="num_classes is 0"):
        make(num_classes=0)
    with pytest.raises(ValueError, match="no option 'num_keypoints'"):
        make(num_keypoints=3)
