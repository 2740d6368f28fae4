"""Chapter 00b, attention: a word asks for a place in the picture, with and without what makes attention work.

The models see the same pictures and questions in the same order and train for as many steps.
"""

from dataclasses import asdict
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vlmlearn.models.place_reader import PlaceReader
from vlmlearn.training.batches import shuffled_batches
from vlmlearn.training.loop import History, TrainConfig, fit
from vlmlearn.training.recipes.ledger import ledger_line
from vlmlearn.training.recipes.record import progress
from vlmlearn.world import COLORS, Scenes, sample_scenes
from vlmlearn.world.relations import cells
from vlmlearn.world.render import render

_WORLD = "labels random relations render scenes shapes"
_LAYERS = "attention feed_forward masks patches transformer"
SOURCES = (
    *(f"world.{name}" for name in _WORLD.split()),
    *(f"layers.{name}" for name in _LAYERS.split()),
    "models.place_reader",
    *(f"training.{name}" for name in ("batches", "loop", "optimizers", "schedules", "recipes.chapter_00b")),
)
SEEDS = (0, 1, 2)
SCENES = 12_000
BATCH = 64
STEPS = 450
EXAM = 2000
VARIANTS: dict[str, dict[str, Any]] = {
    "attention": {},
    "no_positions": {"positions": False},
    "mean": {"mixing": "mean"},
    "none": {"mixing": "none"},
}


class Questions(NamedTuple):
    """Pictures, and for each a place with exactly one object and that object's colour."""

    scenes: Scenes
    images: Tensor
    places: Tensor
    colors: Tensor


def run() -> dict[str, Any]:
    """Everything that ``vlmlearn/results/00b.json`` holds."""
    found = {name: _over_seeds(**options) for name, options in VARIANTS.items()}
    bits = float(np.log2(len(COLORS)))
    carried = [bits - loss / np.log(2) for loss in found["attention"]["exam_loss"]]
    return {
        "settings": {"scenes": SCENES, "batch": BATCH, "steps": STEPS, "exam": EXAM, "seeds": SEEDS}
        | {"train": asdict(TrainConfig(STEPS))},
        **found,
        "ledger": ledger_line(told="color_asked", bits=bits, language=0.0, ceiling=bits, carried=carried),
    }


@cache
def place_questions(split: str, size: int = EXAM) -> Questions:
    """The first scenes of a split with two to four objects, one of which is alone in its ninth of the picture."""
    scenes = sample_scenes(size + size // 10, split=split, objects=(2, 4))
    place = cells(scenes)
    together = (place[:, :, None] == place[:, None, :]) & scenes.present[:, None, :]
    alone = (together.sum(2) == 1) & scenes.present
    order = scenes.draws("asked place").bits("object", alone.shape[1:])
    chosen = np.where(alone, order, 0).argmax(1)
    rows = np.flatnonzero(alone.any(1))[:size]
    chosen = chosen[rows]
    answers = (place[rows, chosen], scenes.color[rows, chosen])
    images = render(scenes[rows]).images
    return Questions(scenes[rows], *map(torch.from_numpy, (images, *answers)))


def train_reader(seed: int, *, steps: int = STEPS, **options: Any) -> tuple[PlaceReader, History]:
    """Train a ``PlaceReader(**options)`` on ``SCENES`` questions."""
    torch.manual_seed(seed)
    model = PlaceReader(**options)
    _, *data = place_questions("train", SCENES)
    return model, fit(
        model, shuffled_batches(*data, batch_size=BATCH, seed=seed), color_loss, TrainConfig(steps)
    )


def color_loss(model: PlaceReader, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Cross entropy of the colour asked for."""
    images, places, colors = batch
    return F.cross_entropy(model(images, places), colors)


@torch.no_grad()
def answers(model: PlaceReader, questions: Questions) -> Tensor:
    """(questions, colours) logits."""
    parts = zip(questions.images.split(500), questions.places.split(500), strict=True)
    return torch.cat([model(images, places) for images, places in parts])


def accuracy(logits: Tensor, colors: Tensor) -> float:
    """Percentage of questions whose right answer is the most probable one."""
    return 100 * (logits.argmax(-1) == colors).double().mean().item()


def _over_seeds(**options: Any) -> dict[str, list[float]]:
    """Scores for every seed, in lists of the same order."""
    scores: dict[str, list[float]] = {}
    questions = place_questions("test")
    for seed in SEEDS:
        model, history = train_reader(seed, **options)
        logits = answers(model, questions)
        found = {
            "seconds": history.seconds,
            "accuracy": accuracy(logits, questions.colors),
            "exam_loss": F.cross_entropy(logits, questions.colors).item(),
        }
        for name, value in found.items():
            scores.setdefault(name, []).append(round(value, 3))
        progress(f"{options} seed {seed}: {found}")
    return scores
