"""One block of ours against the blocks of published models in Hugging Face's transformers.

Results and every gradient. Nothing is downloaded: the layers are made from small configurations, and both
sides get the same random weights.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

import pytest
import torch
from torch import nn
from transformers import BertConfig, CLIPTextConfig, SiglipVisionConfig, ViTConfig
from transformers.models.bert.modeling_bert import BertLayer
from transformers.models.clip.modeling_clip import CLIPEncoderLayer
from transformers.models.siglip.modeling_siglip import SiglipEncoderLayer
from transformers.models.vit.modeling_vit import ViTLayer

from tests.equality import assert_equal, shaken
from vlmlearn.layers import TransformerBlock, causal_mask, padding_mask

WIDTH, HEADS, HIDDEN, BATCH, TOKENS = 24, 4, 40, 3, 7
IDS = torch.tensor([[5, 3, 9, 4, 2, 8, 1], [4, 6, 2, 7, 0, 0, 0], [7, 0, 0, 0, 0, 0, 0]])

# Our names and theirs.
CLIP_NAMES = {
    "attention_norm": "layer_norm1",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.out": "self_attn.out_proj",
    "feed_forward_norm": "layer_norm2",
    "feed_forward.widen": "mlp.fc1",
    "feed_forward.narrow": "mlp.fc2",
}
VIT_NAMES = CLIP_NAMES | {
    "attention_norm": "layernorm_before",
    "attention.query": "attention.q_proj",
    "attention.key": "attention.k_proj",
    "attention.value": "attention.v_proj",
    "attention.out": "attention.o_proj",
    "feed_forward_norm": "layernorm_after",
}
BERT_NAMES = {
    "attention_norm": "attention.output.LayerNorm",
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.out": "attention.output.dense",
    "feed_forward_norm": "output.LayerNorm",
    "feed_forward.widen": "intermediate.dense",
    "feed_forward.narrow": "output.dense",
}
# Layer, configuration, names, our activation, epsilon and norm: each as the published models have them.
LAYERS = {
    "CLIP": (CLIPEncoderLayer, CLIPTextConfig, CLIP_NAMES, "quick_gelu", 1e-5, "pre"),
    "ViT": (ViTLayer, ViTConfig, VIT_NAMES, "gelu", 1e-12, "pre"),
    "SigLIP": (SiglipEncoderLayer, SiglipVisionConfig, CLIP_NAMES, "gelu_tanh", 1e-6, "pre"),
    "BERT": (BertLayer, BertConfig, BERT_NAMES, "gelu", 1e-12, "post"),
}
MASKS = {"all": None, "causal": causal_mask(TOKENS)[None, None], "real": padding_mask(IDS)}


def twins(model: str) -> tuple[TransformerBlock, nn.Module, dict[str, str]]:
    """Our block, their layer with the same weights, and their name of every parameter of ours."""
    official, config_class, names, activation, eps, norm = LAYERS[model]
    config = config_class(hidden_size=WIDTH, num_attention_heads=HEADS, intermediate_size=HIDDEN)
    config._attn_implementation = "eager"
    assert config.layer_norm_eps == eps
    block = shaken(TransformerBlock(WIDTH, HEADS, HIDDEN, activation, eps, norm))
    layer = official(config).eval()  # no dropout
    full = {f"{of}.{kind}": f"{to}.{kind}" for of, to in names.items() for kind in ("weight", "bias")}
    layer.load_state_dict({full[name]: value for name, value in block.state_dict().items()})
    return block, layer, full


@pytest.mark.parametrize("seen", MASKS)
@pytest.mark.parametrize("model", LAYERS)
def test_results_and_gradients(model, seen):
    torch.manual_seed(0)
    block, layer, names = twins(model)
    x = torch.randn(BATCH, TOKENS, WIDTH, requires_grad=True)
    twin = x.detach().clone().requires_grad_()
    mask = MASKS[seen]
    # They add their mask to the scores: 0 where a query may look, the lowest number where it may not.
    added = None if mask is None else torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(x.dtype).min)
    ours, theirs = block(x, mask=mask), layer(twin, added)
    direction = torch.randn_like(ours)
    (ours * direction).sum().backward()
    (theirs * direction).sum().backward()
    assert_equal(ours, theirs)
    assert_equal(x.grad, twin.grad, "gradient of x")
    gradients = {name: parameter.grad for name, parameter in layer.named_parameters()}
    assert {*gradients} == {*names.values()}
    for name, parameter in block.named_parameters():
        reference = gradients[names[name]]
        if name == "attention.key.bias":  # adds the same to all scores of a query: zero up to rounding
            scale = block.attention.key.weight.grad.norm()
            assert parameter.grad.norm() < 1e-4 * scale and reference.norm() < 1e-4 * scale
        else:
            assert_equal(parameter.grad, reference, name)


@pytest.mark.parametrize("model", LAYERS)
def test_what_tells_the_models_apart_matters(model):
    """Another activation or the norm elsewhere is seen: the equality above is no accident."""
    torch.manual_seed(0)
    block, layer, _ = twins(model)
    _, _, _, activation, eps, norm = LAYERS[model]
    x = torch.randn(BATCH, TOKENS, WIDTH)
    expected = layer(x, None)
    for changed in ({"norm": "post" if norm == "pre" else "pre"}, {"activation": "relu"}):
        other = TransformerBlock(
            WIDTH, HEADS, HIDDEN, **{"activation": activation, "eps": eps, "norm": norm} | changed
        )
        other.load_state_dict(block.state_dict())
        assert (other(x) - expected).norm() > 1e-3 * expected.norm()
