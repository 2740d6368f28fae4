"""Chapter 10, depth whose unit nobody knows: how good its ratios are, after training with chapter 10's three losses.

Trains the nine models of chapter 10's "scale_invariance" once more and asks them for more: a model that was forgiven
the unit cannot be asked for metres, only for what is left once each picture's depth is scaled to fit. Four minutes.
"""

import statistics
from typing import Any

import torch
from torch import Tensor

from vlmlearn.metrics import depth_errors
from vlmlearn.models.region_encoder import RegionEncoder
from vlmlearn.training.recipes import chapter_10
from vlmlearn.training.recipes.record import progress
from vlmlearn.training.scene_tasks import scene_targets

SOURCES = (*chapter_10.SOURCES, "training.recipes.chapter_10_units")


def run() -> dict[str, Any]:
    """Everything that ``vlmlearn/results/10_units.json`` holds."""
    found: dict[str, Any] = {}
    for share in chapter_10.SHARES:
        runs = [errors(chapter_10.rescaled(seed, share)[0]) for seed in chapter_10.SEEDS]
        progress(f"{share}: {runs}")
        scores = {name: [one[name] for one in runs] for name in runs[0]}
        means = {name: round(statistics.mean(values), 2) for name, values in scores.items()}
        found[str(share)] = scores | {"mean": means}
    settings = {"exam": chapter_10.SHORT_EXAM, "seeds": chapter_10.SEEDS, "factor": chapter_10.RESCALED}
    return {"settings": settings, "scale_invariance": found}


@torch.no_grad()
def errors(model: RegionEncoder) -> dict[str, float]:
    """Mean relative errors of depth in percent on unseen pictures: as it is in metres, and once it is fitted."""
    targets = scene_targets(chapter_10.labelled("test", chapter_10.SHORT_EXAM))
    depth = model(targets.images)["depth"]["depth"][:, 0]
    said = {"metres": depth, "fitted": fitted(depth, targets.depth)}
    found = {name: depth_errors(values, targets.depth).abs_rel for name, values in said.items()}
    return {name: round(100 * (error or 0.0), 3) for name, error in found.items()}


def fitted(depth: Tensor, true: Tensor) -> Tensor:
    """Each picture's depth times the factor that makes its median the true one (Zhou et al. 2017)."""
    factor = true.flatten(1).median(1).values / depth.flatten(1).median(1).values
    return depth * factor[:, None, None]
