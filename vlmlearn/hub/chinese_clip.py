"""Published Chinese-CLIPs: what their configurations mean, the names of their tensors, and ours."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vlmlearn.hub import clip
from vlmlearn.hub.bert import bert_config, rename_bert
from vlmlearn.models import ChineseCLIPConfig


def config_from_upstream(settings: Mapping[str, Any]) -> ChineseCLIPConfig:
    """The configuration of a Hugging Face ``ChineseCLIPModel``, as its config.json holds it, as ours.

    The image tower and what the towers share are CLIP's, and so is the way to read them. Pixels are standardised with
    CLIP's numbers, which a config.json does not hold.

    Raises:
        ValueError: another model, or one that ours cannot be.
    """
    kind = settings.get("model_type", "chinese_clip")
    if kind != "chinese_clip":
        raise ValueError(
            f'model_type is {kind!r}, expected "chinese_clip": load it with the class of that name'
        )
    text = settings.get("text_config_dict") or settings.get("text_config") or {}
    shared = {name: value for name, value in settings.items() if not name.startswith("text_config")}
    found = clip.config_from_upstream({**shared, "model_type": "clip"})
    return ChineseCLIPConfig(
        image=found.image, text=bert_config(text), embedding=found.embedding, log_scale=found.log_scale
    )


def rename(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a Hugging Face ``ChineseCLIPModel`` under the names of ``vlmlearn.models.ChineseCLIP``.

    Raises:
        ValueError: a name that no Chinese-CLIP has.
    """
    prefix = "text_model."
    rest = {name: value for name, value in state_dict.items() if not name.startswith(prefix)}
    bert = {name.removeprefix(prefix): value for name, value in state_dict.items() if name not in rest}
    text = {f"text_tower.bert.{name}": value for name, value in rename_bert(bert).items()}
    return clip.rename(rest) | text
