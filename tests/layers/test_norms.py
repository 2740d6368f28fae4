"""The four norms are torch's, and a map and its tokens get the same numbers."""

import pytest
import torch
from einops import rearrange
from torch import nn

from tests.equality import assert_equal, shaken
from vlmlearn.layers import Norm
from vlmlearn.layers.norms import NORMS

WIDTH = 16


def some_map(batch=3, h=4, w=5):
    return torch.randn(batch, WIDTH, h, w, generator=torch.Generator().manual_seed(0)) * 3 + 1


def reference(kind):
    """torch's own, for maps."""
    if kind == "batch_norm":
        return nn.BatchNorm2d(WIDTH)
    if kind == "group_norm":
        return nn.GroupNorm(2, WIDTH)
    norm = nn.LayerNorm(WIDTH) if kind == "layer_norm" else nn.RMSNorm(WIDTH, eps=1e-5)
    return lambda x: norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("kind", NORMS)
def test_it_is_torchs(kind):
    assert_equal(Norm(kind, WIDTH)(some_map()), reference(kind)(some_map()))


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("training", [True, False])
def test_a_map_and_its_tokens_get_the_same_numbers(kind, training):
    norm, x = shaken(Norm(kind, WIDTH)).train(training), some_map()
    tokens = rearrange(x, "b c h w -> b (h w) c")
    assert_equal(rearrange(norm(x), "b c h w -> b (h w) c"), norm(tokens))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3, WIDTH, 4, 5), (3, 7, WIDTH), (1, 4, WIDTH)])
def test_batch_norm_is_torchs_for_maps_and_tokens(shape, training):
    """Results, gradients, and what is remembered, after two batches of training."""
    ours = shaken(Norm("batch_norm", WIDTH))
    theirs = nn.BatchNorm2d(WIDTH) if len(shape) == 4 else nn.BatchNorm1d(WIDTH)
    theirs.load_state_dict(ours.norm.state_dict())

    def reference(x):
        return theirs(x) if x.ndim == 4 else theirs(x.transpose(1, 2)).transpose(1, 2)

    batches = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 3 + 1 for seed in range(3)]
    for batch in batches[:2]:
        assert_equal(ours(batch), reference(batch))
    ours.train(training)
    theirs.train(training)
    x, y = (batches[2].clone().requires_grad_() for _ in range(2))
    one, other = ours(x), reference(y)
    assert_equal(one, other)
    one.pow(3).sum().backward()
    other.pow(3).sum().backward()
    assert_equal(x.grad, y.grad, "input")
    for name, parameter in theirs.named_parameters():
        assert_equal(ours.norm.get_parameter(name).grad, parameter.grad, name)
    for name, value in theirs.state_dict().items():
        assert_equal(ours.norm.state_dict()[name].float(), value.float(), name)


def test_whose_statistics_they_are():
    """Which other numbers move a result: of the same position, picture, or batch."""
    changed = some_map()
    changed[0, 0, 0, 0] += 5
    sees = {}
    for kind in NORMS:
        moved = (Norm(kind, WIDTH)(changed) - Norm(kind, WIDTH)(some_map())).abs() > 1e-6
        sees[kind] = {
            "other channels": bool(moved[0, -1].any() or moved[0, 1].any()),
            "other positions": bool(moved[0, 0, 1:].any()),
            "other pictures": bool(moved[1:].any()),
        }
    assert sees["layer_norm"] == sees["rms_norm"]
    assert list(sees["layer_norm"].values()) == [True, False, False]
    assert list(sees["group_norm"].values()) == [True, True, False]
    assert list(sees["batch_norm"].values()) == [False, True, True]


def test_every_group_has_several_channels_whatever_the_width():
    for width in (1, 3, 4, 6, 8, 12, 20, 48, 96, 100, 256, 512):
        norm = Norm("group_norm", width).norm
        assert width % norm.num_groups == 0 and width / norm.num_groups >= min(width, 8)
    assert Norm("group_norm", 256).norm.num_groups == 32


def test_batch_norm_remembers_for_evaluation():
    norm = Norm("batch_norm", WIDTH)
    for _ in range(200):
        norm(some_map())
    result = norm.eval()(some_map())
    assert result.mean().abs() < 0.01 and (result.std() - 1).abs() < 0.02
    assert norm(some_map(1, 1, 1)).isfinite().all()


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(ValueError, match="norm is 'layernorm', expected one of layer_norm, batch_norm"):
        Norm("layernorm", 8)
    with pytest.raises(ValueError, match=r"shape \(3, 16, 4, 5\), expected a map \(batch, 8, h, w\)"):
        Norm("rms_norm", 8)(some_map())
    with pytest.raises(ValueError, match=r"shape \(16, 4\)"):
        Norm("layer_norm", 16)(torch.ones(16, 4))
    norm = Norm("batch_norm", WIDTH)
    with pytest.raises(ValueError, match=r"one value a channel .* take a batch of 2 or more"):
        norm(some_map(1, 1, 1))
    with pytest.raises(ValueError, match="one value a channel"):
        norm(torch.ones(1, 1, WIDTH))
