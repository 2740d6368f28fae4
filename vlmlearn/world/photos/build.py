"""Cut the stored photographs from the originals: ``python -m vlmlearn.world.photos.build FOLDER``.

FOLDER is ``skimage/data`` of an unpacked scikit-image 0.26.0.
"""

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from safetensors.numpy import save_file

from vlmlearn.world.backgrounds import FILE, PHOTOS, SIDE, Photo


def cut(
    original: UInt8[np.ndarray, "height width channels"], photo: Photo
) -> UInt8[np.ndarray, "channels 128 128"]:
    """The square that a photograph keeps of its original, every block of pixels averaged, halves rounded up.

    Raises:
        ValueError: the square reaches beyond the original.
    """
    (height, width, channels), length = original.shape, SIDE * photo.factor
    if photo.left + length > width or photo.top + length > height:
        raise ValueError(f"{photo} reaches beyond an original of {width} × {height} pixels")
    square = original[photo.top : photo.top + length, photo.left : photo.left + length]
    blocks = square.reshape(SIDE, photo.factor, SIDE, photo.factor, channels).astype(np.int64).sum((1, 3))
    area = photo.factor**2
    return np.ascontiguousarray(((blocks + area // 2) // area).astype(np.uint8).transpose(2, 0, 1))


def build(folder: Path, target: Path = FILE) -> None:
    """Write the file of photographs from a folder with the originals."""
    from PIL import Image

    originals = {name: np.array(Image.open(folder / photo.file)) for name, photo in PHOTOS.items()}
    cuts = {name: cut(np.atleast_3d(original), PHOTOS[name]) for name, original in originals.items()}
    save_file(cuts, target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="skimage/data of an unpacked scikit-image 0.26.0")
    build(parser.parse_args().folder)
