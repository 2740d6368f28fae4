"""The world as torch data: a data set for loaders, and picture–sentence pairs held in memory."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from vlmlearn.world.backgrounds import photo_backgrounds
from vlmlearn.world.captions import captions
from vlmlearn.world.render import render
from vlmlearn.world.scenes import Scenes, sample_scenes
from vlmlearn.world.tokenizer import Tokenizer

_STEP = 2000  # scenes rendered between two updates of the progress bar


class SceneDataset(Dataset[dict[str, Tensor]]):
    """A map-style data set for ``torch.utils.data.DataLoader``; every item is computed when it is asked for.

    An item is a dict of tensors: ``image`` uint8 (3, side, side), ``ids`` int64 (context_length,), ``index`` int64 ().

    Args:
        size: number of scenes, from index 0 on.
        split, seed: see ``sample_scenes``.
        language: "en" or "zh".
        variant: which of a scene's sentences (see ``captions``).
        side: of the pictures in pixels.
        context_length: of the token ids.
        photos, photo_share: see ``caption_pairs``.
    """

    def __init__(
        self,
        size: int,
        *,
        split: str = "train",
        seed: int = 0,
        language: str = "en",
        variant: int = 0,
        side: int = 64,
        context_length: int = 32,
        photos: str | None = None,
        photo_share: float = 1.0,
    ):
        if size < 1:
            raise ValueError(f"size is {size}, expected at least one scene")
        self.size, self.split, self.seed, self.language = size, split, seed, language
        self.variant, self.side, self.context_length = variant, side, context_length
        self.photos, self.photo_share = photos, photo_share
        self.tokenizer = Tokenizer()
        self[0]  # wrong options are told now, not in a loader's worker

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One item; negative indices count from the end; an index out of range raises ``IndexError``."""
        if not -self.size <= index < self.size:
            raise IndexError(f"index {index} is outside a data set of {self.size}: use 0 to {self.size - 1}")
        return self.__getitems__([index % self.size])[0]

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        """Several at once, which a ``DataLoader`` prefers: rendering a batch together is faster."""
        scenes = sample_scenes(indices, seed=self.seed, split=self.split)
        images = torch.from_numpy(_images(scenes, self.side, self.photos, self.photo_share))
        texts = captions(scenes, self.language, variant=self.variant)
        ids = self.tokenizer.encode(texts, self.context_length)
        numbers = torch.tensor(indices)
        return [{"image": i, "ids": t, "index": n} for i, t, n in zip(images, ids, numbers, strict=True)]


@dataclass(frozen=True)
class CaptionPairs:
    """Pictures and their sentences, ready for training: row i of everything belongs to scene i.

    Args:
        scenes: what is in the pictures.
        images: raw pixels.
        ids: token ids of each scene's sentences.
        texts: the sentences themselves; ``texts[i][k]`` is variant k of scene i.
    """

    scenes: Scenes
    images: UInt8[Tensor, "pairs 3 side side"]
    ids: Int64[Tensor, "pairs variants length"]
    texts: list[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.images)


def caption_pairs(
    size: int,
    *,
    split: str = "train",
    seed: int = 0,
    language: str = "en",
    variants: int = 1,
    distinct: bool = False,
    side: int = 64,
    context_length: int = 32,
    photos: str | None = None,
    photo_share: float = 1.0,
) -> CaptionPairs:
    """Render the first ``size`` scenes of a split and say what they show.

    Args:
        size: number of pairs.
        split, seed: see ``sample_scenes``.
        language: "en" or "zh".
        variants: sentences per scene; they mention the objects in other orders.
        distinct: leave out scenes whose first sentence has come before, so that exactly one picture
            is right for each sentence (for Recall@K).
        side: of the pictures in pixels.
        context_length: of the token ids.
        photos: the group of photographs that the backgrounds come from (see ``photo_backgrounds``); the
            texture by default. Scenes and sentences stay the same.
        photo_share: what share of the scenes stands on photographs, from 0 to 1; which of them depends on the
            scene alone, and those of a smaller share are among those of a larger one.

    Raises:
        ValueError: size or variants below 1, a share outside 0 to 1 or without ``photos``, and whatever
            ``sample_scenes``, ``captions``, ``Tokenizer`` and ``photo_backgrounds`` raise.
    """
    if size < 1 or variants < 1:
        raise ValueError(f"size is {size}, variants {variants}: expected at least 1 of each")
    chosen = _first_distinct(size, split, seed, language) if distinct else np.arange(size)
    scenes = sample_scenes(chosen, seed=seed, split=split)
    spoken = [captions(scenes, language, variant=k) for k in range(variants)]
    tokenizer = Tokenizer()
    ids = torch.stack([tokenizer.encode(texts, context_length) for texts in spoken], dim=1)
    images = torch.empty(size, 3, side, side, dtype=torch.uint8)
    steps = range(0, size, _STEP)
    quiet = len(steps) <= 2 or bool(os.environ.get("TQDM_DISABLE"))  # which notebook bars do not read
    for start in tqdm(steps, desc="rendering", disable=quiet):
        part = slice(start, start + _STEP)
        images[part] = torch.from_numpy(_images(scenes[part], side, photos, photo_share))
    return CaptionPairs(scenes, images, ids, list(zip(*spoken, strict=True)))


def _images(scenes: Scenes, side: int, photos: str | None, photo_share: float) -> np.ndarray:
    """The scenes' pictures, on photographs where the options say so."""
    if photos is None:
        if photo_share != 1:
            raise ValueError(
                f"photo_share is {photo_share}, but photos is None: name a group, as photos='train'"
            )
        return render(scenes, side).images
    if not 0 <= photo_share <= 1:
        raise ValueError(f"photo_share is {photo_share}, expected a share of the scenes from 0 to 1")
    chosen = scenes.draws("photo background").uniform("share") < photo_share
    backgrounds = photo_backgrounds(scenes[chosen], photos, side)
    images = np.empty((len(scenes), 3, side, side), np.uint8)
    images[chosen] = render(scenes[chosen], side, backgrounds=backgrounds).images
    images[~chosen] = render(scenes[~chosen], side).images
    return images


def _first_distinct(size: int, split: str, seed: int, language: str) -> "np.ndarray | Sequence[int]":
    """Indices of the first scenes whose sentences all differ."""
    first: dict[str, int] = {}
    start = 0
    while len(first) < size:
        scenes = sample_scenes(np.arange(start, start + size), seed=seed, split=split)
        for index, text in zip(scenes.index.tolist(), captions(scenes, language), strict=True):
            first.setdefault(text, index)
        start += size
    return np.array(list(first.values())[:size])
