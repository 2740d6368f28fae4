"""What the world knows about a picture, drawn; and which shape–colour pairs a set of scenes holds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle

from vlmlearn.plots.style import COLORS, MARKERS
from vlmlearn.world.labels import depth_maps, keypoints, semantic_masks
from vlmlearn.world.render import Pictures
from vlmlearn.world.scenes import Scenes
from vlmlearn.world.shapes import COLORS as COLOR_NAMES
from vlmlearn.world.shapes import SHAPES

_CLASSES = ListedColormap(["#e8e8e8", *COLORS])  # the background, then one colour each
_TEXT: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "fontsize": 7,
    "bbox": {"fc": "white", "ec": "none", "pad": 0.6},
}


def scene_labels(axes: Sequence[Axes], scene: Scenes, picture: Pictures) -> None:
    """One picture and everything known about its pixels, on six axes.

    Args:
        axes: for image, boxes, instances, semantic mask, depth and keypoints.
        scene, picture: one of each, as ``scenes[7]`` and ``render(scenes[7])``.

    Raises:
        ValueError: another number of axes, scenes or pictures.
    """
    if len(axes) != 6 or len(scene) != 1 or len(picture) != 1:
        raise ValueError(
            f"{len(axes)} axes, {len(scene)} scenes, {len(picture)} pictures: expected 6, 1 and 1; "
            "use plots.figure(columns=6), scenes[7] and render(scenes[7])"
        )
    image, side, count = picture.images[0].transpose(1, 2, 0), picture.images.shape[-1], int(scene.count[0])
    instances, classes = picture.instances[0], semantic_masks(scene, picture.instances)[0]
    depth = depth_maps(scene, picture.instances)[0]
    for axis, title in zip(
        axes, ("image", "boxes", "instances", "semantic mask", "depth (m)", "keypoints"), strict=True
    ):
        axis.set(title=title, xticks=[], yticks=[])
    for axis in (axes[0], axes[1], axes[5]):
        axis.imshow(image)
    for slot in range(count):
        x0, y0, x1, y1 = picture.boxes[0, slot]
        axes[1].add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, ec="white", lw=1.5))
        axes[1].text(x0 + 1, y0 + 1, str(slot), **_TEXT)

    for axis, numbers in ((axes[2], instances), (axes[3], classes)):
        axis.imshow(numbers, cmap=_CLASSES, vmin=0, vmax=len(SHAPES), interpolation="nearest")
    for slot in range(count):
        rows, columns = np.nonzero(instances == slot + 1)
        if len(rows):
            axes[2].text(columns.mean(), rows.mean(), str(slot + 1), **_TEXT)
            axes[3].text(columns.mean(), rows.mean(), SHAPES[scene.shape[0, slot]], **_TEXT)

    metres = axes[4].imshow(depth, cmap="cividis_r")
    axes[4].figure.colorbar(metres, ax=axes[4], shrink=0.6)
    for points in keypoints(scene, side)[0]:
        for (x, y), marker in zip(points, MARKERS, strict=False):  # NaN, for other shapes, draws nothing
            axes[5].plot(x - 0.5, y - 0.5, marker, color="white", markeredgecolor="black", markersize=6)


def pair_table(axes: Axes, scenes: Scenes, title: str = "") -> None:
    """How often each shape–colour pair occurs: a row a shape, a column a colour, × where it never does."""
    counts = np.bincount(scenes.pair[scenes.present], minlength=len(SHAPES) * len(COLOR_NAMES))
    table = counts.reshape(len(SHAPES), len(COLOR_NAMES))
    axes.imshow(table, cmap="cividis", vmin=0)
    axes.set_xticks(range(len(COLOR_NAMES)), COLOR_NAMES, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(SHAPES)), SHAPES)
    axes.set_title(title)
    axes.grid(False)
    for row, column in np.ndindex(table.shape):
        number = int(table[row, column])
        ink = "white" if number < table.max() / 2 else "black"
        axes.text(
            column, row, str(number) if number else "×", ha="center", va="center", fontsize=7, color=ink
        )
