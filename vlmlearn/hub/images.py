"""Photographs as a published model saw them in training: resized, cropped, scaled, standardised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vlmlearn.hub.extra import extra_missing

try:
    from PIL import Image, ImageOps, UnidentifiedImageError
except ModuleNotFoundError as error:
    raise extra_missing("pillow") from error

ImageInput = str | Path | Image.Image
Triple = tuple[float, float, float]

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_CLIP = {"size": {"shortest_edge": 224}, "crop_size": 224, "image_mean": CLIP_MEAN, "image_std": CLIP_STD}
_EFFICIENT_NET = {"size": 346, "do_center_crop": False, "crop_size": 289, "include_top": True}
# What upstream assumes where a preprocessor_config.json is silent, by the name it gives its class.
DEFAULTS: dict[str, dict[str, Any]] = {
    "CLIPImageProcessor": _CLIP,
    "CLIPFeatureExtractor": _CLIP,  # the name in older files
    "ChineseCLIPImageProcessor": _CLIP,
    "ChineseCLIPFeatureExtractor": _CLIP,
    "EfficientNetImageProcessor": _EFFICIENT_NET,
    "SiglipImageProcessor": {"size": {"height": 224, "width": 224}, "do_center_crop": False},
}


@dataclass(frozen=True)
class ImageProcessor:
    """Photographs of any size to a batch of floats.

    Equals ``CLIPImageProcessorPil``, ``ChineseCLIPImageProcessorPil``, ``SiglipImageProcessorPil`` and
    ``EfficientNetImageProcessorPil`` (which ALIGN uses) of Hugging Face's transformers, with one difference: every
    photograph becomes RGB, transparency over white, while EfficientNet's there takes RGB only.

    Args:
        size: (height, width), or one number for the shorter edge: the longer one keeps the proportions.
            ``None`` leaves the size as it is.
        crop: (height, width) of the middle that is kept; black fills what a small image lacks. ``None``: all.
        resample: Pillow's filter, 2 bilinear or 3 bicubic.
        scale: pixels 0 to 255 are multiplied by it.
        offset: then added.
        mean, std: one a colour, subtracted and divided by.
        divisor: one a colour, divided by at last (EfficientNet's ``include_top``).
    """

    size: int | tuple[int, int] | None
    crop: tuple[int, int] | None
    resample: int
    scale: float
    offset: float
    mean: Triple
    std: Triple
    divisor: Triple

    @classmethod
    def from_upstream(cls, settings: Mapping[str, Any]) -> "ImageProcessor":
        """From what a preprocessor_config.json holds.

        Raises:
            ValueError: the processor of another family, or a size that is none of upstream's forms.
        """
        kind = kind_of_processor(settings)
        if kind not in DEFAULTS:
            raise ValueError(f"the image processor is {kind}, known are {', '.join(DEFAULTS)}")
        found: dict[str, Any] = {
            "do_resize": True,
            "do_center_crop": True,
            "do_rescale": True,
            "do_normalize": True,
        }
        found |= {"resample": 3, "rescale_factor": 1 / 255, "image_mean": 0.5, "image_std": 0.5}
        found |= DEFAULTS[kind] | {name: value for name, value in settings.items() if value is not None}
        square = DEFAULTS[kind] is _EFFICIENT_NET
        offset, top = (square and bool(found.get(name)) for name in ("rescale_offset", "include_top"))
        return cls(
            _size(found["size"], square) if found["do_resize"] else None,
            _height_width(found["crop_size"]) if found["do_center_crop"] else None,
            check_filter(found["resample"]),
            found["rescale_factor"] if found["do_rescale"] else 1.0,
            -1.0 if found["do_rescale"] and offset else 0.0,
            _triple(found["image_mean"] if found["do_normalize"] else 0),
            _triple(found["image_std"] if found["do_normalize"] else 1),
            _triple(found["image_std"] if top else 1),
        )

    def __call__(self, images: Sequence[ImageInput]) -> Float[Tensor, "batch 3 height width"]:
        """Files or Pillow's images to floats.

        Raises:
            ValueError: a single image, none, one without pixels or with more than 8 bits a colour, a file that
                holds no image or half of one, or results of different sizes. FileNotFoundError: no such file.
        """
        check_list(images)
        ready = [self._standardise(self._resize_and_crop(open_image(image))) for image in images]
        sizes = sorted({array.shape[1:] for array in ready})
        if len(sizes) > 1:
            raise ValueError(f"the images end as {sizes} pixels, expected one size: process them one by one")
        return torch.from_numpy(np.stack(ready))

    def _resize_and_crop(self, image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
        if self.size is not None:
            width, height = image.size
            if isinstance(self.size, int):
                short, long = sorted((width, height))
                edges = (self.size, int(self.size * long / short))
                width, height = edges if width <= height else edges[::-1]
            else:
                height, width = self.size
            image = image.resize((width, height), Image.Resampling(self.resample))
        if self.crop is not None:
            (height, width), (old_width, old_height) = self.crop, image.size
            top, left = (old_height - height) // 2, (old_width - width) // 2
            image = image.crop((left, top, left + width, top + height))
        return np.array(image)

    def _standardise(
        self, pixels: UInt8[np.ndarray, "height width 3"]
    ) -> Float[np.ndarray, "3 height width"]:
        values = (pixels * np.float64(self.scale)).astype(np.float32) + np.float32(self.offset)
        mean, std, divisor = (np.array(triple, np.float32) for triple in (self.mean, self.std, self.divisor))
        values = (values - mean) / std / divisor
        return np.ascontiguousarray(values.transpose(2, 0, 1))


def kind_of_processor(settings: Mapping[str, Any]) -> str:
    """Upstream's class in a preprocessor_config.json, without the endings that tell with what it computes."""
    kind = settings.get("image_processor_type") or settings.get("feature_extractor_type")
    return str(kind).removesuffix("Fast").removesuffix("Pil")


def check_list(images: Sequence[ImageInput]) -> None:
    """Raise a ``ValueError`` where there is no list of images, or nothing in it."""
    single = isinstance(images, (str, Path, Image.Image))
    if single or not len(images):
        given = "is a single image" if single else "is empty"
        raise ValueError(f"images {given}, expected a list of images: write [image]")


def open_image(image: ImageInput) -> Image.Image:
    """An RGB image with all its pixels read.

    Raises:
        ValueError: no image, half of one, or one that RGB cannot hold. FileNotFoundError: no such file.
    """
    name = "the image" if isinstance(image, Image.Image) else str(image)
    try:
        if not isinstance(image, Image.Image):
            image = ImageOps.exif_transpose(Image.open(image))  # a camera that was held upright says so there
        image.load()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {name}: check the path") from None
    except UnidentifiedImageError:
        raise ValueError(f"{name} is not an image that Pillow knows: open it elsewhere to check it") from None
    except (OSError, SyntaxError) as error:  # what Pillow raises when a file ends early or is damaged
        raise ValueError(f"{name} cannot be read to its end ({error}): fetch the file again") from error
    if not all(image.size):
        raise ValueError(f"{name} has {image.size[0]} × {image.size[1]} pixels, expected at least 1 × 1")
    if image.mode == "F" or image.mode.startswith("I"):
        raise ValueError(
            f"{name} has mode {image.mode}, more than 8 bits a colour, which RGB would cut off at 255: "
            "scale it to 0–255 and convert it first"
        )
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _size(size: Any, square: bool) -> int | tuple[int, int]:
    """Upstream's forms: a number, {"shortest_edge": …} or {"height": …, "width": …}."""
    if isinstance(size, int) and not square:
        return size
    if isinstance(size, Mapping) and set(size) == {"shortest_edge"}:
        return int(size["shortest_edge"])
    return _height_width(size)


def _height_width(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    if isinstance(size, Mapping) and set(size) == {"height", "width"}:
        return int(size["height"]), int(size["width"])
    raise ValueError(
        f'the size {size} is not a number, {{"shortest_edge": …}} or {{"height": …, "width": …}}'
    )


def check_filter(resample: Any) -> int:
    """One of Pillow's filters.

    Raises:
        ValueError: none of them.
    """
    known = {int(filter): filter.name for filter in Image.Resampling}
    if resample not in known:
        raise ValueError(f"resample is {resample}, expected one of Pillow's filters: {known}")
    return int(resample)


def _triple(values: Any) -> Triple:
    """One number a colour, or one for all."""
    red, green, blue = [values] * 3 if isinstance(values, (int, float)) else values
    return float(red), float(green), float(blue)
