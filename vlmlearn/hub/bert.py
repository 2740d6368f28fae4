"""Published BERTs: the names of their tensors, and ours."""

import re
from collections.abc import Mapping

from torch import Tensor

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
