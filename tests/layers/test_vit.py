"""The Vision Transformer: tokens in reading order, its options, and the tower that makes one vector of them."""

import pytest
import torch
from torch import nn

from vlmlearn.layers import VisionTransformer, ViTConfig, ViTTower

SMALL = {"image_side": 16, "patch": 8, "width": 12, "layers": 1, "heads": 2, "hidden": 20}


@pytest.mark.parametrize("patch", [4, 8, 16])
def test_vit_gives_a_token_for_every_patch(patch):
    tower = VisionTransformer(32, patch, width=24, layers=1, heads=3)
    assert tower(torch.randn(2, 3, 32, 32)).shape == (2, (32 // patch) ** 2, 24)
    assert (tower.width, tower.stride) == (24, patch)


def test_vit_patches_equal_a_linear_layer_on_flattened_pixels():
    """Dosovitskiy et al. 2021, equation 1."""
    tower = VisionTransformer(16, 8, width=12, layers=0, heads=2)
    images = torch.randn(2, 3, 16, 16)
    pixels = nn.functional.unfold(images, 8, stride=8).transpose(1, 2)  # (batch, patch, 3 · 8 · 8)
    expected = pixels @ tower.patches.weight.flatten(1).T + tower.patches.bias + tower.positions
    torch.testing.assert_close(tower(images), expected, rtol=1e-5, atol=1e-5)


def test_vit_tells_places_apart_by_its_positions():
    torch.manual_seed(0)
    tower = VisionTransformer(16, 8, width=12, layers=1, heads=2)
    tokens = tower(torch.ones(1, 3, 16, 16))[0]
    assert torch.cdist(tokens, tokens).fill_diagonal_(1).min() > 1e-3


def test_options_add_what_they_say():
    plain = VisionTransformer(**SMALL)
    assert plain(torch.randn(2, 3, 16, 16)).shape == (2, 4, 12)
    clip = VisionTransformer(**SMALL, patch_bias=False, class_token=True, first_norm=True)
    assert clip(torch.randn(2, 3, 16, 16)).shape == (2, 5, 12)
    new = {*clip.state_dict()} ^ {*plain.state_dict()}
    assert new == {"class_token", "patches.bias", "first_norm.weight", "first_norm.bias"}


@pytest.mark.parametrize("pool", ["class", "mean"])
@pytest.mark.parametrize("embedding", [None, 7])
def test_a_tower_gives_one_vector(pool, embedding):
    torch.manual_seed(0)
    tower = ViTTower(ViTConfig(**SMALL, pool=pool), embedding)
    images = torch.randn(3, 3, 16, 16)
    result = tower(images)
    assert result.shape == (3, embedding or 12)
    tokens = tower.vit(images)
    pooled = tokens[:, 0] if pool == "class" else tokens.mean(1)
    torch.testing.assert_close(result, tower.projection(tower.norm(pooled)))
    result.square().sum().backward()
    for name, parameter in tower.named_parameters():
        if not name.endswith("key.bias"):  # adds the same to all scores of a query
            assert parameter.grad is not None and parameter.grad.norm() > 0, name


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch": 5}, "image_side is 16, expected a multiple of 5"),
        ({"heads": 5}, "the tower is 12 wide, heads is 5"),
        ({"layers": 0}, "ViTConfig: layers is 0, expected a whole number, at least 1"),
        ({"image_side": (16, 16)}, r"image_side is \(16, 16\), expected a whole number"),
        ({"activation": "swish"}, "activation is 'swish', expected one of gelu, gelu_tanh"),
        ({"pool": "max"}, "pool is 'max', expected one of class, mean"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        ViTConfig(**SMALL | changes)


@pytest.mark.bad_input
def test_images_that_do_not_fit():
    tower = ViTTower(ViTConfig(**SMALL))
    for shape in ((2, 3, 8, 8), (2, 1, 16, 16), (2, 16, 16, 3), (3, 16, 16)):
        with pytest.raises(ValueError, match=r"expected \(batch, 3, 16, 16\): resize them, colours first"):
            tower(torch.randn(shape))
    with pytest.raises(ValueError, match=r"images are torch.uint8, expected standardised floats"):
        tower(torch.zeros(2, 3, 16, 16, dtype=torch.uint8))
