"""The modality gap: pictures and sentences of a shared space that live in different parts of it."""

from typing import NamedTuple

from jaxtyping import Float, Float64
from torch import Tensor


class ModalityGap(NamedTuple):
    """What lies between the pictures and the sentences.

    Attributes:
        vector: (dim,) mean of the image vectors minus mean of the text vectors.
        length: of that vector; 0 where the means agree, at most 2.
        explained: share (0 to 1) of the variance of all vectors that is the difference of the two means.
        separated: percentage of vectors that are nearer to the mean of their own kind: 50 is chance where there
            are as many of each, 100 means that a flat border tells a picture from a sentence. A vector as near to
            one mean as to the other does not count.
    """

    vector: Float64[Tensor, " dim"]
    length: float
    explained: float
    separated: float


def modality_gap(
    image_features: Float[Tensor, "images dim"], text_features: Float[Tensor, "texts dim"]
) -> ModalityGap:
    """Distance between the two clouds of vectors, all of them first brought to length one.

    The definition of the gap is that of Liang et al. 2022 ("Mind the gap", section 2).

    Args:
        image_features, text_features: features of any length but zero; they need not be pairs.

    Raises:
        ValueError: features that are no matrices of one width, an empty side, NaN or infinity, a zero vector.
    """
    image, text = image_features, text_features
    if image.ndim != 2 or text.ndim != 2 or image.shape[1] != text.shape[1] or not (len(image) and len(text)):
        raise ValueError(
            f"image features have shape {tuple(image.shape)}, text features {tuple(text.shape)}: expected "
            "(images, dim) and (texts, dim), one of each at least, in one shared space"
        )
    image, text = _unit(image, "image"), _unit(text, "text")
    n, m = len(image), len(text)
    means = image.mean(0), text.mean(0)
    gap = means[0] - means[1]
    between = n * m / (n + m) * float(gap @ gap)
    within = sum(float((x - mean).square().sum()) for x, mean in zip((image, text), means, strict=True))
    total = between + within
    # |x - mean_image| < |x - mean_text| is the same as being on the image side of the plane halfway between.
    border = (means[0] + means[1]) / 2 @ gap
    right = int((image @ gap > border).sum()) + int((text @ gap < border).sum())
    return ModalityGap(
        vector=gap,
        length=float(gap.norm()),
        explained=between / total if total else 0.0,
        separated=100 * right / (n + m),
    )


def _unit(features: Tensor, kind: str) -> Float64[Tensor, "n dim"]:
    features = features.detach().double()
    if not features.isfinite().all():
        raise ValueError(f"{kind} features contain NaN or infinity: look at the tower's last layer")
    # By the largest entry first: squares of very small or very large numbers leave the range of floats.
    largest = features.abs().amax(1, keepdim=True)
    if not (largest > 0).all():
        raise ValueError(
            f"{int((largest == 0).sum())} of {len(features)} {kind} features are zero vectors, which point nowhere"
        )
    features = features / largest
    return features / features.norm(dim=1, keepdim=True)
