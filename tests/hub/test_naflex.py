"""Lists of patches against the processor of transformers that works without torchvision."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from tests.hub.test_images import MODES, picture
from vlmlearn.hub.images import ImageProcessor
from vlmlearn.hub.naflex import NaFlexProcessor, processor_from_upstream

PROCESSORS = {
    "as published": Siglip2ImageProcessorPil(),
    "few": Siglip2ImageProcessorPil(max_num_patches=7, patch_size=5),
    "one": Siglip2ImageProcessorPil(max_num_patches=1, patch_size=8),
    "many": Siglip2ImageProcessorPil(max_num_patches=1024, patch_size=14),
    "bicubic": Siglip2ImageProcessorPil(max_num_patches=30, resample=3),
    "other colours": Siglip2ImageProcessorPil(
        max_num_patches=30, image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6], rescale_factor=1 / 128
    ),
    "not standardised": Siglip2ImageProcessorPil(max_num_patches=30, do_normalize=False),
}
SIZES = [(37, 53), (101, 64), (256, 256), (1, 1), (1, 3000), (3000, 1), (1500, 40), (640, 480), (17, 16)]


def assert_same(processor: Siglip2ImageProcessorPil, images: list[Image.Image]) -> None:
    expected = processor(images=images, do_convert_rgb=True, return_tensors="pt")
    patches, mask, sizes = NaFlexProcessor.from_upstream(processor.to_dict())(images)
    assert patches.dtype == expected["pixel_values"].dtype == torch.float32
    assert patches.abs().max() > 0.01  # one patch of a noisy picture is nearly grey
    assert torch.equal(patches, expected["pixel_values"])  # to the last bit
    assert torch.equal(mask, expected["pixel_attention_mask"].bool())
    assert torch.equal(sizes, expected["spatial_shapes"])


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("size", SIZES)
def test_sizes(name, size):
    assert_same(PROCESSORS[name], [picture(size)])


@pytest.mark.parametrize("mode", MODES)
def test_modes(mode):
    assert_same(PROCESSORS["bicubic"], [picture(mode=mode)])


def test_several_pictures_of_different_shapes():
    images = [picture(size) for size in SIZES]
    assert_same(PROCESSORS["as published"], images)
    _, mask, sizes = NaFlexProcessor.from_upstream(PROCESSORS["as published"].to_dict())(images)
    assert torch.equal(mask.sum(1), sizes.prod(1))
    assert not mask.all()


def test_pictures_that_fit_as_they_are():
    assert_same(Siglip2ImageProcessorPil(do_resize=False, max_num_patches=9), [picture((32, 48))])


def test_a_picture_keeps_its_shape_and_its_places():
    """Black but for one white patch, in the second row and third column."""
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[16:, 32:48] = 255
    processor = NaFlexProcessor.from_upstream({"image_processor_type": "Siglip2ImageProcessorFast"})
    processor = dataclasses.replace(processor, max_patches=8)
    patches, _, sizes = processor([Image.fromarray(pixels)])
    assert sizes.tolist() == [[2, 4]]
    assert [k for k, patch in enumerate(patches[0]) if patch.mean() == 1] == [6]


def test_a_silent_file_means_upstreams_defaults():
    silent = NaFlexProcessor.from_upstream({"image_processor_type": "Siglip2ImageProcessor"})
    assert silent == NaFlexProcessor.from_upstream(PROCESSORS["as published"].to_dict())


def test_the_file_says_which_processor():
    assert isinstance(processor_from_upstream(PROCESSORS["few"].to_dict()), NaFlexProcessor)
    fixed = processor_from_upstream({"image_processor_type": "SiglipImageProcessor"})
    assert isinstance(fixed, ImageProcessor)


def test_files(tmp_path):
    picture().save(tmp_path / "photo.png")
    processor = NaFlexProcessor.from_upstream(PROCESSORS["few"].to_dict())
    assert torch.equal(processor([tmp_path / "photo.png"]).patches, processor([picture()]).patches)


@pytest.mark.bad_input
class TestBadInput:
    @pytest.mark.parametrize("name", ["max_num_patches", "patch_size"])
    @pytest.mark.parametrize("value", [0, -1])
    def test_below_one(self, name, value):
        settings = {"image_processor_type": "Siglip2ImageProcessor", name: value}
        with pytest.raises(ValueError, match=rf"patch(es)? is {value}|patch(es)? .*{value}"):
            NaFlexProcessor.from_upstream(settings)

    @pytest.mark.parametrize("images", ["photo.png", Image.new("RGB", (2, 2)), []])
    def test_no_list(self, images):
        with pytest.raises(ValueError, match=r"expected a list of images: write \[image\]"):
            NaFlexProcessor.from_upstream(PROCESSORS["few"].to_dict())(images)

    @pytest.mark.parametrize("content", [b"", b"not an image"])
    def test_no_image(self, tmp_path, content):
        (tmp_path / "text.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"text.png is not an image"):
            NaFlexProcessor.from_upstream(PROCESSORS["few"].to_dict())([tmp_path / "text.png"])

    @pytest.mark.parametrize(
        ("size", "message"),
        [((33, 32), "multiples of the patch, 16"), ((64, 64), "has 16 patches, more than 9")],
    )
    def test_not_resized_and_does_not_fit(self, size, message):
        settings = Siglip2ImageProcessorPil(do_resize=False, max_num_patches=9).to_dict()
        with pytest.raises(ValueError, match=message):
            NaFlexProcessor.from_upstream(settings)([picture(size)])

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"image_processor_type": "CLIPImageProcessor"}, "is CLIPImageProcessor, expected Siglip2Image"),
            ({"resample": 9}, "resample is 9"),
        ],
    )
    def test_settings(self, changes, message):
        with pytest.raises(ValueError, match=message):
            NaFlexProcessor.from_upstream(PROCESSORS["few"].to_dict() | changes)
