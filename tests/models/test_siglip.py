"""SigLIP is CLIP with a bias: the same towers where the world's are asked for, the published ones otherwise."""

import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlmlearn.heads.retrieval import ZeroShotClassifier, encode_images, encode_texts
from vlmlearn.layers import BidirectionalTextConfig, GridConfig, MapViTConfig, TextConfig
from vlmlearn.losses import siglip_loss
from vlmlearn.models import CLIP, CLIPConfig, SigLIP, SigLIPConfig
from vlmlearn.training.recipes.chapter_01 import similarity
from vlmlearn.world import Tokenizer, caption_pairs

WORDS, EOS, LENGTH = 30, 2, 12
TINY = {
    "context_length": LENGTH,
    "image_side": 32,
    "image_width": 8,
    "text_width": 16,
    "heads": 2,
    "embedding": 24,
}
SMALL = {"width": 16, "layers": 2, "heads": 2, "hidden": 20}


def tiny(**changes) -> SigLIPConfig:
    return SigLIPConfig.tiny(WORDS, **TINY | changes)


def published(**changes) -> SigLIPConfig:
    """The published towers, small."""
    image, text = MapViTConfig(32, 8, **SMALL), BidirectionalTextConfig(WORDS, LENGTH, **SMALL)
    return SigLIPConfig(**{"image": image, "text": text, "embedding": 16} | changes)


CONFIGS = {"tiny": tiny(), "tiny vit": tiny(image_tower="vit"), "published": published()}


@pytest.fixture(params=CONFIGS)
def model(request) -> SigLIP:
    """A small SigLIP whose every parameter has noise on it, so that none at zero or one hides a mistake."""
    torch.manual_seed(0)
    model = SigLIP(CONFIGS[request.param])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name not in ("log_scale", "logit_bias"):
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def some_images(batch=4, side=32):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8, generator=generator)


def some_texts(batch=4):
    ids = torch.randint(3, WORDS, (batch, LENGTH), generator=torch.Generator().manual_seed(2))
    ids[:, -1] = EOS
    return ids


def test_features_have_length_one(model):
    output = model(some_images(), some_texts())
    for features in (output.image_features, output.text_features):
        assert features.shape == (4, model.config.embedding)
        torch.testing.assert_close(features.norm(dim=1), torch.ones(4))
        assert torch.pdist(features).min() > 1e-3  # other inputs, other features
    assert output.logit_scale.item() == pytest.approx(10) and output.logit_bias.item() == -10
    lengths = model.encode_text(some_texts(), normalize=False).norm(dim=1)
    assert (lengths - 1).abs().max() > 1e-2


def test_tiny_is_clip_but_for_scale_and_bias():
    """The same seed gives the same weights, so that in a comparison nothing but the loss differs."""
    torch.manual_seed(3)
    ours = SigLIP(tiny()).eval()
    torch.manual_seed(3)
    clip = CLIP(CLIPConfig.tiny(WORDS, **TINY)).eval()
    state = clip.state_dict()
    assert {*ours.state_dict()} == {*state, "logit_bias"}
    assert all(torch.equal(ours.state_dict()[name], state[name]) for name in state if name != "log_scale")
    assert torch.equal(ours.encode_image(some_images()), clip.encode_image(some_images()))
    assert torch.equal(ours.encode_text(some_texts()), clip.encode_text(some_texts()))


def test_tiny_takes_changes():
    config = tiny(image_tower="vit", embedding=32, pixel_mean=99.0, log_scale=0.5, logit_bias=0)
    assert isinstance(config.image, GridConfig) and config.image.kind == "vit"
    assert (config.embedding, config.pixel_mean, config.pixel_std) == (32, 99.0, 36.0)
    assert SigLIP(config).logit_bias.item() == 0 and SigLIP(config).log_scale.item() == 0.5
    with pytest.raises(TypeError, match="embeding"):
        tiny(embeding=32)


def test_the_loss_at_the_start():
    """With scale 10 and bias -10, of N pairs of cosine 0: log(1 + e^10) + (N - 1) log(1 + e^-10)."""
    model = SigLIP(tiny())
    features = torch.eye(24)
    loss = siglip_loss(features[:5], features[5:10], model.log_scale.exp(), model.logit_bias)
    assert loss.item() == pytest.approx(math.log1p(math.exp(10)) + 4 * math.log1p(math.exp(-10)))


def test_every_parameter_learns(model):
    siglip_loss(*model.train()(some_images(), some_texts())).backward()
    for name, parameter in model.named_parameters():
        if not name.endswith("key.bias"):  # adds the same to all of a query's scores, so nothing
            assert parameter.grad is not None and parameter.grad.abs().max() > 1e-9, name


def test_it_learns_three_pairs():
    torch.manual_seed(0)
    model = SigLIP(tiny())
    images, ids = some_images(3), some_texts(3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        losses.append(siglip_loss(*model(images, ids)))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_finite_and_close(model, dtype):
    images, ids = some_images(), some_texts()
    exact = model(images, ids)
    with torch.autocast("cpu", dtype):
        output = model(images, ids)
        loss = siglip_loss(*output)
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    for rounded, reference in zip(output[:2], exact[:2], strict=True):
        assert (rounded.float() - reference).norm(dim=1).max() < 0.1


def test_weights_survive_safetensors(tmp_path, model):
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "siglip.safetensors")
    torch.manual_seed(5)
    other = SigLIP(model.config).eval()
    other.load_state_dict(load_file(tmp_path / "siglip.safetensors"))
    for before, after in zip(
        model(some_images(), some_texts()), other(some_images(), some_texts()), strict=True
    ):
        assert torch.equal(before, after)


def test_raw_pixels_equal_standardised_floats(model):
    images, mean, std = some_images(), model.config.pixel_mean, model.config.pixel_std
    torch.testing.assert_close(model.encode_image(images), model.encode_image((images.float() - mean) / std))


def test_channels_may_have_means_of_their_own():
    torch.manual_seed(0)
    model = SigLIP(published(pixel_mean=(1.0, 2.0, 3.0), pixel_std=(50.0, 60.0, 70.0))).eval()
    images, mean = some_images(), torch.tensor([1.0, 2.0, 3.0])[:, None, None]
    floats = (images.float() - mean) / torch.tensor([50.0, 60.0, 70.0])[:, None, None]
    torch.testing.assert_close(model.encode_image(images), model.encode_image(floats))


def test_what_reads_clip_reads_siglip():
    """The heads of retrieval and chapter 01's exams."""
    torch.manual_seed(0)
    model = SigLIP(SigLIPConfig.tiny(len(Tokenizer()), image_width=8, text_width=16, embedding=24)).eval()
    pairs = caption_pairs(5, split="test")
    image, text = encode_images(model, pairs.images), encode_texts(model, pairs.ids[:, 0])
    torch.testing.assert_close(similarity(model, pairs), image @ text.T)
    classifier = ZeroShotClassifier(model, ["red circle", "blue ring"], ["a {}"], Tokenizer().encode)
    assert classifier.scale == pytest.approx(10)
    assert classifier.probabilities(pairs.images).shape == (5, 2)
    with torch.no_grad():
        model.log_scale.fill_(7)
    model.clamp_scale_()
    assert model.log_scale.exp().item() == pytest.approx(100, rel=1e-5)


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (SigLIPConfig.base_patch16_224(), 203_155_970),
        (SigLIPConfig.base_patch16_224(256_000), 375_187_970),
        (SigLIPConfig.so400m_patch14_384(), 877_960_498),
    ],
)
def test_presets_have_as_many_parameters_as_the_published(config, parameters):
    with torch.device("meta"):
        model = SigLIP(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embedding": 24}, "embedding is 24, the image tower 16 wide, expected the same"),
        ({"embedding": 0}, "embedding is 0, expected a whole number, at least 1"),
        ({"pixel_std": 0.0}, r"pixel_std is 0\.0"),
        ({"pixel_std": (1.0, -2.0, 1.0)}, r"pixel_std is \(1\.0, -2\.0, 1\.0\)"),
        ({"logit_bias": (-10.0, -10.0)}, r"logit_bias is \(-10\.0, -10\.0\), expected one finite number"),
        ({"logit_bias": math.nan}, "logit_bias is nan"),
        ({"log_scale": math.inf}, "log_scale is inf"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        published(**changes)


@pytest.mark.bad_input
def test_towers_of_no_known_kind():
    with pytest.raises(TypeError, match="image is a TextConfig, expected one of MapViTConfig, GridConfig"):
        published(image=TextConfig())
    with pytest.raises(TypeError, match="text is a MapViTConfig, expected one of TextConfig, Bidirectional"):
        published(text=MapViTConfig())
