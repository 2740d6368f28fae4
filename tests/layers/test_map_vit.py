"""SigLIP's image tower looks at every patch and at nothing else; upstream's is compared in tests/parity."""

import pytest
import torch

from vlmlearn.layers import MapViTConfig, MapViTTower

SMALL = {"image_side": 16, "patch": 8, "width": 12, "layers": 1, "heads": 2, "hidden": 20}


def make(**changes) -> MapViTTower:
    torch.manual_seed(0)
    return MapViTTower(MapViTConfig(**SMALL | changes))


def test_every_patch_matters():
    tower, images = make(), torch.randn(2, 3, 16, 16)
    before = tower(images)
    assert before.shape == (2, 12)
    for row in (0, 8):
        for column in (0, 8):
            changed = images.clone()
            changed[..., row : row + 8, column : column + 8] = 3
            assert (tower(changed) - before).norm(dim=1).min() > 1e-3


def test_the_norm_stands_before_the_head():
    tower, images = make(), torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(tower(images), tower.head(tower.norm(tower.vit(images))))


def test_what_patches_do_not_tile_is_not_looked_at():
    tower = make(image_side=21)
    assert tower.vit.positions.shape == (4, 12)
    images = torch.randn(2, 3, 21, 21)
    changed = images.clone()
    changed[..., 16:, :], changed[..., :, 16:] = 5, 5
    assert torch.equal(tower(changed), tower(images))
    changed[..., 15, 15] = 5
    assert not torch.equal(tower(changed), tower(images))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch": 17}, "patch is 17, image_side 16: a patch must fit in"),
        ({"heads": 5}, "MapViTConfig: the tower is 12 wide, heads is 5"),
        ({"layers": 0}, "MapViTConfig: layers is 0, expected a whole number, at least 1"),
        ({"activation": "swish"}, "activation is 'swish', expected one of gelu, gelu_tanh"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        MapViTConfig(**SMALL | changes)


@pytest.mark.bad_input
def test_images_that_do_not_fit():
    with pytest.raises(ValueError, match=r"expected \(batch, 3, 21, 21\): resize them, colours first"):
        make(image_side=21)(torch.randn(2, 3, 16, 16))
