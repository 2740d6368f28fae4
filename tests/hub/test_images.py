"""Image processing against the processors of transformers that work without torchvision."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import ChineseCLIPImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from vlmlearn.hub.images import ImageProcessor

SMALL = {"size": {"shortest_edge": 30}, "crop_size": {"height": 24, "width": 25}}
SQUARE = {"size": {"height": 20, "width": 31}, "do_center_crop": False}
ALIGN = {  # as in the files of the published model
    "size": {"height": 346, "width": 346},
    "crop_size": {"height": 289, "width": 289},
    "do_center_crop": True,
    "do_normalize": False,
    "include_top": False,
    "resample": 2,
    "rescale_factor": 1 / 127.5,
    "rescale_offset": True,
}
PROCESSORS = {
    "CLIP": CLIPImageProcessorPil(),
    "CLIP, small": CLIPImageProcessorPil(**SMALL),
    "CLIP, bilinear": CLIPImageProcessorPil(**SMALL, resample=2),
    "CLIP, padded": CLIPImageProcessorPil(size={"shortest_edge": 20}, crop_size={"height": 41, "width": 28}),
    "CLIP, as it is": CLIPImageProcessorPil(do_resize=False, do_center_crop=False),
    "CLIP, not standardised": CLIPImageProcessorPil(**SMALL, do_normalize=False),
    "CLIP, not rescaled": CLIPImageProcessorPil(**SMALL, do_rescale=False),
    "Chinese-CLIP": ChineseCLIPImageProcessorPil(),
    "Chinese-CLIP, square": ChineseCLIPImageProcessorPil(**SQUARE),
    "EfficientNet": EfficientNetImageProcessorPil(),
    "ALIGN": EfficientNetImageProcessorPil(**ALIGN),
    "EfficientNet, offset and top": EfficientNetImageProcessorPil(
        size={"height": 33, "width": 20},
        rescale_offset=True,
        rescale_factor=1 / 127.5,
        image_std=[0.3, 0.4, 0.6],
    ),
    "SigLIP": SiglipImageProcessorPil(),
    "SigLIP, small": SiglipImageProcessorPil(size={"height": 33, "width": 20}),
    "SigLIP, bilinear": SiglipImageProcessorPil(size={"height": 33, "width": 33}, resample=2),
}
SIZES = [(37, 53), (101, 64), (31, 31), (7, 90), (1, 900), (900, 1), (1, 1)]
MODES = ["RGB", "L", "LA", "RGBA", "P", "1", "CMYK"]


def picture(size: tuple[int, int] = (37, 53), mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    image = Image.fromarray(pixels, "RGBA")
    return image if mode == "RGBA" else image.convert("RGB" if mode != "LA" else "LA").convert(mode)


def ours_and_theirs(processor, image: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
    theirs = processor(images=[image], do_convert_rgb=True, return_tensors="pt")["pixel_values"]
    return ImageProcessor.from_upstream(processor.to_dict())([image]), theirs


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == torch.float32
    assert theirs.abs().max() > 0.1
    assert (ours - theirs).abs().max() <= 1e-6


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("size", SIZES)
def test_sizes(name, size):
    assert_close(*ours_and_theirs(PROCESSORS[name], picture(size)))


@pytest.mark.parametrize("name", ["CLIP, small", "Chinese-CLIP, square", "ALIGN", "SigLIP, small"])
@pytest.mark.parametrize("mode", MODES)
def test_modes(name, mode):
    assert_close(*ours_and_theirs(PROCESSORS[name], picture(mode=mode)))


@pytest.mark.parametrize("name", [name for name in PROCESSORS if name.startswith("SigLIP")])
@pytest.mark.parametrize(
    ("size", "mode"), [*((size, "RGB") for size in SIZES), *(((37, 53), m) for m in MODES)]
)
def test_siglip_to_the_last_bit(name, size, mode):
    assert torch.equal(*ours_and_theirs(PROCESSORS[name], picture(size, mode)))


def test_a_transparent_palette_is_seen_over_white():
    image = picture(mode="P")
    image.info["transparency"] = image.getpixel((0, 0))
    ours, theirs = ours_and_theirs(PROCESSORS["CLIP, as it is"], image)
    assert_close(ours, theirs)
    white = ImageProcessor.from_upstream(PROCESSORS["CLIP, as it is"].to_dict())(
        [Image.new("RGB", (1, 1), "white")]
    )
    assert torch.equal(ours[0, :, 0, 0], white[0, :, 0, 0])


def test_settings_as_older_files_have_them():
    """Whole numbers for sizes, the old name of the class, and the rest left out."""
    old = {"feature_extractor_type": "CLIPFeatureExtractor", "size": 40, "crop_size": 36, "resample": 3}
    image = picture()
    upstream = CLIPImageProcessorPil(size=40, crop_size=36)
    assert_close(
        ImageProcessor.from_upstream(old)([image]),
        upstream(images=[image], return_tensors="pt")["pixel_values"],
    )
    upstream = EfficientNetImageProcessorPil(size=40)
    ours = ImageProcessor.from_upstream({"image_processor_type": "EfficientNetImageProcessor", "size": 40})
    assert_close(ours([image]), upstream(images=[image], return_tensors="pt")["pixel_values"])


@pytest.mark.parametrize("kind", ["CLIP", "ChineseCLIP", "EfficientNet", "Siglip"])
def test_a_silent_file_means_upstreams_defaults(kind):
    upstream = {"ChineseCLIP": "Chinese-CLIP", "Siglip": "SigLIP"}.get(kind, kind)
    ours = ImageProcessor.from_upstream({"image_processor_type": f"{kind}ImageProcessor"})
    assert ours == ImageProcessor.from_upstream(PROCESSORS[upstream].to_dict())


def test_files_and_a_camera_held_upright(tmp_path):
    processor = ImageProcessor.from_upstream(PROCESSORS["CLIP, as it is"].to_dict())
    image, exif = picture(), Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it as it was
    image.save(tmp_path / "turned.png", exif=exif)
    assert torch.equal(
        processor([tmp_path / "turned.png"]), processor([image.transpose(Image.Transpose.ROTATE_270)])
    )
    assert torch.equal(
        processor([str(tmp_path / "turned.png")] * 2)[1:], processor([tmp_path / "turned.png"])
    )


CLIP = ImageProcessor.from_upstream({"image_processor_type": "CLIPImageProcessor"})


@pytest.mark.bad_input
class TestBadInput:
    @pytest.mark.parametrize("images", ["photo.png", Image.new("RGB", (2, 2)), []])
    def test_no_list(self, images):
        with pytest.raises(ValueError, match=r"expected a list of images: write \[image\]"):
            CLIP(images)

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            CLIP([tmp_path / "none.png"])

    @pytest.mark.parametrize("content", [b"", b"not an image"])
    def test_no_image(self, tmp_path, content):
        (tmp_path / "text.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"text.png is not an image"):
            CLIP([tmp_path / "text.png"])

    @pytest.mark.parametrize("format", ["png", "jpeg"])
    def test_half_an_image(self, tmp_path, format):
        path = tmp_path / f"half.{format}"
        picture((200, 200)).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(ValueError, match=r"half.* cannot be read to its end"):
            CLIP([path])

    @pytest.mark.parametrize("size", [(0, 5), (5, 0)])
    def test_no_pixels(self, size):
        with pytest.raises(ValueError, match=r"has \d × \d pixels"):
            CLIP([Image.new("RGB", size)])

    @pytest.mark.parametrize("mode", ["I", "F", "I;16"])
    def test_more_than_8_bits(self, mode):
        with pytest.raises(ValueError, match="more than 8 bits a colour"):
            CLIP([Image.new(mode, (5, 5))])

    def test_different_sizes(self):
        as_it_is = ImageProcessor.from_upstream(PROCESSORS["CLIP, as it is"].to_dict())
        with pytest.raises(ValueError, match=r"end as \[\(5, 6\), \(6, 6\)\] pixels, expected one size"):
            as_it_is([Image.new("RGB", (6, 6)), Image.new("RGB", (6, 5))])

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"image_processor_type": "ViTImageProcessor"},
                "the image processor is ViTImageProcessor, known are",
            ),
            ({"size": {"longest_edge": 5}}, "the size {'longest_edge': 5} is not"),
            ({"resample": 9}, "resample is 9"),
        ],
    )
    def test_settings(self, changes, message):
        with pytest.raises(ValueError, match=message):
            ImageProcessor.from_upstream({"image_processor_type": "CLIPImageProcessor"} | changes)
