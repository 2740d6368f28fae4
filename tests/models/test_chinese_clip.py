"""Chinese-CLIP: features of length one, texts whose padding does not matter, the published sizes, clear errors."""

import pytest
import torch

from vlmlearn.layers import BertConfig, ResNetConfig, ViTConfig
from vlmlearn.losses import clip_loss
from vlmlearn.models import ChineseCLIP, ChineseCLIPConfig

TEXT = BertConfig(30, width=16, layers=2, heads=2, hidden=32, positions=12)
TOWERS = {
    "vit": ViTConfig(32, patch=8, width=16, layers=2, heads=2, hidden=32),
    "resnet": ResNetConfig(32, width=4, blocks=(1, 1, 1, 1), heads=2),
}


def make(tower: str = "vit") -> ChineseCLIP:
    torch.manual_seed(0)
    return ChineseCLIP(ChineseCLIPConfig(TOWERS[tower], TEXT, embedding=24)).eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return images, torch.tensor([[1, 7, 9, 8, 2], [1, 5, 2, 0, 0], [1, 2, 0, 0, 0]])


@pytest.mark.parametrize("tower", TOWERS)
def test_features_of_length_one_and_a_loss_that_reaches_every_parameter(tower):
    model = make(tower).train()
    output = model(*inputs())
    for features in (output.image_features, output.text_features):
        assert features.shape == (3, 24)
        torch.testing.assert_close(features.norm(dim=1), torch.ones(3))
        assert torch.pdist(features).min() > 1e-4  # other inputs, other features
    assert output.logit_scale.item() == pytest.approx(1 / 0.07)
    clip_loss(*output).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_not_normalised_when_asked():
    model = make()
    images, ids = inputs()
    for encode, given in ((model.encode_image, images), (model.encode_text, ids)):
        raw = encode(given, normalize=False)
        torch.testing.assert_close(torch.nn.functional.normalize(raw, dim=-1), encode(given))
        assert (raw.norm(dim=1) - 1).abs().min() > 1e-3


def test_raw_pixels_are_standardised_by_colour():
    model = make()
    images, _ = inputs()
    mean, std = (
        torch.tensor(values)[:, None, None] for values in (model.config.pixel_mean, model.config.pixel_std)
    )
    torch.testing.assert_close(model.encode_image((images.float() - mean) / std), model.encode_image(images))
    assert not any("pixel" in name for name in model.state_dict())


def test_padding_and_company_do_not_matter():
    model = make()
    _, ids = inputs()
    expected = model.encode_text(ids)
    torch.testing.assert_close(model.encode_text(torch.cat([ids, torch.zeros_like(ids)], 1)), expected)
    torch.testing.assert_close(model.encode_text(ids[1:2, :3]), expected[1:2])


def test_the_scale_stays_at_100():
    model = make()
    model.log_scale.data.fill_(7.0)
    model.clamp_scale_()
    assert model.log_scale.exp().item() == pytest.approx(100)
    model.log_scale.data.fill_(1.0)
    model.clamp_scale_()
    assert model.log_scale.item() == 1


@pytest.mark.parametrize(
    ("config", "image", "text"),
    [  # in millions, as published
        (ChineseCLIPConfig.resnet50(), 38, 39),
        (ChineseCLIPConfig.vit_base_patch16(), 86, 102),
        (ChineseCLIPConfig.vit_large_patch14(), 304, 102),
        (ChineseCLIPConfig.vit_large_patch14(336), 304, 102),
        (ChineseCLIPConfig.vit_huge_patch14(), 632, 326),
    ],
)
def test_the_published_sizes(config, image, text):
    with torch.device("meta"):
        model = ChineseCLIP(config)
    for tower, millions in ((model.image_tower, image), (model.text_tower, text)):
        assert round(sum(parameter.numel() for parameter in tower.parameters()) / 1e6) == millions


def test_the_tiny_one_fits_the_world():
    model = ChineseCLIP(ChineseCLIPConfig.tiny(300))
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    assert model(images, torch.tensor([[1, 5, 2], [1, 299, 2]])).text_features.shape == (2, 128)
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
        clip_loss(*output).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    expected = model(images, ids)
    torch.testing.assert_close(output.text_features.float(), expected.text_features, atol=0.05, rtol=0)
    halved = model.bfloat16()(images.bfloat16() / 127.5 - 1, ids)
    assert all(part.isfinite().all() for part in halved)


@pytest.mark.bad_input
def test_bad_input():
    model = make()
    images, ids = inputs()
    with pytest.raises(ValueError, match=r"expected \(batch, 3, 32, 32\)"):
        model.encode_image(images[:, :, :24])
    with pytest.raises(ValueError, match=r"images are torch\.int64"):
        model.encode_image(images.long())
    with pytest.raises(ValueError, match="text 0 starts with PAD"):
        model.encode_text(ids.flip(1).roll(2, 0))
    with pytest.raises(ValueError, match="13 tokens, more than the 12 positions"):
        model.encode_text(torch.ones(1, 13, dtype=torch.long))
    with pytest.raises(ValueError, match="token ids from 1 to 30"):
        model.encode_text(torch.tensor([[1, 30]]))
    with pytest.raises(ValueError, match="embedding is 0"):
        ChineseCLIPConfig(embedding=0)
    with pytest.raises(ValueError, match="pixel_std"):
        ChineseCLIPConfig(pixel_std=(1.0, 0.0, 1.0))
