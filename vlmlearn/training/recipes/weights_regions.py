"""``python -m vlmlearn.training.recipes.weights_regions``: train the tiny region encoder that the package ships.

Chapter 10's training with twice the pictures and more steps. Later chapters freeze it and read its regions; the card
stands beside the weights.
"""

import sys
from dataclasses import asdict
from datetime import date
from typing import Any

import torch

from vlmlearn.hub.shipped import load_shipped, save_shipped
from vlmlearn.models.region_encoder import RegionEncoder
from vlmlearn.training.recipes import chapter_10
from vlmlearn.training.recipes.record import machine, progress, recipe_hash
from vlmlearn.training.scene_scores import scene_scores

SOURCES = (*chapter_10.SOURCES, "training.recipes.weights_regions")
NAME = "tiny-regions"
PICTURES = 48_000
STEPS = 2400
SEED = 0
THREADS = 2
LARGEST = 1_500_000  # bytes
# Below any of these, and with "new_" on pairs of shape and colour never seen in training, nothing is written.
TARGETS = {"ap50": 96.0, "class": 98.0, "new_ap50": 95.0, "new_class": 85.0}


def main() -> None:
    torch.set_num_threads(THREADS)
    progress(f"{STEPS} steps on {PICTURES} pictures")
    model, history = chapter_10.train(SEED, STEPS, pictures=PICTURES)
    found = exams(model)
    progress(str(found))
    if low := {name: found[name] for name, target in TARGETS.items() if found[name] < target}:
        sys.exit(f"{low}, expected {TARGETS}: nothing is written")
    if (size := sum(value.nbytes for value in model.state_dict().values())) > LARGEST:
        sys.exit(f"the weights take {size:,} bytes, expected at most {LARGEST:,}: nothing is written")
    path = save_shipped(NAME, model, card(history.seconds, found))
    loaded = load_shipped(NAME).model
    assert isinstance(loaded, RegionEncoder)
    if (again := exams(loaded)) != found:
        sys.exit(f"{path} gives {again}, the model before it was saved {found}")
    print(f"wrote {path}")


def exams(model: RegionEncoder) -> dict[str, float]:
    """The scores on unseen pictures of pairs that training showed, and with "new_" of those it never did."""
    found = scene_scores(model, chapter_10.labelled("test", chapter_10.EXAM))
    new = scene_scores(model, chapter_10.labelled("compositional", chapter_10.EXAM))
    return found | {f"new_{name}": value for name, value in new.items()}


def card(seconds: float, found: dict[str, float]) -> dict[str, Any]:
    """Everything needed to trust the weights or to make them again."""
    return {
        "model": "tiny region encoder",
        "config": {},
        "command": "python -m vlmlearn.training.recipes.weights_regions",
        "license": "MIT",
        "data": {
            "pictures": PICTURES,
            "split": "train",
            "photographs": False,
            "channels": "half of every batch has red, green and blue in another order and no names of colours: "
            "pixels of pairs that the split never shows were seen, but never together with their colour's name",
        },
        "steps": STEPS,
        "batch": chapter_10.BATCH,
        "seed": SEED,
        "seconds": round(seconds),
        "train": asdict(chapter_10.train_config(STEPS)),
        "scores": {"pictures": chapter_10.EXAM, **found},
        "not_for": "real photographs: it has seen nothing but the embedded world",
        "machine": machine(),
        "date": date.today().isoformat(),
        "source_hash": recipe_hash(sys.modules[__name__]),
    }


if __name__ == "__main__":
    main()
