"""The similarity matrix as a picture."""

from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

SHOW_NUMBERS = 10  # up to this many rows the numbers stand in the cells


def similarity_heatmap(axes: Axes, similarity: Float[Tensor, "images texts"], title: str = "") -> None:
    """Draw cosines on ``axes``: one row an image, one column a text; the diagonal holds the matching pairs.

    Args:
        axes: where to draw.
        similarity: any scores; the colour scale runs from -1 to 1 for cosines, else over their range.
        title: above the matrix.
    """
    scores = similarity.detach().cpu().float()
    low, high = float(scores.min()), float(scores.max())
    if max(-low, high) <= 1 + 1e-4:
        low, high = -1, 1
    picture = axes.imshow(scores.numpy(), cmap="cividis", vmin=low, vmax=high)
    axes.set(xlabel="text", ylabel="image", title=title)
    axes.grid(False)
    if len(scores) <= SHOW_NUMBERS:
        for row in range(scores.shape[0]):
            for column in range(scores.shape[1]):
                value = float(scores[row, column])
                ink = "white" if value < (low + high) / 2 else "black"
                axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=7, color=ink)
    axes.figure.colorbar(picture, ax=axes, shrink=0.8)
