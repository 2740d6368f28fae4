"""ALIGN: features of length one, pictures of any size, texts whose padding does not matter, clear errors."""

from dataclasses import replace

import pytest
import torch

from vlmlearn.layers import BertConfig, EfficientNetConfig, Stage
from vlmlearn.losses import align_loss
from vlmlearn.models import ALIGN, AlignConfig

TEXT = BertConfig(30, width=16, layers=2, heads=2, hidden=32, positions=12)
IMAGE = EfficientNetConfig(0.5, 1.0, (Stage(3, 1, 1, 16, 1), Stage(5, 2, 4, 48, 2)))


def make(**changes) -> ALIGN:
    torch.manual_seed(0)
    return ALIGN(replace(AlignConfig(IMAGE, TEXT), **changes)).eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return images, torch.tensor([[1, 7, 9, 8, 2], [1, 5, 2, 0, 0], [1, 2, 0, 0, 0]])


def test_features_of_length_one_and_a_loss_that_reaches_every_parameter():
    model = make().train()
    assert model.config.embedding == 24
    output = model(*inputs())
    for features in (output.image_features, output.text_features):
        assert features.shape == (3, 24)
        torch.testing.assert_close(features.norm(dim=1), torch.ones(3))
        assert torch.pdist(features).min() > 1e-5  # other inputs, other features
    assert output.logit_scale == 1
    align_loss(*output).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_not_normalised_when_asked():
    model = make()
    images, ids = inputs()
    for encode, given in ((model.encode_image, images), (model.encode_text, ids)):
        raw = encode(given, normalize=False)
        torch.testing.assert_close(torch.nn.functional.normalize(raw, dim=-1), encode(given))


def test_raw_pixels_become_minus_one_to_one():
    model = make()
    images, _ = inputs()
    torch.testing.assert_close(model.encode_image(images / 127.5 - 1), model.encode_image(images))


@pytest.mark.parametrize("size", [(32, 48), (33, 17), (8, 8)])
def test_pictures_of_any_size(size):
    assert make().encode_image(torch.randn(2, 3, *size)).shape == (2, 24)


def test_padding_does_not_matter():
    model = make()
    _, ids = inputs()
    longer = torch.cat([ids, torch.zeros_like(ids)], 1)
    torch.testing.assert_close(model.encode_text(longer), model.encode_text(ids))


def test_the_scale_is_the_inverse_of_the_temperature_and_stays_at_100():
    model = make(temperature=0.25)
    assert model(*inputs()).logit_scale == 4
    for given, kept in ((0.001, 0.01), (-1.0, 0.01), (0.5, 0.5)):
        model.temperature.data.fill_(given)
        model.clamp_scale_()
        assert model.temperature.item() == pytest.approx(kept)


def test_the_published_size():
    with torch.device("meta"):
        model = ALIGN(AlignConfig.base())
    assert model.config.embedding == 640
    assert sum(parameter.numel() for parameter in model.image_tower.parameters()) == 62_143_440
    assert round(sum(parameter.numel() for parameter in model.parameters()) / 1e6) == 172


def test_the_tiny_one_fits_the_world():
    model = ALIGN(AlignConfig.tiny(300))
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    assert model(images, torch.tensor([[1, 5, 2], [1, 299, 2]])).image_features.shape == (2, 128)
    assert len(model.image_tower.blocks) == 5
    assert sum(parameter.numel() for parameter in model.parameters()) < 1e6


@pytest.mark.bad_input
def test_compiles_whole():
    model = make()
    images, ids = inputs()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for ours, expected in zip(compiled(images, ids), model(images, ids), strict=True):
        torch.testing.assert_close(ours, expected)


def test_bfloat16_and_autocast():
    model, (images, ids) = make(), inputs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(images, ids)
        align_loss(*output).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    expected = model(images, ids)
    torch.testing.assert_close(output.text_features.float(), expected.text_features, atol=0.05, rtol=0)
    halved = model.bfloat16()(images.bfloat16() / 127.5 - 1, ids)
    assert all(part.isfinite().all() for part in halved)


@pytest.mark.bad_input
def test_bad_input():
    model = make()
    images, _ = inputs()
    with pytest.raises(ValueError, match="colours first"):
        model.encode_image(images.permute(0, 2, 3, 1))
    with pytest.raises(ValueError, match=r"images are torch\.int64"):
        model.encode_image(images.long())
    with pytest.raises(ValueError, match="text 1 starts with PAD"):
        model.encode_text(torch.tensor([[1, 2], [0, 2]]))
    with pytest.raises(ValueError, match=r"temperature is 0\.0"):
        AlignConfig(temperature=0.0)
    with pytest.raises(ValueError, match=r"pixel_std is -1\.0"):
        AlignConfig(pixel_std=-1.0)
