"""From pictures and texts to vectors of length one, whatever the dual encoder; and which encoder it was."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor, nn
from tqdm.auto import tqdm

Images = UInt8[Tensor, "batch 3 height width"] | Float[Tensor, "batch 3 height width"]
BATCH = 256  # pictures or texts encoded at a time


@runtime_checkable
class DualEncoder(Protocol):
    """What these heads ask of a model: two towers that end in one space."""

    def encode_image(self, images: Tensor, /) -> Tensor: ...

    def encode_text(self, ids: Tensor, /) -> Tensor: ...


def encode_images(model: DualEncoder, images: Images) -> Float32[Tensor, "batch dim"]:
    """Image vectors of length one, without gradient and with the model in evaluation mode meanwhile.

    Raises:
        ValueError: no pictures, features that are NaN, infinite or zero vectors.
    """
    return _encode(model, model.encode_image, images, "images")


def encode_texts(model: DualEncoder, ids: Int64[Tensor, "batch length"]) -> Float32[Tensor, "batch dim"]:
    """Text vectors of length one; as ``encode_images``, and raises the same."""
    return _encode(model, model.encode_text, ids, "texts")


def unit(features: Float[Tensor, "*batch dim"], name: str) -> Float32[Tensor, "*batch dim"]:
    """Features in float32 and of length one, on the CPU.

    Raises:
        ValueError: NaN or infinity, or a zero vector, which points nowhere.
    """
    features = features.detach().cpu().double()
    if not features.isfinite().all():
        raise ValueError(f"{name} contain NaN or infinity: look at the model's last layer")
    # By the largest entry first: squares of very small or very large numbers leave the range of floats.
    largest = features.abs().amax(-1, keepdim=True)
    if not (largest > 0).all():
        raise ValueError(f"{name} hold {int((largest == 0).sum())} zero vectors, which point nowhere")
    features = features / largest
    return (features / features.norm(dim=-1, keepdim=True)).float()


def fingerprint(model: DualEncoder) -> str:
    """What tells models apart: a hash of the class, the config and every weight, as 32 hexadecimal digits.

    Two copies of a model agree on any device; one more training step, or another precision, does not.
    """
    config = getattr(model, "config", None)
    digest = hashlib.blake2b(type(model).__name__.encode(), digest_size=16)
    digest.update(repr(config).encode() if is_dataclass(config) else b"")
    for name, weight in model.state_dict().items() if isinstance(model, nn.Module) else ():
        weight = weight.detach().cpu().contiguous()
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _encode(
    model: DualEncoder, tower: Callable[[Tensor], Tensor], inputs: Tensor, name: str
) -> Float32[Tensor, "batch dim"]:
    if not len(inputs):
        raise ValueError(f"there are no {name} to encode: their shape is {tuple(inputs.shape)}")
    device = next(model.parameters()).device if isinstance(model, nn.Module) else inputs.device
    batches = inputs.split(BATCH)
    if len(batches) > 8:
        batches = tqdm(batches, desc=name)
    with _evaluating(model), torch.no_grad():
        features = [tower(batch.to(device)).float().cpu() for batch in batches]
    return unit(torch.cat(features), f"the features of the {name}")


@contextmanager
def _evaluating(model: DualEncoder) -> Iterator[None]:
    """Dropout and batch statistics off for a while; each module then goes back to the mode it was in."""
    training = [m for m in model.modules() if m.training] if isinstance(model, nn.Module) else []
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
