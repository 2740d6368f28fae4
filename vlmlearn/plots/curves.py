"""Values over training steps, and over the settings of a sweep."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from vlmlearn.plots.style import COLORS, MARKERS
from vlmlearn.training.loop import History


def training_curve(axes: Axes, history: History, name: str = "loss", chance: float | None = None) -> None:
    """A recorded value over the steps, with its value for a guessing model as a dashed line."""
    axes.plot(history.steps, history.values[name], color=COLORS[0])
    axes.set(xlabel="step", ylabel=name)
    if chance is not None:
        axes.axhline(chance, color="gray", linestyle="--", label=f"chance {chance:.2f}")
        axes.legend()


def recorded_spread(
    axes: Axes,
    settings: Sequence[float | str],
    recorded: Mapping[str, Sequence[Sequence[float]]],
    live: tuple[float | str, float] | None = None,
) -> None:
    """Recorded results of a sweep: the mean over seeds as a line, every seed as a point, the live run as a star.

    Args:
        axes: where to draw; settings are spaced evenly.
        settings: the values swept.
        recorded: for each curve, one list of seeds' results a setting; a curve may end before the others.
        live: the setting and the result of the run in the notebook.

    Raises:
        ValueError: a curve with more results than there are settings.
    """
    places = range(len(settings))
    for (name, results), color, marker in zip(recorded.items(), COLORS, MARKERS, strict=False):
        if len(results) > len(settings):
            raise ValueError(
                f"{name!r} has {len(results)} results, expected at most one a setting, {len(settings)}"
            )
        axes.plot(
            places[: len(results)],
            [sum(seeds) / len(seeds) for seeds in results],
            color=color,
            label=f"{name} (recorded)",
        )
        for place, seeds in enumerate(results):
            axes.scatter([place] * len(seeds), seeds, color=color, marker=marker, s=14, alpha=0.7)
    if live is not None:
        axes.scatter(
            [settings.index(live[0])], [live[1]], color="black", marker="*", s=110, zorder=3, label="live"
        )
    axes.set_xticks(places, [str(s) for s in settings])
    axes.legend()
