"""The trunk is its drawing: laterals, body on the coarsest scale, sums on the way to the finest."""

import pytest
import torch
from torch.nn import functional as F

from tests.equality import assert_equal
from tests.heads.vision.tiny import config, features, filled, some
from vlmlearn.heads.vision.trunk import Trunk
from vlmlearn.layers import CBAM, Attention, DifferentialAttention


def make(widths=(6,), **options) -> Trunk:
    torch.manual_seed(0)
    return filled(Trunk(widths, config(**options)))


def moved_places(trunk, x, scale=0):
    """Where the result changes when one place of one scale does."""
    changed = [m.clone() for m in x]
    changed[scale][0, :, 0, 0] += 1
    return ((trunk(changed) - trunk(x)).abs() > 1e-6).any(1)[0]


def test_without_attention_a_place_is_alone():
    assert moved_places(make(), [some(1, 6, 4, 4)]).sum() == 1
    for kind in ("mlp", "glu", "swiglu"):
        assert moved_places(make(use_ffn=True, ffn_type=kind), [some(1, 6, 4, 4)]).sum() == 1


@pytest.mark.parametrize("kind", ["multi_head", "cbam", "differential"])
def test_with_attention_every_place_looks_at_every_other(kind):
    assert moved_places(make(use_attention=True, attention_type=kind), [some(1, 6, 4, 4)]).all()


def test_options_choose_the_layers():
    kinds = {"multi_head": Attention, "cbam": CBAM, "differential": DifferentialAttention}
    for name, kind in kinds.items():
        assert type(make(use_attention=True, attention_type=name).body[0].inside) is kind
    assert len(make().body) == 0 and len(make(use_attention=True, use_ffn=True).body) == 2
    inside = make(use_ffn=True, ffn_type="glu", ffn_expansion_factor=3).body[0].inside
    assert inside.widen.out_features == 3 * 8


def test_the_pyramid_is_its_sums():
    trunk, maps = make((5, 6, 7)), features("pyramid")
    laterals = [F.conv2d(m, lateral.weight) for m, lateral in zip(maps, trunk.laterals, strict=True)]
    x = trunk.first(laterals[2])
    x = laterals[1] + F.interpolate(x, size=(2, 3))
    x = laterals[0] + F.interpolate(x, size=(3, 3))
    assert_equal(trunk(maps), trunk.smooth(x))


def test_every_scale_is_seen():
    trunk, maps = make((5, 6, 7)), features("pyramid")
    for scale in range(3):
        assert moved_places(trunk, maps, scale).any()


def test_dropout_only_in_training():
    trunk, x = make(dropout_rate=0.5), [some(2, 6, 4, 4)]
    assert 0.2 < (trunk(x) == 0).float().mean() < 0.8
    trunk.eval()
    assert torch.equal(trunk(x), make()(x))


@pytest.mark.bad_input
def test_batch_norm_of_a_single_place():
    trunk = make(normalization_type="batch_norm")
    with pytest.raises(ValueError, match="batch norm in training got one value a channel"):
        trunk([some(1, 6, 1, 1)])
    assert trunk.eval()([some(1, 6, 1, 1)]).shape == (1, 8, 1, 1)
