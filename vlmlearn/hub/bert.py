"""Published BERTs: the names of their tensors, and ours."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vlmlearn.hub.clip import ACTIVATIONS
from vlmlearn.layers import BertConfig

# What upstream assumes where a config.json is silent: BERT-base.
DEFAULTS: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
BUFFERS = ("position_ids", "token_type_ids")  # counted or zero, so our model makes them itself
KINDS = {"gamma": "weight", "beta": "bias"}  # what the layer norms of the oldest checkpoints call theirs
PARTS = {
    "embeddings.word_embeddings": "embeddings.words",
    "embeddings.position_embeddings": "embeddings.positions",
    "embeddings.token_type_embeddings": "embeddings.types",
    "embeddings.LayerNorm": "embeddings.norm",
    "pooler.dense": "pooler",
}
BLOCK_PARTS = {
    "attention.self.query": "attention.query",
    "attention.self.key": "attention.key",
    "attention.self.value": "attention.value",
    "attention.output.dense": "attention.out",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "feed_forward.widen",
    "output.dense": "feed_forward.narrow",
    "output.LayerNorm": "feed_forward_norm",
}


def bert_config(settings: Mapping[str, Any]) -> BertConfig:
    """The configuration of a Hugging Face ``BertModel`` as ours. Its dropout, which only training has, is left out.

    Raises:
        ValueError: an activation that ours lacks, positions that are not absolute, or a text decoder.
    """
    found = DEFAULTS | dict(settings)
    if found["hidden_act"] not in ACTIVATIONS:
        raise ValueError(f"hidden_act is {found['hidden_act']!r}, expected one of {', '.join(ACTIVATIONS)}")
    if found.get("position_embedding_type", "absolute") != "absolute" or found.get("is_decoder"):
        raise ValueError(
            f"position_embedding_type is {found.get('position_embedding_type')!r}, is_decoder "
            f"{found.get('is_decoder')}: expected an encoder with absolute positions"
        )
    return BertConfig(
        vocabulary=found["vocab_size"],
        width=found["hidden_size"],
        layers=found["num_hidden_layers"],
        heads=found["num_attention_heads"],
        hidden=found["intermediate_size"],
        positions=found["max_position_embeddings"],
        token_types=found["type_vocab_size"],
        pad_id=found["pad_token_id"],
        activation=ACTIVATIONS[found["hidden_act"]],
        eps=found["layer_norm_eps"],
    )


def rename_bert(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a Hugging Face ``BertModel`` under the names of ``vlmlearn.layers.Bert``.

    Raises:
        ValueError: a name that no BERT has.
    """
    renamed = {}
    for name, value in state_dict.items():
        part, _, kind = name.rpartition(".")
        if kind in BUFFERS:
            continue
        block = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", part)
        known = BLOCK_PARTS.get(block[2]) if block else PARTS.get(part)
        if known is None:
            raise ValueError(
                f"the checkpoint has a tensor {name}, which no BERT has: is it another model, or has every "
                "name a prefix that must go first?"
            )
        place = f"transformer.blocks.{block[1]}.{known}" if block else known
        renamed[f"{place}.{KINDS.get(kind, kind)}"] = value
    return renamed
