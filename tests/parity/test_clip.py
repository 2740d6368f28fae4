"""Our CLIP against Hugging Face's ``CLIPModel`` and OpenAI's names for it: features, loss, every gradient.

Nothing is downloaded: the models are made from small configurations, and both sides get the same random weights.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

import pytest
import torch
from transformers import CLIPConfig as UpstreamConfig
from transformers import CLIPModel

from tests.equality import assert_equal, shaken
from vlmlearn.hub import openai_clip
from vlmlearn.hub.clip import config_from_upstream, rename
from vlmlearn.losses import clip_loss
from vlmlearn.models import CLIP

WORDS, PAD, EOS, LENGTH, BATCH, SIDE = 40, 0, 30, 9, 4, 24
VISION = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": 8,
}
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 28,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "vocab_size": WORDS,
    "max_position_embeddings": LENGTH,
    "eos_token_id": EOS,
}
# The forms that published configurations take: as they are; LAION's exact GELU, another epsilon.
OPTIONS = {"OpenAI": {}, "LAION": {"hidden_act": "gelu"}, "eps": {"layer_norm_eps": 1e-3}}


def settings(options=None, **text) -> dict:
    return {
        "vision_config": VISION | (options or {}),
        "text_config": TEXT | (options or {}) | text,
        "projection_dim": 12,
    }


def twins(found: dict, dtype=torch.float32) -> tuple[CLIP, CLIPModel]:
    torch.manual_seed(0)
    theirs = shaken(CLIPModel(UpstreamConfig(**found)).eval()).to(dtype)
    # What is published is config.json and tensors: ours is made from those.
    ours = CLIP(config_from_upstream(theirs.config.to_dict())).eval().to(dtype)
    ours.load_state_dict(rename(theirs.state_dict()))
    return ours, theirs


def inputs(pad: int = PAD, eos: int = EOS, dtype=torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(BATCH, 3, SIDE, SIDE, generator=generator, dtype=dtype)
    ids = torch.full((BATCH, LENGTH), pad)
    for row, length in zip(ids, (2, LENGTH - 1, 5, 3), strict=True):
        row[:length] = torch.randint(1, EOS, (length,), generator=generator)
        row[length] = eos
    return images, ids


@pytest.mark.parametrize("options", OPTIONS)
def test_features_loss_and_gradients(options):
    ours, theirs = twins(settings(OPTIONS[options]))
    images, ids = inputs()
    mine = ours(images, ids)
    official = theirs(input_ids=ids, pixel_values=images, return_loss=True)
    assert_equal(mine.image_features, official.image_embeds, "image features")
    assert_equal(mine.text_features, official.text_embeds, "text features")
    assert_equal(
        mine.logit_scale * mine.image_features @ mine.text_features.T, official.logits_per_image, "logits"
    )
    loss = clip_loss(*mine)
    assert_equal(loss, official.loss, "loss")
    loss.backward()
    official.loss.backward()
    reference = rename({name: parameter.grad for name, parameter in theirs.named_parameters()})
    assert {*reference} == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        if name.endswith("key.bias"):  # adds the same to all scores of a query: zero up to rounding
            scale = 1e-4 * ours.get_parameter(name.replace("bias", "weight")).grad.norm()
            assert parameter.grad.norm() < scale and reference[name].norm() < scale
        else:
            assert_equal(parameter.grad, reference[name], name)


def test_the_loss_in_double_precision():
    ours, theirs = twins(settings(), torch.float64)
    images, ids = inputs(dtype=torch.float64)
    official = theirs(input_ids=ids, pixel_values=images, return_loss=True).loss
    assert official > 0.1 and abs(clip_loss(*ours(images, ids)) - official) <= 1e-10


def test_features_of_other_lengths():
    """Before they are normalised, and of the images alone and the texts alone."""
    ours, theirs = twins(settings())
    images, ids = inputs()
    assert_equal(
        ours.encode_image(images, normalize=False), theirs.get_image_features(images).pooler_output, "image"
    )
    assert_equal(ours.encode_text(ids, normalize=False), theirs.get_text_features(ids).pooler_output, "text")


@pytest.mark.parametrize("pad", [PAD, EOS, EOS + 5], ids=["below", "equal", "above"])
@pytest.mark.parametrize("eos_in_config", [EOS, 2])
def test_both_ways_to_find_the_end(eos_in_config, pad):
    """``eos_token_id = 2`` stands in the oldest files by mistake: there the highest id is the end."""
    ours, theirs = twins(settings(eos_token_id=eos_in_config))
    assert ours.config.text.end == ("highest" if eos_in_config == 2 else "first")
    _, ids = inputs(pad)
    official = theirs.get_text_features(ids).pooler_output
    assert_equal(ours.encode_text(ids, normalize=False), official, "text")
    # The two ways part where padding is above the end: this test could tell.
    other, _ = twins(settings(eos_token_id=2 if eos_in_config == EOS else EOS))
    apart = (other.encode_text(ids, normalize=False) - official).norm() > 1e-2 * official.norm()
    assert apart == (pad > EOS)


def packed(theirs: CLIPModel) -> dict[str, torch.Tensor]:
    """The same weights as OpenAI's code stores them."""
    state, found = theirs.state_dict(), {}
    names = {"vision_model": "visual.transformer", "text_model": "transformer"}
    parts = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    parts["self_attn.out_proj"] = "attn.out_proj"
    for tower, layers in (("vision_model", 2), ("text_model", 3)):
        for layer in range(layers):
            source, place = f"{tower}.encoder.layers.{layer}", f"{names[tower]}.resblocks.{layer}"
            for kind in ("weight", "bias"):
                for part, name in parts.items():
                    found[f"{place}.{name}.{kind}"] = state[f"{source}.{part}.{kind}"]
                maps = [state[f"{source}.self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
                found[f"{place}.attn.in_proj_{kind}"] = torch.cat(maps)
    rest = {
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "logit_scale": "logit_scale",
    }
    norms = {
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
        "ln_final": "text_model.final_layer_norm",
    }
    rest |= {f"{a}.{kind}": f"{b}.{kind}" for a, b in norms.items() for kind in ("weight", "bias")}
    found |= {name: state[source] for name, source in rest.items()}
    found["visual.proj"] = state["visual_projection.weight"].T
    found["text_projection"] = state["text_projection.weight"].T
    return found


def test_openai_names_hold_the_same_model():
    ours, theirs = twins(settings())
    renamed = openai_clip.rename(packed(theirs) | {"vocab_size": torch.tensor(WORDS)})
    assert {*renamed} == {*ours.state_dict()}
    for name, value in ours.state_dict().items():
        assert torch.equal(renamed[name], value), name
