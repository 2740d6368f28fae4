"""Our SigLIP 2 against Hugging Face's ``Siglip2Model``: features, loss, every gradient, and what padding does.

Nothing is downloaded: the models are made from small configurations, and both sides get the same random weights.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

import pytest
import torch
from transformers import Siglip2Config as UpstreamConfig
from transformers import Siglip2Model
from transformers.models.siglip2.image_processing_pil_siglip2 import (
    Siglip2ImageProcessorPil,
    get_image_size_for_max_num_patches,
)

from tests.equality import assert_equal, shaken
from vlmlearn.hub.siglip2 import config_from_upstream, rename
from vlmlearn.layers import PatchList, fitting_size, patch_list
from vlmlearn.losses import siglip_loss
from vlmlearn.models import SigLIP2, SigLIP2Config

WORDS, LENGTH, PATCH, GRID = 40, 9, 4, 4
VISION = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "patch_size": PATCH,
    "num_patches": GRID**2,
}
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 28,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "vocab_size": WORDS,
    "max_position_embeddings": LENGTH,
    "projection_size": 24,
}
# Rows and columns of patches: the learnt grid itself, finer, coarser, narrow; and how long the lists are. Not several
# rows of one column: on the CPU, torch gives all of them the first row's positions.
SHAPES = {
    "the learnt grid, no padding": (((4, 4), (4, 4), (4, 4)), 16),
    "the learnt grid, padding": (((4, 4), (4, 4)), 21),
    "finer, no padding": (((6, 7), (6, 7)), 42),
    "coarser, padding": (((2, 3), (3, 2)), 10),
    "many shapes": (((4, 4), (2, 3), (7, 3), (1, 5), (6, 2)), 21),
    "many shapes, longer lists": (((4, 4), (2, 3), (7, 3), (1, 5), (1, 1)), 40),
}


def twins(dtype=torch.float32) -> tuple[SigLIP2, Siglip2Model]:
    torch.manual_seed(0)
    theirs = shaken(Siglip2Model(UpstreamConfig(vision_config=VISION, text_config=TEXT)).eval()).to(dtype)
    with torch.no_grad():
        theirs.logit_scale.fill_(1.5)  # theirs start at 0
        theirs.logit_bias.fill_(-2.0)
    # What is published is config.json and tensors: ours is made from those.
    ours = SigLIP2(config_from_upstream(theirs.config.to_dict())).eval().to(dtype)
    ours.load_state_dict(rename(theirs.state_dict()))
    return ours, theirs


def inputs(shapes, length, dtype=torch.float32) -> tuple[PatchList, torch.Tensor]:
    """Pictures of several shapes, and texts of several lengths, PAD after them."""
    generator = torch.Generator().manual_seed(1)
    sides = [(rows * PATCH, columns * PATCH) for rows, columns in shapes]
    pictures = [torch.randn(3, *side, generator=generator, dtype=dtype) for side in sides]
    ids = torch.zeros(len(shapes), LENGTH, dtype=torch.long)
    for k, row in enumerate(ids):
        row[: 2 * k + 1] = torch.randint(2, WORDS, (min(2 * k + 1, LENGTH),), generator=generator)
    return patch_list(pictures, PATCH, length), ids


def official(theirs: Siglip2Model, images: PatchList, ids: torch.Tensor):
    return theirs(
        input_ids=ids,
        pixel_values=images.patches,
        pixel_attention_mask=images.mask.int(),
        spatial_shapes=images.sizes,
        return_loss=True,
    )


@pytest.mark.parametrize("shapes", SHAPES)
def test_features_loss_and_gradients(shapes):
    ours, theirs = twins()
    images, ids = inputs(*SHAPES[shapes])
    mine, reference = ours(images, ids), official(theirs, images, ids)
    assert_equal(mine.image_features, reference.image_embeds, "image features")
    assert_equal(mine.text_features, reference.text_embeds, "text features")
    logits = mine.logit_scale * mine.image_features @ mine.text_features.T + mine.logit_bias
    assert_equal(logits, reference.logits_per_image, "logits")
    loss = siglip_loss(*mine)
    assert_equal(loss, reference.loss, "loss")
    loss.backward()
    reference.loss.backward()
    expected = rename({name: parameter.grad for name, parameter in theirs.named_parameters()})
    assert {*expected} == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        if name.endswith("key.bias"):  # adds the same to all scores of a query: zero up to rounding
            scale = 1e-4 * ours.get_parameter(name.replace("bias", "weight")).grad.norm()
            assert parameter.grad.norm() < scale and expected[name].norm() < scale
        else:
            assert_equal(parameter.grad, expected[name], name)


def test_the_loss_in_double_precision():
    """Theirs stretches positions in single precision; here they and the weights are short enough to lose nothing."""
    ours, theirs = twins(torch.float64)
    with torch.no_grad():
        for positions in (
            ours.image_tower.positions,
            theirs.vision_model.embeddings.position_embedding.weight,
        ):
            positions.copy_((positions * 2**10).round() / 2**10)
    images, ids = inputs(((4, 4), (8, 4), (4, 8), (8, 8)), 70, torch.float64)
    reference = official(theirs, images, ids).loss
    assert reference > 0.1 and abs(siglip_loss(*ours(images, ids)) - reference) <= 1e-10


def test_features_of_other_lengths():
    """Before they are normalised."""
    ours, theirs = twins()
    images, _ = inputs(*SHAPES["many shapes"])
    reference = theirs.get_image_features(images.patches, images.mask.int(), images.sizes).pooler_output
    assert_equal(ours.encode_image(images, normalize=False), reference, "image")


def test_the_mask_and_the_sizes_matter():
    """With another mask or other sizes theirs are other pictures: the equality above is no accident."""
    ours, theirs = twins()
    images, _ = inputs(*SHAPES["many shapes, longer lists"])
    mine = ours.encode_image(images, normalize=False)
    for mask, sizes in ((torch.ones_like(images.mask), images.sizes), (images.mask, images.sizes.flip(1))):
        other = theirs.get_image_features(images.patches, mask.int(), sizes).pooler_output
        assert (mine - other).norm() > 1e-2 * other.norm()


@pytest.mark.parametrize("patch", [8, 16])
def test_patch_lists_are_what_upstream_feeds_its_model(patch):
    """Pictures whose size already is the fitting one, so that nothing is resized."""
    generator = torch.Generator().manual_seed(2)
    sides = [fitting_size(height, width, patch, 20) for height, width in ((64, 64), (40, 90), (300, 20))]
    pictures = [torch.randint(0, 256, (3, *side), dtype=torch.uint8, generator=generator) for side in sides]
    processor = Siglip2ImageProcessorPil(patch_size=patch, max_num_patches=20, do_resize=False)
    expected = processor([picture.permute(1, 2, 0).numpy() for picture in pictures], return_tensors="pt")
    found = patch_list(pictures, patch, 20)
    torch.testing.assert_close(
        torch.where(found.mask[..., None], found.patches / 127.5 - 1, 0),
        expected["pixel_values"],
        rtol=0,
        atol=1e-6,
    )
    assert torch.equal(found.mask.int(), expected["pixel_attention_mask"].int())
    assert torch.equal(found.sizes, expected["spatial_shapes"])


@pytest.mark.parametrize("patch", [8, 14, 16])
@pytest.mark.parametrize("patches", [1, 7, 64, 256, 1024])
def test_fitting_sizes_are_upstreams(patch, patches):
    generator = torch.Generator().manual_seed(patches)
    sides = [*torch.randint(1, 3000, (40, 2), generator=generator).tolist(), [1, 4000], [2000, 3], [64, 64]]
    for height, width in sides:
        expected = get_image_size_for_max_num_patches(height, width, patch, patches)
        assert fitting_size(height, width, patch, patches) == expected


def test_the_preset_is_the_published_model():
    found = {"text_config": {"vocab_size": 256_000}}
    assert config_from_upstream({"model_type": "siglip2"} | found) == SigLIP2Config.base_patch16_naflex()
    with torch.device("meta"):
        ours = SigLIP2(SigLIP2Config.base_patch16_naflex())
        theirs = Siglip2Model(UpstreamConfig(**found))
    shapes = {name: value.shape for name, value in rename(theirs.state_dict()).items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes
