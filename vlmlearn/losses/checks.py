"""What the contrastive losses ask of their inputs: shapes always, values outside ``torch.compile``.

The cost is one norm per vector, and one read of a number from the device for each tensor.
"""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

# Norms of rounded unit vectors stay within 0.2% in bfloat16; 1% off means that nobody normalised.
NORM_TOLERANCE = 0.01
# A logit is scale · norm · norm; three factors below 1e12 keep it inside float32, whose largest is 3.4e38.
LARGEST_FACTOR = 1e12


def check_pairs(
    image_features: Float[Tensor, "batch dim"], text_features: Float[Tensor, "batch dim"]
) -> None:
    """Check a batch of matching pairs, row i with row i, as every contrastive loss takes it.

    Raises:
        ValueError: not 2-D, not floating point, an empty batch, a different batch, width, dtype or device,
            NaN or infinity.

    Warns:
        UserWarning: a vector whose norm is not about 1.
    """
    both = {"image_features": image_features, "text_features": text_features}
    for name, features in both.items():
        if features.ndim != 2:
            raise ValueError(
                f"{name} has shape {tuple(features.shape)}, expected (batch, dim): "
                "pool patches or tokens to one vector per item first"
            )
        if not features.is_floating_point():
            raise ValueError(
                f"{name} is {features.dtype}, expected floating point: "
                "pass what the encoders return, not ids or pixels"
            )
    _check_agreement(image_features, text_features)
    if torch.compiler.is_compiling():
        return
    for name, features in both.items():
        _check_norms(name, features)


def check_scale(logit_scale: float | int | Float[Tensor, ""]) -> None:
    """Check the factor that multiplies the cosines: a number, or a tensor without dimensions, above 0.

    Raises:
        ValueError: a tensor with dimensions, or a value that is NaN, infinite, zero or negative.
    """
    if isinstance(logit_scale, Tensor) and logit_scale.ndim != 0:
        raise ValueError(
            f"logit_scale has shape {tuple(logit_scale.shape)}, expected a float or a 0-d tensor: "
            "make the parameter with torch.tensor(2.66), not torch.tensor([2.66])"
        )
    if torch.compiler.is_compiling():
        return
    value = logit_scale.item() if isinstance(logit_scale, Tensor) else logit_scale
    if not 0 < value < LARGEST_FACTOR:
        raise ValueError(
            f"logit_scale is {value:g}, expected a finite number above 0: "
            "pass the exponentiated parameter, log_scale.exp(), which CLIP keeps at 100 or below"
        )


def _check_agreement(image_features: Tensor, text_features: Tensor) -> None:
    image_batch, image_width = image_features.shape
    text_batch, text_width = text_features.shape
    if image_width != text_width:
        raise ValueError(
            f"text_features has width {text_width}, image_features {image_width}: project one of them first"
        )
    if image_batch != text_batch:
        raise ValueError(
            f"text_features has {text_batch} rows, image_features {image_batch}, "
            "expected one caption per picture: repeat the picture of each extra caption"
        )
    if image_batch == 0:
        raise ValueError("the batch is empty, expected at least one pair: skip empty batches")
    if image_features.dtype != text_features.dtype:
        raise ValueError(
            f"text_features is {text_features.dtype}, image_features {image_features.dtype}, "
            "expected one dtype: cast one with .to(other.dtype)"
        )
    if image_features.device != text_features.device:
        raise ValueError(
            f"text_features is on {text_features.device}, image_features on {image_features.device}, "
            "expected one device: move one with .to(other.device)"
        )


def _check_norms(name: str, features: Tensor) -> None:
    precise = torch.promote_types(features.dtype, torch.float32)
    norms = torch.linalg.vector_norm(features.detach(), dim=1, dtype=precise)
    low, high = torch.stack(torch.aminmax(norms)).tolist()  # one transfer from the device; NaN passes through
    if not high < LARGEST_FACTOR:
        row = int((~(norms < LARGEST_FACTOR)).nonzero()[0])
        raise ValueError(
            f"row {row} of {name} has norm {norms[row].item():g}, expected finite unit vectors: "
            "NaN or infinity often comes from dividing by a zero norm or from too high a learning rate"
        )
    if low < 1 - NORM_TOLERANCE or high > 1 + NORM_TOLERANCE:
        warnings.warn(
            f"{name} has norms from {low:.3g} to {high:.3g}, expected 1, so the logits are no cosines: "
            "apply torch.nn.functional.normalize(features, dim=-1) first",
            UserWarning,
            stacklevel=4,  # the line that called the loss
        )
