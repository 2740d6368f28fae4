"""The modality gap as a picture."""

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from vlmlearn.plots.style import COLORS


def modality_gap_map(
    axes: Axes,
    image_features: Float[Tensor, "pairs dim"],
    text_features: Float[Tensor, "pairs dim"],
    title: str = "",
) -> None:
    """Draw pictures and sentences as points of a plane, with a line from each picture to its own sentence.

    The plane is that of the two directions in which all vectors together vary most (principal components), so
    what looks close may still differ in the directions that are left out; the labels say how much is shown.

    Args:
        axes: where to draw.
        image_features, text_features: picture i belongs to sentence i; drawn as they are, so normalise first.
        title: above the points.

    Raises:
        ValueError: features of different shapes, fewer than two pairs or two directions, NaN or infinity.
    """
    if image_features.shape != text_features.shape or image_features.ndim != 2:
        raise ValueError(
            f"image features have shape {tuple(image_features.shape)}, text features "
            f"{tuple(text_features.shape)}: expected (pairs, dim) for both, picture i with sentence i"
        )
    count, dim = image_features.shape
    if count < 2 or dim < 2:
        raise ValueError(f"{count} pairs with {dim} dimensions: expected two or more of both to draw a plane")
    points, shares = _principal_plane(torch.cat([image_features, text_features]))
    image, text = points[:count], points[count:]
    for (x0, y0), (x1, y1) in zip(image.tolist(), text.tolist(), strict=True):
        axes.plot([x0, x1], [y0, y1], color="gray", linewidth=0.6, alpha=0.5, zorder=1)
    for kind, place, color, marker in (("images", image, COLORS[0], "o"), ("texts", text, COLORS[1], "s")):
        axes.scatter(place[:, 0], place[:, 1], color=color, marker=marker, s=16, label=kind, zorder=2)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(
        xlabel=f"component 1 ({shares[0]:.0%} of variance)",
        ylabel=f"component 2 ({shares[1]:.0%})",
        title=title,
    )
    axes.legend()


def _principal_plane(vectors: Float[Tensor, "n dim"]) -> tuple[Tensor, list[float]]:
    """(n, 2) coordinates along the two directions of greatest variance, and their shares of it."""
    vectors = vectors.detach().cpu().double()
    if not vectors.isfinite().all():
        raise ValueError("features contain NaN or infinity: look at the tower's last layer")
    centred = vectors - vectors.mean(0)
    _, spread, directions = torch.linalg.svd(centred, full_matrices=False)
    plane = directions[:2]
    # A direction and its opposite are equally good: the largest entry is made positive, so runs agree.
    plane = plane * plane.gather(1, plane.abs().argmax(1, keepdim=True)).sign()
    variance = spread.square()
    return centred @ plane.T, (variance[:2] / variance.sum().clamp(min=1e-300)).tolist()
