"""Pictures that are not square: cropped to their objects, and then kept in their own shape or squashed to a square."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vlmlearn.layers import PatchList, patch_list
from vlmlearn.losses import siglip_loss
from vlmlearn.metrics import recall_at_k
from vlmlearn.models.siglip2 import SigLIP2, SigLIP2Config
from vlmlearn.training.batches import shuffled_batches
from vlmlearn.training.loop import TrainConfig, fit
from vlmlearn.training.recipes.record import progress
from vlmlearn.world import Tokenizer, sample_scenes
from vlmlearn.world.captions import captions
from vlmlearn.world.render import render

WAYS = ("native", "square")
SCENES = 12_000
GALLERY = 1000
LONG = 1.5  # sides that differ by this factor are far from square
OBJECTS = (2, 3)  # one alone would be told by its place in the picture, which cropping takes away
VARIANTS = 4
BATCH = 96
STEPS = 400
PATCH = 8
LAYERS = 2
SIDE = 64
MARGIN = 2  # pixels left around the objects


@dataclass(frozen=True)
class Crops:
    """Pictures of many shapes, with their sentences.

    Args:
        pictures: (3, height, width) each, bytes; sides are multiples of ``PATCH``.
        ids: token ids of each picture's sentences.
    """

    pictures: list[Tensor]
    ids: Tensor

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Height and width of each in pixels."""
        return [(picture.shape[1], picture.shape[2]) for picture in self.pictures]


def settings() -> dict[str, Any]:
    """What the results should say of these trainings."""
    lists = patches_of("train", "native")
    return {
        "scenes": SCENES,
        "batch": BATCH,
        "steps": STEPS,
        "gallery": GALLERY,
        "long": LONG,
        "patches": {
            "native": round(lists.mask.sum(1).double().mean().item(), 1),
            "square": (SIDE // PATCH) ** 2,
        },
    }


def run(seeds: tuple[int, ...]) -> dict[str, Any]:
    """The scores of both ways, over seeds."""
    found: dict[str, Any] = {way: {} for way in WAYS}
    for way in WAYS:
        for seed in seeds:
            model, seconds = train(seed, STEPS, way)
            measured = {"seconds": seconds, **score(model, way)}
            for name, value in measured.items():
                found[way].setdefault(name, []).append(round(value, 3))
            progress(f"{way} seed {seed}: {measured}")
    return found


@cache
def crops(split: str) -> Crops:
    """Scenes of two or three objects, each cut to the smallest rectangle of whole patches that holds them."""
    encode = Tokenizer().encode
    scenes = sample_scenes(
        np.arange(SCENES if split == "train" else 2 * GALLERY), split=split, objects=OBJECTS
    )
    spoken = [captions(scenes, variant=k) for k in range(VARIANTS if split == "train" else 1)]
    kept = np.arange(len(scenes))
    if split != "train":  # distinct sentences, so that one picture is right
        kept = np.sort(np.unique(spoken[0], return_index=True)[1])[:GALLERY]
    drawn = render(scenes[kept], SIDE)
    pictures = [torch.from_numpy(cut(*pair)) for pair in zip(drawn.images, drawn.boxes, strict=True)]
    ids = torch.stack([encode([texts[k] for k in kept]) for texts in spoken], dim=1)
    return Crops(pictures, ids)


def cut(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The part of a picture (3, side, side) with its objects, in whole patches."""
    shown = boxes[boxes[:, 2] > 0]
    low = np.maximum(np.floor(shown[:, :2].min(0)) - MARGIN, 0).astype(int) // PATCH * PATCH
    high = np.minimum(-(-(np.ceil(shown[:, 2:].max(0)).astype(int) + MARGIN) // PATCH) * PATCH, SIDE)
    (left, top), (right, bottom) = low, high
    return np.ascontiguousarray(image[:, top:bottom, left:right])


def squashed(picture: Tensor) -> Tensor:
    """The same picture stretched to a square, whatever that does to its shapes."""
    wide = F.interpolate(picture[None].float(), (SIDE, SIDE), mode="bilinear", antialias=True)
    return wide[0].round().clamp(0, 255).byte()


@cache
def patches_of(split: str, way: str) -> PatchList:
    """All pictures of a split as lists of patches."""
    pictures = crops(split).pictures
    if way == "square":
        pictures = [squashed(picture) for picture in pictures]
    return patch_list(pictures, PATCH, (SIDE // PATCH) ** 2)


def train(seed: int, steps: int, way: str) -> tuple[SigLIP2, float]:
    """A small SigLIP 2, and the seconds it took."""
    torch.manual_seed(seed)
    model = SigLIP2(SigLIP2Config.tiny(len(Tokenizer()), patch=PATCH, layers=LAYERS))
    history = fit(model, batches(seed, way), loss, TrainConfig(steps), after_step=model.clamp_scale_)
    return model, history.seconds


def batches(seed: int, way: str) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Endless batches: patches, mask, sizes, and one random sentence each."""
    pick, ids = torch.Generator().manual_seed(seed), crops("train").ids
    for *pictures, texts in shuffled_batches(*patches_of("train", way), ids, batch_size=BATCH, seed=seed):
        said = texts[torch.arange(BATCH), torch.randint(texts.shape[1], (BATCH,), generator=pick)]
        yield (*pictures, said)  # type: ignore[misc]


def loss(model: SigLIP2, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    *pictures, ids = batch
    scale, bias = model.log_scale.exp(), model.logit_bias
    return siglip_loss(model.encode_image(PatchList(*pictures)), model.encode_text(ids), scale, bias)


@torch.no_grad()
def score(model: SigLIP2, way: str) -> dict[str, float]:
    """Recall@1 among ``GALLERY`` pictures of the split "test", prepared as in training, and of those that are far
    from square."""
    model.eval()
    images = model.encode_image(patches_of("test", way))
    texts = model.encode_text(crops("test").ids[:, 0])
    similarity = images @ texts.T
    recall = recall_at_k(similarity)
    long = torch.tensor([max(shape) >= LONG * min(shape) for shape in crops("test").shapes])
    hit = similarity.argmax(1) == torch.arange(len(similarity))
    return {
        "test_i2t": recall.image_to_text,
        "test_t2i": recall.text_to_image,
        "long_i2t": 100 * hit[long].double().mean().item(),
        "long_share": 100 * long.double().mean().item(),
    }
