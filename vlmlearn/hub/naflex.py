"""Photographs as SigLIP 2's NaFlex models saw them: in their own shape, cut into as many patches as fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from vlmlearn.hub.images import (
    ImageInput,
    ImageProcessor,
    check_filter,
    check_list,
    kind_of_processor,
    open_image,
)
from vlmlearn.layers.checks import check_counts
from vlmlearn.layers.patch_lists import PatchList, fitting_size, patch_list


@dataclass(frozen=True)
class NaFlexProcessor:
    """Photographs of any size to lists of patches.

    Equals ``Siglip2ImageProcessorPil`` of Hugging Face's transformers, with one difference: every photograph becomes
    RGB, transparency over white, which there happens where ``do_convert_rgb`` asks for it.

    Args:
        patch: side of a patch in pixels.
        max_patches: the most that a photograph may have, and the length of every list. More show more detail and take
            more time: ``dataclasses.replace(images, max_patches=1024)``.
        resample: Pillow's filter, 2 bilinear or 3 bicubic. ``None``: photographs are not resized.
        pixels: scales and standardises what is resized.

    Raises:
        ValueError: a patch below one pixel, or a list without a place.
    """

    patch: int
    max_patches: int
    resample: int | None
    pixels: ImageProcessor

    def __post_init__(self) -> None:
        check_counts(self, "patch max_patches")

    @classmethod
    def from_upstream(cls, settings: Mapping[str, Any]) -> "NaFlexProcessor":
        """From what a preprocessor_config.json holds.

        Raises:
            ValueError: a processor that makes no lists, an unknown filter, or what the class rejects.
        """
        kind = kind_of_processor(settings)
        if kind != "Siglip2ImageProcessor":
            raise ValueError(f"the image processor is {kind}, expected Siglip2ImageProcessor: it makes lists")
        found: dict[str, Any] = {"patch_size": 16, "max_num_patches": 256, "do_resize": True, "resample": 2}
        found |= {name: value for name, value in settings.items() if value is not None}
        rest = found | {
            "image_processor_type": "SiglipImageProcessor",
            "do_resize": False,
            "do_center_crop": False,
        }
        return cls(
            found["patch_size"],
            found["max_num_patches"],
            check_filter(found["resample"]) if found["do_resize"] else None,
            ImageProcessor.from_upstream(rest),
        )

    def __call__(self, images: Sequence[ImageInput]) -> PatchList:
        """Files or Pillow's images to floats, each list ``max_patches`` long.

        Raises:
            ValueError: a single image, none, one without pixels or with more than 8 bits a colour, a file that
                holds no image or half of one, or one that is not resized and does not fit. FileNotFoundError: no
                such file.
        """
        check_list(images)
        pictures = [self.pixels([self._resize(image)])[0] for image in images]
        return patch_list(pictures, self.patch, self.max_patches)

    def _resize(self, image: str | Path | Image.Image) -> Image.Image:
        image = open_image(image)
        if self.resample is None:
            return image
        height, width = fitting_size(image.height, image.width, self.patch, self.max_patches)
        return image.resize((width, height), Image.Resampling(self.resample))


def processor_from_upstream(settings: Mapping[str, Any]) -> ImageProcessor | NaFlexProcessor:
    """Of the kind that a preprocessor_config.json names.

    Raises:
        ValueError: what the processors' own ``from_upstream`` reject.
    """
    naflex = kind_of_processor(settings) == "Siglip2ImageProcessor"
    return (NaFlexProcessor if naflex else ImageProcessor).from_upstream(settings)
