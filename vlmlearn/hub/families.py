"""Which published models there are classes for, and the module that knows their names."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vlmlearn import models


@dataclass(frozen=True)
class Family:
    """One kind of published model.

    Args:
        architecture: upstream's class, as config.json names it.
        module: offers ``config_from_upstream`` and ``rename``.
        model: our class in ``vlmlearn.models``.
        context_length: of the text, where config.json does not say.
    """

    architecture: str
    module: str
    model: str
    context_length: int

    def config(self, settings: Mapping[str, Any]) -> Any:
        """Our config from config.json's settings."""
        return importlib.import_module(self.module).config_from_upstream(settings)

    def rename(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Upstream's tensors under our names; buffers that our model makes itself are left out.

        A name that the family does not know is kept, one by one: so whoever fills the model can list them all.

        Raises:
            ValueError: two tensors for one place.
        """
        module = importlib.import_module(self.module)
        renamed: dict[str, Tensor] = {}
        for name, value in weights.items():
            try:
                found = module.rename({name: value})
            except ValueError:
                found = {name: value}
            for ours in found:
                if ours in renamed:
                    raise ValueError(f"the checkpoint has two tensors for {ours}, one of them {name}")
            renamed |= found
        return renamed

    def build(self, config: Any) -> nn.Module:
        """Our model with random weights."""
        return getattr(models, self.model)(config)


FAMILIES = {  # by config.json's model_type
    "clip": Family("CLIPModel", "vlmlearn.hub.clip", "CLIP", 77),
    "chinese_clip": Family("ChineseCLIPModel", "vlmlearn.hub.chinese_clip", "ChineseCLIP", 512),
    "align": Family("AlignModel", "vlmlearn.hub.align", "ALIGN", 512),
    "siglip": Family("SiglipModel", "vlmlearn.hub.siglip", "SigLIP", 64),  # and SigLIP 2 of fixed size
    "siglip2": Family("Siglip2Model", "vlmlearn.hub.siglip2", "SigLIP2", 64),
}


def family_of(settings: Mapping[str, Any]) -> Family:
    """The family of a config.json.

    Raises:
        ValueError: a model without a class here, or one tower of two.
    """
    kind, architectures = settings.get("model_type"), settings.get("architectures") or []
    if kind not in FAMILIES:
        raise ValueError(
            f"config.json says model_type {kind!r} ({', '.join(architectures) or 'no architecture'}), which has no "
            f"class here: known are {', '.join(FAMILIES)}"
        )
    family = FAMILIES[kind]
    if architectures and family.architecture not in architectures:
        raise ValueError(
            f"config.json says architecture {', '.join(architectures)}, expected {family.architecture}: a part of "
            "the model, or with another head, does not fill it"
        )
    return family
