"""Instance masks: mixed from prototypes, as large as asked for, trainable at chosen anchors."""

import pytest
import torch
from torch.nn import functional as F

from tests.equality import assert_equal
from tests.heads.vision.tiny import CHANNELS, KINDS, SMALL, features, filled, some
from vlmlearn.heads.vision import InstanceSegmentationHead, coefficients_of, mask_logits
from vlmlearn.heads.vision.decoding import prototype_masks
from vlmlearn.heads.vision.instances import coordinates, spot_coefficients, spot_prototypes


def make(in_channels=6, **options) -> InstanceSegmentationHead:
    ours = {"num_classes": 5, "num_anchors": 2, "num_instances": 4, "mask_size": (7, 5), "num_prototypes": 3}
    return filled(InstanceSegmentationHead(in_channels, **{**ours, **SMALL, **options}))


@pytest.mark.parametrize("kind", KINDS)
def test_shapes(kind):
    shapes = {name: tuple(value.shape) for name, value in make(CHANNELS[kind])(features(kind)).items()}
    assert shapes == {
        "classifications": (2, 18, 5),
        "regressions": (2, 18, 4),
        "instance_masks": (2, 4, 7, 5),
        "instances": (2, 4),
        "coefficients": (2, 18, 3 + 4),
        "prototypes": (2, 3 + 4, 7, 5),
    }


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (28, 28)])
def test_mask_size_is_honoured(size):
    assert make(mask_size=size)(some(2, 6, 3, 3))["instance_masks"].shape == (2, 4, *size)


def test_masks_are_the_mixtures_of_the_surest_anchors():
    answer = make()(some(2, 6, 3, 3))
    surest = answer["classifications"].amax(2).sort(descending=True).indices[:, :4]
    assert torch.equal(answer["instances"], surest)
    for picture in range(2):
        for place, anchor in enumerate(surest[picture]):
            mixed = sum(
                c * p
                for c, p in zip(
                    answer["coefficients"][picture, anchor], answer["prototypes"][picture], strict=True
                )
            )
            assert_equal(answer["instance_masks"][picture, place], mixed.sigmoid())


def test_decoding_reads_the_same_masks():
    answer = make()(some(1, 6, 3, 3))
    whole = torch.tensor([[0.0, 0.0, 5.0, 7.0]]).expand(4, 4)
    masks = prototype_masks(
        answer["prototypes"][0], coefficients_of(answer["coefficients"], answer["instances"])[0], whole
    )
    torch.testing.assert_close(masks, answer["instance_masks"][0])


def test_coordinates():
    x, y = coordinates(2, 4, like=some(1))
    torch.testing.assert_close(x[0], torch.tensor([-0.75, -0.25, 0.25, 0.75]))
    torch.testing.assert_close(y[:, 3], torch.tensor([-0.5, 0.5]))
    # a cell's middle is the same place on a map and on a mask three times as fine
    assert torch.equal(coordinates(6, 12, like=x)[:, 1::3, 1::3], torch.stack([x, y]))


def test_the_fixed_prototypes_make_a_spot():
    places, pixels = some(3, 2), coordinates(5, 6, like=some(1))
    sharpness = some(2, 3, seed=1).exp()
    fixed = spot_prototypes(pixels).expand(2, 4, 5, 6)
    spots = mask_logits(fixed, spot_coefficients(sharpness, places))
    squared = (pixels - places[:, :, None, None]).square().sum(1)
    assert_equal(spots, -sharpness[..., None, None] * squared)


def test_the_spot_of_an_anchor_lies_on_its_place():
    """A mask of nothing but the spots: the brightest pixel is the anchor's, and anchors of a place share it."""
    answer = make(mask_size=(3, 4))(some(1, 6, 3, 4))
    spots = mask_logits(answer["prototypes"][:, 3:], answer["coefficients"][..., 3:])
    assert torch.equal(spots.flatten(2).argmax(2)[0], torch.arange(12).repeat_interleave(2))


def test_two_equal_places_can_get_different_masks():
    """Masks at the anchors of two objects that look the same: their spots tell them apart."""
    torch.manual_seed(0)
    head = InstanceSegmentationHead(
        4, num_classes=1, num_anchors=1, num_instances=2, mask_size=(8, 8), num_prototypes=4, **SMALL
    )
    x = torch.zeros(1, 4, 8, 8)
    x[0, 0, 2:6, 0:3], x[0, 0, 2:6, 5:8] = 1, 1  # two equal blocks
    targets = torch.zeros(1, 2, 8, 8)
    targets[0, 0, 2:6, 0:3], targets[0, 1, 2:6, 5:8] = 1, 1
    anchors = torch.tensor([[3 * 8 + 1, 3 * 8 + 6]])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(120):
        answer = head(x)
        logits = mask_logits(answer["prototypes"], coefficients_of(answer["coefficients"], anchors))
        loss = F.binary_cross_entropy_with_logits(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert ((logits > 0) == (targets > 0.5)).float().mean() > 0.97


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_instances": 19}, "num_instances is 19, but there are only 18 anchors, 2 a place"),
        ({"mask_size": (0, 3)}, r"mask_size is \(0, 3\), expected \(rows, columns\)"),
        ({"mask_size": (3,)}, r"mask_size is \(3,\)"),
        ({"num_prototypes": 0}, "num_prototypes is 0"),
        ({"num_classes": 0}, "num_classes is 0"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)(some(2, 6, 3, 3))
