"""Pictures held as arrays, drawn as they are."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from vlmlearn.plots.style import figure


def side_by_side(pictures: Mapping[str, "np.ndarray | Tensor"], size: float | int = 2.4) -> None:
    """Show pictures next to each other, each under its title.

    Args:
        pictures: title → pixels with the channels last (height, width, 3), as matplotlib wants them: uint8 from 0
            to 255 or floats from 0 to 1.
        size: height of a picture in inches; its width follows.

    Raises:
        ValueError: no picture, or one that is not (height, width, 3).
    """
    if not pictures:
        raise ValueError("pictures is empty, expected at least one: title → (height, width, 3)")
    for title, picture in pictures.items():
        if picture.ndim != 3 or picture.shape[-1] != 3:
            raise ValueError(
                f"{title!r} has shape {tuple(picture.shape)}, expected (height, width, 3): "
                'rearrange(picture, "c h w -> h w c")'
            )
    widest = max(picture.shape[1] / picture.shape[0] for picture in pictures.values())
    with figure(len(pictures) * size * widest, size + 0.25, columns=len(pictures)) as (_, axes):
        for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
            axis.imshow(np.asarray(picture), interpolation="nearest")
            axis.set(title=title, xticks=[], yticks=[])
            axis.spines[:].set_visible(True)  # a frame, so that a white picture is seen
