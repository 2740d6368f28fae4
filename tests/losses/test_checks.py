"""Bad input to a contrastive loss: the message says what came, what was expected and the usual fix."""

import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from vlmlearn.losses import clip_loss

pytestmark = pytest.mark.bad_input


def unit(batch: int, dim: int, **kwargs) -> torch.Tensor:
    return F.normalize(torch.randn(batch, dim, generator=torch.Generator().manual_seed(batch)), dim=1).to(
        **kwargs
    )


def spoilt(value: float) -> torch.Tensor:
    features = unit(4, 8)
    features[2, 5] = value
    return features


SHAPES = {
    "width": (
        unit(4, 8),
        unit(4, 6),
        "text_features has width 6, image_features 8: project one of them first",
    ),
    "batch": (unit(4, 8), unit(3, 8), r"text_features has 3 rows, image_features 4, .* repeat the picture"),
    "1-D": (unit(4, 8)[0], unit(4, 8), r"image_features has shape \(8,\), expected \(batch, dim\): pool"),
    "3-D": (
        unit(4, 8),
        unit(4, 8)[None],
        r"text_features has shape \(1, 4, 8\), expected \(batch, dim\): pool",
    ),
    "empty": (unit(0, 8), unit(0, 8), "the batch is empty, expected at least one pair: skip"),
}
KINDS = {
    "integer": (
        torch.ones(4, 8).long(),
        unit(4, 8),
        r"image_features is torch.int64, expected floating point: pass",
    ),
    "complex": (
        unit(4, 8),
        unit(4, 8) + 0j,
        r"text_features is torch.complex64, expected floating point: pass",
    ),
    "mixed": (
        unit(4, 8),
        unit(4, 8, dtype=torch.float16),
        r"text_features is torch.float16, image_features torch.fl",
    ),
    "device": (
        unit(4, 8),
        unit(4, 8, device="meta"),
        "text_features is on meta, image_features on cpu, .* move one",
    ),
}
VALUES = {
    "nan": (
        spoilt(math.nan),
        unit(4, 8),
        "row 2 of image_features has norm nan, expected finite unit vectors: NaN",
    ),
    "inf": (
        unit(4, 8),
        spoilt(math.inf),
        "row 2 of text_features has norm inf, expected finite unit vectors: NaN",
    ),
    "huge": (
        unit(4, 8),
        spoilt(1e30),
        "row 2 of text_features has norm inf, expected finite unit vectors: NaN",
    ),
}


@pytest.mark.parametrize("chunk_size", [None, 2])
@pytest.mark.parametrize("case", SHAPES | KINDS | VALUES)
def test_features_that_cannot_be_compared(case, chunk_size):
    image, text, message = (SHAPES | KINDS | VALUES)[case]
    with pytest.raises(ValueError, match=message):
        clip_loss(image, text, 10.0, chunk_size=chunk_size)


@pytest.mark.parametrize(
    "scale", [0, 0.0, -1.0, math.nan, math.inf, torch.tensor(-2.0), torch.tensor(math.nan)]
)
def test_scale_that_is_not_above_zero(scale):
    with pytest.raises(
        ValueError, match=r"logit_scale is (0|-1|-2|nan|inf), expected a finite number above 0: pass"
    ):
        clip_loss(unit(4, 8), unit(4, 8), scale)


def test_scale_with_a_dimension():
    with pytest.raises(
        ValueError, match=r"logit_scale has shape \(1,\), expected a float or a 0-d tensor: make"
    ):
        clip_loss(unit(4, 8), unit(4, 8), torch.tensor([10.0]))


@pytest.mark.parametrize("chunk_size", [0, -3])
def test_chunk_size_below_one(chunk_size):
    with pytest.raises(
        ValueError, match=f"chunk_size is {chunk_size}, expected at least 1: try 256, or None"
    ):
        clip_loss(unit(4, 8), unit(4, 8), 10.0, chunk_size=chunk_size)


def test_features_nobody_normalised_warn():
    with pytest.warns(UserWarning, match=r"text_features has norms from 3 to 3, expected 1, .*normalize"):
        clip_loss(unit(4, 8), 3 * unit(4, 8), 10.0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_unit_vectors_rounded_to_their_dtype_do_not_warn(dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip_loss(unit(64, 512, dtype=dtype), unit(64, 512, dtype=dtype), 100.0)
        clip_loss(unit(64, 2, dtype=dtype), unit(64, 2, dtype=dtype), torch.tensor(100.0, requires_grad=True))
