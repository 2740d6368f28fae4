"""EfficientNet: channels and blocks after scaling, the published sizes, sides of the grid, bad settings."""

import pytest
import torch

from vlmlearn.layers import EfficientNet, EfficientNetConfig, Stage
from vlmlearn.layers.efficientnet import scaled_channels

TINY = EfficientNetConfig(0.5, 1.0, (Stage(3, 1, 1, 16, 1), Stage(5, 2, 6, 24, 2)))


@pytest.mark.parametrize(
    ("channels", "factor", "expected"),
    [
        (32, 1.0, 32),
        (32, 2.0, 64),
        (320, 2.0, 640),
        (24, 1.4, 32),  # 33.6: down to the nearest multiple of 8
        (16, 1.2, 24),  # 19.2: 16 would be more than a tenth less
        (3, 0.5, 8),  # never below the divisor
    ],
)
def test_scaled_channels(channels, factor, expected):
    assert scaled_channels(channels, factor) == expected


@pytest.mark.parametrize(
    ("size", "blocks", "count"),
    [(0, 16, 4_007_548), (1, 23, 6_513_184), (4, 32, 17_548_616), (7, 55, 63_786_960)],
)
def test_the_published_sizes(size, blocks, count):
    """As many parameters as the published networks without their classifier."""
    with torch.device("meta"):
        network = EfficientNet(EfficientNetConfig.b(size), top=True)
    assert len(network.blocks) == blocks
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize(("side", "grid"), [((32, 32), (8, 8)), ((33, 47), (8, 11))])
def test_a_grid_of_features(side, grid):
    for top, width in ((False, TINY.width), (True, 640)):
        network = EfficientNet(TINY, top=top).eval()
        assert network(torch.randn(2, 3, *side)).shape == (2, width, *grid)
    assert TINY.width == 16


def test_drop_connect_grows_with_depth():
    rates = [block.drop for block in EfficientNet(EfficientNetConfig.b(0)).blocks]
    assert rates[0] == 0 and rates == sorted(rates) and rates[-1] == pytest.approx(0.2 * 15 / 16)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EfficientNetConfig(width_factor=0.0), r"width_factor is 0\.0"),
        (lambda: EfficientNetConfig(drop_connect=1.0), r"drop_connect 1\.0"),
        (lambda: EfficientNetConfig(stages=(Stage(3, 3, 1, 16, 1),)), "stride of 1 or 2"),
        (lambda: EfficientNetConfig(stages=(Stage(4, 1, 1, 16, 1),)), "odd kernel"),
        (lambda: EfficientNetConfig(stages=()), "no stages"),
        (lambda: EfficientNetConfig(divisor=0), "divisor is 0"),
        (lambda: EfficientNetConfig.b(8), "no EfficientNet-B8, expected 0 to 7"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()
