"""Small trained models that come with the package: ``load_shipped("tiny-clip")``. No network, no extra."""

import difflib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from vlmlearn.hub.weights import fill
from vlmlearn.models.clip import CLIP, CLIPConfig
from vlmlearn.models.region_encoder import RegionEncoder, RegionEncoderConfig
from vlmlearn.models.siglip import SigLIP, SigLIPConfig
from vlmlearn.world.tokenizer import Tokenizer

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
LARGEST = 2_000_000  # bytes of a file: the package stays small
# By the card's "model": from the card's "config" to the model with random weights.
BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "tiny CLIP": lambda **config: CLIP(CLIPConfig.tiny(**config)),
    "tiny region encoder": lambda **config: RegionEncoder(RegionEncoderConfig(**config)),
    "tiny SigLIP": lambda **config: SigLIP(SigLIPConfig.tiny(**config)),
}


@dataclass(frozen=True)
class Shipped:
    """A trained model and where it comes from.

    Args:
        model: on the CPU, in float32, in evaluation mode.
        card: data, steps, seed, seconds, scores on both splits, the command that makes it again.
    """

    model: nn.Module
    card: dict[str, Any]


def load_shipped(name: str = "tiny-clip") -> Shipped:
    """A model of ``vlmlearn/weights``; the same name gives a new copy each time.

        clip = load_shipped("tiny-clip").model

    Raises:
        ValueError: an unknown name, a damaged file, a file of another version of the package.
    """
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        known = sorted(file.stem for file in WEIGHTS.glob("*.safetensors"))
        near = difflib.get_close_matches(name, known, n=1)
        raise ValueError(
            f"the package has no weights {name!r}, only {', '.join(known) or 'none'}"
            + (f": did you mean {near[0]!r}?" if near else "")
        )
    try:
        with safe_open(path, framework="pt") as file:
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
            card = json.loads((file.metadata() or {})["card"])
        build, config, words = BUILDERS[card["model"]], card["config"], card["words"]
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged or of another version ({type(error).__name__}: {error}): install the package again"
        ) from error
    if words != vocabulary_digest():
        raise ValueError(
            f"{name} was trained when the world had other words: train it again with {card.get('command')}"
        )
    with torch.random.fork_rng(
        devices=[]
    ):  # the first weights are overwritten: leave the reader's seed alone
        model = build(**config)
    fill(model, weights)
    return Shipped(model.eval(), card)


def save_shipped(name: str, model: nn.Module, card: Mapping[str, Any]) -> Path:
    """Write a model and its card: into one file, which appears at once or not at all, and the card beside it to read.

    Args:
        name: of the files.
        model: as ``BUILDERS[card["model"]](**card["config"])`` makes it, trained.
        card: what JSON can hold; "model", "config" and "command" at least. "words" and "bytes" are added.

    Raises:
        ValueError: a card without one of these, a model that it does not describe, NaN or infinity in the weights, a
            file above ``LARGEST``. Nothing is written then.
    """
    if missing := {"model", "config", "command"} - set(card):
        raise ValueError(f"the card lacks {', '.join(sorted(missing))}: nobody could load the weights")
    if card["model"] not in BUILDERS:
        raise ValueError(f"the card's model is {card['model']!r}, expected one of {', '.join(BUILDERS)}")
    weights = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    if bad := [key for key, value in weights.items() if not value.isfinite().all()]:
        raise ValueError(f"{bad[0]} holds NaN or infinity: the training went wrong")
    with torch.random.fork_rng(devices=[]):
        fill(BUILDERS[card["model"]](**card["config"]), weights)  # or its error: they do not fit
    card = {"name": name, **card, "words": vocabulary_digest()}
    data = save(weights, {"card": json.dumps(card, ensure_ascii=False)})
    if len(data) > LARGEST:
        raise ValueError(
            f"{name} would take {len(data):,} bytes, expected at most {LARGEST:,}: half precision?"
        )
    WEIGHTS.mkdir(exist_ok=True)
    path = WEIGHTS / f"{name}.safetensors"
    readable = json.dumps({**card, "bytes": len(data)}, indent=1, ensure_ascii=False) + "\n"
    _replace(path.with_suffix(".json"), readable.encode())
    _replace(path, data)
    return path


def vocabulary_digest() -> str:
    """What tells the world's words, and their order, from any others: 16 hexadecimal digits."""
    return hashlib.blake2b("\n".join(Tokenizer().words).encode(), digest_size=8).hexdigest()


def _replace(path: Path, data: bytes) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        new.write_bytes(data)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
