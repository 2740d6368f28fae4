"""Published ALIGNs: what their configurations mean, the names of their tensors, and ours."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vlmlearn.hub.bert import bert_config, rename_bert
from vlmlearn.hub.efficientnet import efficientnet_config, rename_efficientnet
from vlmlearn.models import AlignConfig

NAMES = {
    "temperature": "temperature",
    "text_projection.weight": "text_tower.projection.weight",
    "text_projection.bias": "text_tower.projection.bias",
}


def config_from_upstream(settings: Mapping[str, Any]) -> AlignConfig:
    """The configuration of a Hugging Face ``AlignModel``, as its config.json holds it, as ours.

    Pixels are scaled to −1 … 1, as for the published model; a config.json does not say.

    Raises:
        ValueError: another model, or one that ours cannot be.
    """
    kind = settings.get("model_type", "align")
    if kind != "align":
        raise ValueError(f'model_type is {kind!r}, expected "align": load it with the class of that name')
    config = AlignConfig(
        image=efficientnet_config(settings.get("vision_config") or {}),
        text=bert_config(settings.get("text_config") or {}),
        temperature=float(settings.get("temperature_init_value", 1.0)),
    )
    width = settings.get("projection_dim", 640)
    if width != config.embedding:
        raise ValueError(
            f"projection_dim is {width}, the image tower ends with {config.embedding} channels: expected as many, for "
            "pictures are not projected"
        )
    return config


def rename(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a Hugging Face ``AlignModel`` under the names of ``vlmlearn.models.ALIGN``.

    BERT's pooler is left out: checkpoints hold it, and the model never uses it.

    Raises:
        ValueError: a name that no ALIGN has.
    """
    renamed: dict[str, Tensor] = {}
    towers: dict[str, dict[str, Tensor]] = {"text_model": {}, "vision_model": {}}
    for name, value in state_dict.items():
        tower, _, rest = name.partition(".")
        if tower in towers:
            if not name.startswith("text_model.pooler."):
                towers[tower][rest] = value
        elif name in NAMES:
            renamed[NAMES[name]] = value
        else:
            raise ValueError(f"the checkpoint has a tensor {name}, which no ALIGN has: is it another model?")
    text, image = rename_bert(towers["text_model"]), rename_efficientnet(towers["vision_model"])
    renamed |= {f"text_tower.bert.{name}": value for name, value in text.items()}
    return renamed | {f"image_tower.{name}": value for name, value in image.items()}
