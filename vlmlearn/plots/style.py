"""One look for all figures: the same sizes, and colours that colour-blind readers and grey printers keep apart."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito 2008, "Color universal design"; in this order their lightness differs as well.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
MARKERS = ("o", "s", "^", "D", "v", "P")

_STYLE: dict[str, object] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 100,
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


@contextmanager
def figure(
    width: float | int = 5.0, height: float | int = 3.2, columns: int = 1
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure in the book's style, shown when the ``with`` block ends.

        with figure(columns=2) as (fig, (left, right)):
            left.plot(x, y)

    Args:
        width, height: of the whole figure, in inches.
        columns: axes side by side.
    """
    with plt.rc_context({**_STYLE, "axes.prop_cycle": cycler(color=COLORS)}):  # type: ignore[dict-item]
        fig, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False, layout="constrained")
        yield fig, list(axes[0])
        plt.show()
