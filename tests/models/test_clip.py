"""CLIP's features have length one and depend on what they should: the pixels, the words up to the first end of text."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlmlearn.layers import TextConfig
from vlmlearn.losses import clip_loss
from vlmlearn.models import CLIP, CLIPConfig
from vlmlearn.models.clip import MAX_LOG_SCALE

WORDS, EOS, LENGTH = 30, 2, 12
TINY = {
    "context_length": LENGTH,
    "image_side": 32,
    "image_width": 8,
    "text_width": 16,
    "text_layers": 2,
    "heads": 2,
    "embedding": 24,
}


def tiny(**changes) -> CLIPConfig:
    return CLIPConfig.tiny(WORDS, **TINY | changes)


def make(**changes) -> CLIP:
    """A small CLIP whose every parameter has noise on it, so that none at zero or one hides a mistake."""
    torch.manual_seed(0)
    model = CLIP(tiny(**changes))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name != "log_scale":
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def some_images(batch=4, side=32):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8, generator=generator)


def some_texts(*lengths, total=LENGTH, padding=0):
    """Random words 3, 4, …; text k ends with EOS after ``lengths[k]`` words, then comes padding."""
    generator = torch.Generator().manual_seed(2)
    ids = torch.full((len(lengths), total), padding)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = torch.randint(3, WORDS, (length,), generator=generator)
        row[length] = EOS
    return ids


@pytest.fixture(scope="module", params=["transformer", "bag"])
def text_model(request):
    return make(text_tower=request.param)


@pytest.mark.parametrize("image_tower", ["cnn", "vit"])
@pytest.mark.parametrize("text_tower", ["transformer", "bag"])
def test_features_have_length_one(image_tower, text_tower):
    output = make(image_tower=image_tower, text_tower=text_tower)(some_images(), some_texts(3, 5, 1, 11))
    for features in (output.image_features, output.text_features):
        assert features.shape == (4, 24)
        torch.testing.assert_close(features.norm(dim=1), torch.ones(4))
        assert torch.pdist(features).min() > 1e-3  # other inputs, other features
    assert output.logit_scale.item() == pytest.approx(1 / 0.07)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_row_does_not_depend_on_its_batch(batch):
    model, images, ids = make(), some_images(), some_texts(3, 5, 1, 11)
    whole, part = model(images, ids), model(images[:batch], ids[:batch])
    torch.testing.assert_close(part.image_features, whole.image_features[:batch])
    torch.testing.assert_close(part.text_features, whole.text_features[:batch])


def test_what_follows_the_first_end_of_text_does_not_matter(text_model):
    ids = some_texts(3, 9, 5)
    expected = text_model.encode_text(ids)
    for row, length in zip(ids, (3, 9, 5), strict=True):
        row[length + 1 :] = torch.randint(0, WORDS, (LENGTH - length - 1,))
        row[-1] = EOS  # a second end of text, which is only padding
    torch.testing.assert_close(text_model.encode_text(ids), expected)


@pytest.mark.parametrize("padding", [0, EOS, -100, 10**9])
def test_padding_may_be_anything_and_any_length(text_model, padding):
    expected = text_model.encode_text(some_texts(3, 5, 8))
    padded = some_texts(3, 5, 8, padding=padding)
    torch.testing.assert_close(text_model.encode_text(padded), expected)
    torch.testing.assert_close(text_model.encode_text(padded[:, :9]), expected)
    torch.testing.assert_close(text_model.encode_text(padded[1:2, :6]), expected[1:2])


def test_padding_learns_nothing(text_model):
    text_model.zero_grad()
    text_model.encode_text(some_texts(3, 8, padding=1))[:, 0].sum().backward()
    assert text_model.text_tower.words.weight.grad[1].norm() == 0
    text_model.zero_grad()


def test_every_word_up_to_the_end_matters(text_model):
    ids = some_texts(6)
    before = text_model.encode_text(ids)
    for place in range(6):
        changed = ids.clone()
        changed[0, place] = 3 + (ids[0, place] - 2) % (WORDS - 3)
        assert (text_model.encode_text(changed) - before).norm() > 1e-3


def test_the_transformer_reads_causally():
    """The text's vector at its end sees all words; a word in front has no part in what the words before it become."""
    tower = make().text_tower
    ids = some_texts(8)
    seen = []
    tower.transformer.register_forward_hook(lambda module, inputs, output: seen.append(output[0].detach()))
    tower(ids)
    changed = ids.clone()
    changed[0, 5] = 3 + (ids[0, 5] - 2) % (WORDS - 3)
    tower(changed)
    moved = (seen[0] - seen[1]).abs().amax(-1) > 1e-6
    assert moved.tolist() == [False] * 5 + [True] * 4


def test_a_bag_of_words_ignores_their_order_to_the_last_bit():
    """Else rounding would decide which of two orders it "prefers", and half of the time it would look right."""
    bag, sequence = make(text_tower="bag"), make()
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(3, WORDS, (64, LENGTH), generator=generator)
    ids[:, -1] = EOS
    ids[::2, 7] = EOS
    shuffled = ids.clone()
    shuffled[:, :7] = ids[:, torch.randperm(7, generator=generator)]
    assert torch.equal(bag.encode_text(ids), bag.encode_text(shuffled))
    assert (sequence.encode_text(ids) - sequence.encode_text(shuffled)).norm(dim=1).min() > 1e-3


def test_a_bag_of_words_is_the_mean_of_their_embeddings():
    tower = make(text_tower="bag").text_tower
    ids = some_texts(4, 7)
    means = torch.stack([tower.words.weight[row[:n]].mean(0) for row, n in zip(ids, (4, 7), strict=True)])
    torch.testing.assert_close(tower(ids), tower.projection(tower.norm(means)))


def test_raw_pixels_equal_standardised_floats():
    model, images = make(pixel_mean=100.0, pixel_std=50.0), some_images()
    torch.testing.assert_close(model.encode_image(images), model.encode_image((images.float() - 100) / 50))


@pytest.mark.parametrize("image_tower", ["cnn", "vit"])
def test_every_part_of_the_picture_matters(image_tower):
    model, images = make(image_tower=image_tower), some_images(1)
    before = model.encode_image(images)
    for row in range(0, 32, 8):
        for column in range(0, 32, 8):
            changed = images.clone()
            changed[..., row : row + 8, column : column + 8] = 255
            assert (model.encode_image(changed) - before).norm() > 1e-4


def test_a_picture_knows_where_its_parts_are():
    model, images = make(), some_images(1)
    halves = torch.cat([images[..., 16:], images[..., :16]], -1)
    assert (model.encode_image(halves) - model.encode_image(images)).norm() > 1e-3


@pytest.mark.parametrize("image_tower", ["cnn", "vit"])
def test_every_parameter_learns(image_tower):
    model = make(image_tower=image_tower).train()
    output = model(some_images(), some_texts(3, 5, 1, 11))
    clip_loss(*output).backward()
    for name, parameter in model.named_parameters():
        if not name.endswith("key.bias"):  # adds the same to all of a query's scores, so nothing
            assert parameter.grad is not None and parameter.grad.abs().max() > 1e-9, name


def test_the_scale_stops_at_100_and_comes_back():
    model = make()
    with torch.no_grad():
        model.log_scale.fill_(7.0)
    model.clamp_scale_()
    assert model.log_scale.item() == pytest.approx(MAX_LOG_SCALE)
    assert model.log_scale.exp().item() == pytest.approx(100, rel=1e-5)
    optimizer = torch.optim.SGD([model.log_scale], lr=0.1)
    model.log_scale.exp().backward()  # a loss that wants a smaller scale
    optimizer.step()
    assert model.log_scale.item() < MAX_LOG_SCALE - 1
    before = model.log_scale.item()
    model.clamp_scale_()
    assert model.log_scale.item() == before


@pytest.mark.parametrize("image_tower", ["cnn", "vit"])
def test_weights_survive_safetensors(tmp_path, image_tower):
    model = make(image_tower=image_tower)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "clip.safetensors")
    torch.manual_seed(5)
    other = CLIP(model.config).eval()
    other.load_state_dict(load_file(tmp_path / "clip.safetensors"))
    images, ids = some_images(), some_texts(3, 5, 1, 11)
    for before, after in zip(model(images, ids), other(images, ids), strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("image_tower", ["cnn", "vit"])
def test_the_same_seed_gives_the_same_weights(image_tower):
    models = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        models.append(CLIP(tiny(image_tower=image_tower)).state_dict())
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    assert not torch.equal(models[0]["text_tower.words.weight"], models[2]["text_tower.words.weight"])


@pytest.mark.parametrize("image_tower", ["cnn", "vit"])
@pytest.mark.parametrize("text_tower", ["transformer", "bag"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_finite_and_close(image_tower, text_tower, dtype):
    model = make(image_tower=image_tower, text_tower=text_tower).train()
    images, ids = some_images(), some_texts(3, 5, 1, 11)
    exact = model(images, ids)
    with torch.autocast("cpu", dtype):
        output = model(images, ids)
        loss = clip_loss(*output)
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    for rounded, reference in zip(output[:2], exact[:2], strict=True):
        assert (rounded.float() - reference).norm(dim=1).max() < 0.1
        assert (rounded.float().norm(dim=1) - 1).abs().max() < 0.01


def test_black_and_white_pictures_stay_finite():
    model = CLIP(tiny()).eval()
    plain = torch.stack([torch.zeros(3, 32, 32), torch.full((3, 32, 32), 255)]).to(torch.uint8)
    assert model.encode_image(plain).isfinite().all()


def test_tiny_takes_changes():
    config = CLIPConfig.tiny(50, image_tower="vit", embedding=32)
    assert (config.text.vocabulary, config.image.kind, config.embedding) == (50, "vit", 32)
    with pytest.raises(TypeError, match="embeding"):
        CLIPConfig.tiny(50, embeding=32)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_tower": "resnet"}, "GridConfig: kind is 'resnet', expected one of cnn, vit"),
        ({"text_tower": "rnn"}, "TextConfig: kind is 'rnn', expected one of transformer, bag"),
        ({"text_width": 17}, "TextConfig: the tower is 17 wide, heads is 2"),
        ({"heads": 3}, "GridConfig: the tower is 16 wide, heads is 3"),
        ({"heads": 0}, "heads is 0, expected a whole number, at least 1"),
        ({"image_side": 36}, "image_side is 36, expected a multiple of 8"),
        ({"image_width": 8.0}, "GridConfig: width is 8.0, expected a whole number"),
        ({"eos_id": WORDS}, "eos_id is 30, expected 0 to 29"),
        ({"eos_id": -1}, "eos_id is -1"),
        ({"context_length": 0}, "context_length is 0"),
        ({"embedding": -4}, "embedding is -4"),
        ({"pixel_std": 0.0}, r"pixel_std is 0.0"),
        ({"pixel_std": (1.0, 2.0, -1.0)}, r"pixel_std is \(1.0, 2.0, -1.0\)"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


@pytest.mark.bad_input
def test_a_tower_of_no_known_kind():
    with pytest.raises(TypeError, match="image is a TextConfig, expected one of GridConfig, ViTConfig"):
        CLIPConfig(image=TextConfig())
    with pytest.raises(ValueError, match="vocabulary is 0"):
        CLIPConfig.tiny(0)


@pytest.mark.parametrize(
    ("preset", "parameters"),  # as counted in the published checkpoints
    [
        ("vit_base_patch32", 151_277_313),
        ("vit_base_patch16", 149_620_737),
        ("vit_large_patch14", 427_616_513),
        ("resnet50", 102_007_137),
    ],
)
def test_presets_have_as_many_parameters_as_the_published(preset, parameters):
    with torch.device("meta"):
        model = CLIP(getattr(CLIPConfig, preset)())
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_simple_learns_three_pairs():
    torch.manual_seed(0)
    model = CLIP(CLIPConfig.simple(WORDS, image_side=32))
    assert sum(parameter.numel() for parameter in model.parameters()) < 100_000
    images, ids = some_images(3), some_texts(3, 5, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        losses.append(clip_loss(*model(images, ids)))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 3


def test_channels_may_have_means_of_their_own():
    means, deviations = (100.0, 110.0, 120.0), (50.0, 60.0, 70.0)
    model, images = make(pixel_mean=means, pixel_std=deviations), some_images()
    floats = (images.float() - torch.tensor(means)[:, None, None]) / torch.tensor(deviations)[:, None, None]
    torch.testing.assert_close(model.encode_image(images), model.encode_image(floats))
    assert not torch.allclose(model.encode_image(images), make(pixel_mean=100.0).encode_image(images))


def test_bad_texts(text_model):
    encode = text_model.encode_text
    without = some_texts(3, 5, 8)
    without[without == EOS] = 5
    without[1, 4] = EOS
    with pytest.raises(ValueError, match="2 of 3 texts lack the end-of-text id 2"):
        encode(without)
    with pytest.raises(ValueError, match="13 tokens, more than 12"):
        encode(some_texts(3, total=13))
    for wrong in (WORDS, -1):
        ids = some_texts(3, 5)
        ids[1, 2] = wrong
        with pytest.raises(ValueError, match=f"token ids from .*{wrong}.* in a vocabulary of 30"):
            encode(ids)
    for shape in ((0, 5), (2, 0)):
        with pytest.raises(
            ValueError, match=rf"shape \({shape[0]}, {shape[1]}\), expected \(batch, length\)"
        ):
            encode(torch.zeros(shape, dtype=torch.long))


def test_a_text_without_words():
    assert make().encode_text(some_texts(0)).isfinite().all()
    with pytest.raises(ValueError, match="a bag without words has no mean"):
        make(text_tower="bag").encode_text(some_texts(3, 0))


@pytest.mark.bad_input
@pytest.mark.parametrize("image_tower", ["cnn", "vit"])
def test_bad_images(image_tower):
    encode = make(image_tower=image_tower).encode_image
    for shape in ((2, 3, 40, 40), (2, 3, 8, 8), (2, 32, 32, 3), (2, 1, 32, 32), (3, 32, 32)):
        with pytest.raises(ValueError, match=r"expected \(batch, 3, 32, 32\): resize them, colours first"):
            encode(torch.randn(shape))
    with pytest.raises(ValueError, match=r"torch.int64, expected raw uint8 or standardised floats"):
        encode(some_images().long())
    with pytest.raises(ValueError, match=r"ids have shape \(5,\)"):
        make().encode_text(torch.arange(5))
