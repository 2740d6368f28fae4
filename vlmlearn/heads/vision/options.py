"""The options that all vision heads share, and how options are checked, written down and read again."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any, TypeVar

from vlmlearn.layers.checks import check_counts
from vlmlearn.layers.feed_forward import ACTIVATIONS
from vlmlearn.layers.gated import FEED_FORWARDS
from vlmlearn.layers.norms import NORMS

ATTENTIONS = ("multi_head", "cbam", "differential")

Config = TypeVar("Config", bound="HeadConfig")


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """What every head can be told. A config unpacks: ``DetectionHead(64, **config)``.

    Args:
        hidden_dim: channels inside the head.
        normalization_type: "layer_norm", "batch_norm", "rms_norm" or "group_norm", see ``vlmlearn.layers.Norm``.
        activation_type: after each norm and inside an "mlp": "gelu", "gelu_tanh", "quick_gelu" or "relu".
        dropout_rate: share of numbers set to zero in training, after attention, feed-forward network and trunk.
        use_attention: whether places look at each other before the prediction.
        attention_type: "multi_head", "cbam" (which channels and places matter) or "differential".
        num_heads: of "multi_head" and "differential".
        use_ffn: whether every place passes a feed-forward network.
        ffn_type: "mlp", "glu" or "swiglu".
        ffn_expansion_factor: how many times wider that network is inside.

    Raises:
        ValueError: a number out of its range, an unknown name, or heads that do not divide ``hidden_dim``.
    """

    hidden_dim: int = 256
    normalization_type: str = "layer_norm"
    activation_type: str = "gelu"
    dropout_rate: float | int = 0.0
    use_attention: bool = False
    attention_type: str = "multi_head"
    num_heads: int = 8
    use_ffn: bool = False
    ffn_type: str = "mlp"
    ffn_expansion_factor: int = 4

    def __post_init__(self) -> None:
        check_counts(self, "hidden_dim num_heads ffn_expansion_factor")
        check_name(self, "normalization_type", NORMS)
        check_name(self, "activation_type", ACTIVATIONS)
        check_name(self, "attention_type", ATTENTIONS)
        check_name(self, "ffn_type", FEED_FORWARDS)
        name = type(self).__name__
        if not 0 <= self.dropout_rate < 1:
            raise ValueError(f"{name}: dropout_rate is {self.dropout_rate}, expected 0 or more and below 1")
        parts = self.num_heads * {"multi_head": 1, "cbam": 0, "differential": 2}[self.attention_type]
        if self.use_attention and parts and self.hidden_dim % parts:
            raise ValueError(
                f"{name}: hidden_dim is {self.hidden_dim}, num_heads {self.num_heads}: {self.attention_type} "
                f"attention needs a hidden_dim that is a multiple of {parts}"
            )

    def keys(self) -> list[str]:
        """The names of all options; with ``config[name]`` this is what ``**config`` asks for."""
        return [field.name for field in fields(self)]

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def to_json(self) -> str:
        """All options as JSON; ``type(config).from_json`` reads them."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls: type[Config], text: str) -> Config:
        """The config that ``to_json`` wrote; ``ValueError`` for anything else."""
        options = json.loads(text)
        if not isinstance(options, dict):
            raise ValueError(f"the JSON holds a {type(options).__name__}, expected an object of options")
        return make_config(cls, options)


def make_config(config_class: type[Config], options: Mapping[str, Any]) -> Config:
    """A config with these options.

    Raises:
        ValueError: an option that this config does not have; what the config itself raises.
    """
    known = [field.name for field in fields(config_class)]
    for name in options:
        if name not in known:
            raise ValueError(
                f"{config_class.__name__} has no option {name!r}{nearest(name, known)}; it has {', '.join(known)}"
            )
    values: dict[str, Any] = {}
    for name, value in options.items():
        values[name] = tuple(value) if isinstance(value, list) else value  # JSON has no tuples
    return config_class(**values)


def check_name(config: HeadConfig, option: str, known: Iterable[str]) -> None:
    """Raise a ``ValueError`` that offers the nearest name, where an option is none of the known ones."""
    value, names = getattr(config, option), list(known)
    if value not in names:
        raise ValueError(
            f"{type(config).__name__}: {option} is {value!r}{nearest(value, names)}; expected one of "
            f"{', '.join(names)}"
        )


def nearest(name: object, known: Iterable[str]) -> str:
    """ ", did you mean …?" for an error message; empty where nothing is near."""
    close = get_close_matches(str(name), list(known), n=1, cutoff=0.4)
    return f", did you mean {close[0]!r}?" if close else ""
