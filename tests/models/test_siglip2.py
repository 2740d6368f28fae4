"""SigLIP 2 takes pictures of any shape, and what else stands in their lists changes nothing."""

import math

import pytest
import torch
from torch.nn import functional

from vlmlearn.heads.retrieval import encode_images
from vlmlearn.layers import BidirectionalTextConfig, NaFlexConfig, patch_list
from vlmlearn.losses import siglip_loss
from vlmlearn.models import SigLIP2, SigLIP2Config
from vlmlearn.world import Tokenizer, caption_pairs

WORDS, EOS, LENGTH = 30, 2, 12
SHAPES = ((64, 64), (32, 40), (8, 64), (24, 16))


@pytest.fixture
def model() -> SigLIP2:
    """A small model whose every parameter has noise on it."""
    torch.manual_seed(0)
    model = SigLIP2(SigLIP2Config.tiny(WORDS, layers=2))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name not in ("log_scale", "logit_bias"):
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def some_pictures(shapes=SHAPES):
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (3, *shape), dtype=torch.uint8, generator=generator) for shape in shapes]


def some_texts(batch=4):
    ids = torch.randint(3, WORDS, (batch, LENGTH), generator=torch.Generator().manual_seed(2))
    ids[:, -1] = EOS
    return ids


def test_features_have_length_one(model):
    output = model(patch_list(some_pictures(), 8), some_texts())
    for features in (output.image_features, output.text_features):
        assert features.shape == (4, 96) == (4, model.config.embedding)
        torch.testing.assert_close(features.norm(dim=1), torch.ones(4))
        assert torch.pdist(features).min() > 1e-3
    assert output.logit_scale.item() == pytest.approx(10) and output.logit_bias.item() == -10


@pytest.mark.parametrize("more", [1, 17, 192])
def test_padding_changes_nothing_to_the_last_bit(model, more):
    expected = model.encode_image(patch_list(some_pictures(), 8))
    assert torch.equal(model.encode_image(patch_list(some_pictures(), 8, 64 + more)), expected)


def test_pictures_of_one_size_need_no_cutting(model):
    pictures = some_pictures(((16, 24), (16, 24)))
    features = model.encode_image(torch.stack(pictures))
    assert torch.equal(features, model.encode_image(patch_list(pictures, 8)))
    torch.testing.assert_close(encode_images(model, torch.stack(pictures)), features)


def test_raw_pixels_equal_standardised_floats(model):
    floats = [(picture.float() - 101) / 36 for picture in some_pictures()]
    torch.testing.assert_close(
        model.encode_image(patch_list(floats, 8)), model.encode_image(patch_list(some_pictures(), 8))
    )


def test_the_length_of_features_may_stay(model):
    images = patch_list(some_pictures(), 8)
    features = model.encode_image(images, normalize=False)
    assert (features.norm(dim=1) - 1).abs().max() > 1e-2
    torch.testing.assert_close(functional.normalize(features, dim=1), model.encode_image(images))


def test_every_parameter_learns(model):
    siglip_loss(*model(patch_list(some_pictures(), 8), some_texts())).backward()
    for name, parameter in model.named_parameters():
        if not name.endswith("key.bias"):  # adds the same to all of a query's scores, so nothing
            assert parameter.grad is not None and parameter.grad.abs().max() > 1e-9, name


def test_it_learns_crops_of_the_world():
    """Pictures of several shapes in one batch, and their sentences."""
    torch.manual_seed(0)
    pairs = caption_pairs(6, seed=0)
    sides = ((64, 64), (64, 40), (48, 64), (64, 64), (56, 56), (40, 64))
    crops = [
        picture[:, :height, :width] for picture, (height, width) in zip(pairs.images, sides, strict=True)
    ]
    images, ids = patch_list(crops, 8), pairs.ids[:, 0]
    model = SigLIP2(SigLIP2Config.tiny(len(Tokenizer()), layers=1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(30):
        losses.append(siglip_loss(*model(images, ids)))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_finite_and_close(model, dtype):
    images, ids = patch_list(some_pictures(), 8), some_texts()
    exact = model(images, ids)
    with torch.autocast("cpu", dtype):
        output = model(images, ids)
        loss = siglip_loss(*output)
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    for rounded, reference in zip(output[:2], exact[:2], strict=True):
        assert (rounded.float() - reference).norm(dim=1).max() < 0.1


def test_the_preset_has_as_many_parameters_as_the_published():
    with torch.device("meta"):
        model = SigLIP2(SigLIP2Config.base_patch16_naflex())
    assert sum(parameter.numel() for parameter in model.parameters()) == 375_234_050
    assert model.config.text == BidirectionalTextConfig(256_000) and model.config.image == NaFlexConfig()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixel_std": -1.0}, r"SigLIP2Config: pixel_std is -1\.0, expected a number above 0"),
        ({"pixel_mean": (1.0, 2.0, 3.0)}, r"pixel_mean is \(1\.0, 2\.0, 3\.0\), expected one finite number"),
        ({"logit_bias": math.nan}, "logit_bias is nan, expected one finite number"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        SigLIP2Config(**changes)


@pytest.mark.bad_input
def test_towers_of_no_known_kind():
    with pytest.raises(TypeError, match="text is a NaFlexConfig, expected one of TextConfig, Bidirectional"):
        SigLIP2Config(text=NaFlexConfig())
    with pytest.raises(TypeError, match="image is a BidirectionalTextConfig, expected one of NaFlexConfig"):
        SigLIP2Config(image=BidirectionalTextConfig())


@pytest.mark.bad_input
def test_bad_pictures(model):
    images = patch_list(some_pictures(), 8)
    with pytest.raises(ValueError, match="more than the 63 places of the list"):
        model.encode_image(images._replace(patches=images.patches[:, :63], mask=images.mask[:, :63]))
    with pytest.raises(ValueError, match=r"expected \(batch, patches, 192\), 8×8 pixels of 3 colours"):
        model.encode_image(patch_list(some_pictures(), 4))
    with pytest.raises(ValueError, match=r"patches are torch\.int64, expected standardised floats"):
        model.encode_image(images._replace(patches=images.patches.long()))
    with pytest.raises(ValueError, match="picture 0 is 20×24 pixels, expected multiples of the patch, 8"):
        model.encode_image(torch.zeros(2, 3, 20, 24))
