"""Tensors from safetensors files into a model: each one used, each parameter filled, or nothing happens."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vlmlearn.hub.files import INDEX, PICKLES, SINGLE, fetch_again, read_json

SHOWN = 10  # names in an error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint by name, from model.safetensors or from the parts that its index lists.

    Only safetensors are read: a pickle (.bin, .pt) runs whatever code its author put into it.

    Raises:
        FileNotFoundError: no such file, or a missing part. ValueError: a file that is cut off or damaged, or parts
            that are not what the index says.
    """
    if (folder / SINGLE).is_file():
        return _read(folder / SINGLE)
    if not (folder / INDEX).is_file():
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        instead = (
            f", only {', '.join(pickles)}, which are not opened: a pickle can run any code" if pickles else ""
        )
        raise FileNotFoundError(
            f"{folder} has no {SINGLE}{instead}. Choose a revision with safetensors (the Hub's converter offers "
            "them as refs/pr/…), or save the model again with upstream's save_pretrained"
        )
    places = read_json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(_is_part(part) for part in places.values()):
        raise ValueError(
            f"{folder / INDEX} does not say in which safetensors file of the folder each tensor is"
        )
    weights: dict[str, Tensor] = {}
    for part in sorted(set(places.values())):
        if not (folder / part).is_file():
            raise FileNotFoundError(f"{folder} has no {part}, which {INDEX} lists: fetch it too")
        found = _read(folder / part)
        expected = {name for name, place in places.items() if place == part}
        _check_names(f"{part} differs from {INDEX}", expected - set(found), set(found) - expected)
        weights |= found
    return weights


def fill(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy tensors into a model, to the model's own type (half precision becomes float32).

    Args:
        model: changed only if everything fits.
        weights: under the model's names.

    Raises:
        ValueError: tensors that are missing, left over, of another shape or of another kind of number.
    """
    own = model.state_dict()
    _check_names("the checkpoint does not fit the model", set(own) - set(weights), set(weights) - set(own))
    wrong = [
        f"{name} {tuple(weights[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if weights[name].shape != tensor.shape
    ]
    if wrong:
        raise ValueError(
            f"{_listed('tensors have another shape', wrong)}: is config.json that of this checkpoint?"
        )
    wrong = [
        f"{name} {weights[name].dtype}"
        for name, tensor in own.items()
        if weights[name].is_floating_point() != tensor.is_floating_point() or weights[name].element_size() < 2
    ]
    if wrong:
        raise ValueError(
            f"{_listed('tensors are quantised or no numbers', wrong)}: take full or half precision"
        )
    model.load_state_dict(weights)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is cut off or damaged ({error}): {fetch_again(path)}") from error


def _is_part(name: object) -> bool:
    """A file of the folder itself: an index must not lead elsewhere."""
    return isinstance(name, str) and name.endswith(".safetensors") and Path(name).name == name


def _check_names(what: str, missing: set[str], unused: set[str]) -> None:
    if missing or unused:
        lists = [("missing", missing), ("not used", unused)]
        raise ValueError(
            f"{what}: " + "; ".join(_listed(word, sorted(names)) for word, names in lists if names)
        )


def _listed(what: str, names: Iterable[str]) -> str:
    """How many, and the first of them."""
    names = list(names)
    return f"{len(names)} {what} ({', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''})"
