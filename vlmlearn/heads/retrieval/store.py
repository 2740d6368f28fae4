"""An index on disk: two files in a folder, of which readers see the old or the new state and nothing between.

``index.json`` names the file of vectors and holds its checksum. The vectors are written first, under a name of their
own; replacing ``index.json``, which is a single step, makes them the index.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float32
from safetensors.torch import load, save
from torch import Tensor

FORMAT = 1
TABLE = "index.json"
VECTORS = re.compile("vectors-[0-9a-f]{32}\\.safetensors")


@dataclass(frozen=True)
class Stored:
    """What a folder holds: vectors, one key each, and the fingerprint of the model that made them, if any."""

    vectors: Float32[Tensor, "size dim"]
    keys: list[str]
    model: str | None


def write(folder: Path, stored: Stored) -> None:
    """Write or replace an index. Interrupted at any point, it leaves the one that was there whole.

    Raises:
        ValueError: the folder's name is that of a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, expected the name of a folder, new or old")
    folder.mkdir(parents=True, exist_ok=True)
    data = save({"vectors": stored.vectors.contiguous()})
    name = f"vectors-{hashlib.blake2b(data, digest_size=16).hexdigest()}.safetensors"
    table = {"format": FORMAT, "vectors": name, "model": stored.model, "keys": stored.keys}
    before = _named(folder)
    _replace(folder / name, data)
    _replace(folder / TABLE, json.dumps(table, ensure_ascii=False).encode())
    if before not in (None, name):
        (folder / str(before)).unlink(missing_ok=True)


def read(folder: Path) -> Stored:
    """What ``write`` wrote.

    Raises:
        FileNotFoundError: no index in the folder.
        ValueError: a file that is missing, damaged, of another format, or of another index.
    """
    if not (folder / TABLE).is_file():
        raise FileNotFoundError(f"{folder} holds no {TABLE}: save an index there first")
    table = _table(folder)
    data_file = folder / table["vectors"]
    data = data_file.read_bytes() if data_file.is_file() else b""
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    if digest not in table["vectors"]:
        raise ValueError(
            f"{data_file} is {'damaged' if data else 'missing'}: build the index again and save it"
        )
    vectors = load(data)["vectors"]
    if vectors.ndim != 2 or len(vectors) != len(table["keys"]) or vectors.dtype != torch.float32:
        raise ValueError(
            f"{folder} holds {len(table['keys'])} keys and vectors of shape {tuple(vectors.shape)}: the files "
            "are of two indexes; build it again"
        )
    return Stored(vectors, table["keys"], table["model"])


def _table(folder: Path) -> dict[str, Any]:
    """The folder's table, once it is known to be one."""
    path = folder / TABLE
    try:
        table = json.loads(path.read_text("utf-8"))
        known = table["format"] == FORMAT
        whole = bool(VECTORS.fullmatch(table["vectors"])) and isinstance(table["model"], str | None)
        whole &= isinstance(table["keys"], list) and all(isinstance(key, str) for key in table["keys"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}): build the index again and save it") from None
    if not known:
        raise ValueError(f"{path} has format {table['format']!r}, expected {FORMAT}: build the index again")
    if not whole:
        raise ValueError(
            f"{path} is damaged (its fields are of other kinds): build the index again and save it"
        )
    found: dict[str, Any] = table
    return found


def _named(folder: Path) -> str | None:
    """The file of vectors that the folder's table names, where there is a readable one."""
    try:
        return str(_table(folder)["vectors"])
    except (OSError, ValueError):
        return None


def _replace(path: Path, data: bytes) -> None:
    """Write beside the file, force it to the disk, and only then put it in its place."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with open(new, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
