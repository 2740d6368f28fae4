"""Chapter 10, vision task heads: six tasks on one encoder, and what the textbook says of them, measured.

The whole training has 900 steps; comparisons have 300, at equal batches, or fewer where a step costs more and costs are
to be equal. In bfloat16, which halves the time where the processor knows it. About 35 minutes on two cores.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vlmlearn.losses import heatmap_focal_loss, sigmoid_focal_loss, silog_loss
from vlmlearn.models.region_encoder import TASKS, RegionEncoder, RegionEncoderConfig
from vlmlearn.training.loop import History, TrainConfig, fit
from vlmlearn.training.recipes.record import progress
from vlmlearn.training.scene_scores import scene_scores
from vlmlearn.training.scene_tasks import SceneTargets, joint_loss, scene_targets, task_losses, together
from vlmlearn.world import Labelled, labelled_pictures, sample_scenes
from vlmlearn.world.augment import Augmentation, augment
from vlmlearn.world.recolor import ORDERS, admits_order

SOURCES = (
    "world",
    "heads.vision",
    "metrics",
    *(f"layers.{name}" for name in ("attention", "cbam", "differential", "feature_pyramid", "feed_forward")),
    *(f"layers.{name}" for name in ("gated", "image_towers", "norms", "transformer", "vit")),
    *(f"losses.{name}" for name in ("boxes", "dense", "focal", "laplace", "regression", "task_checks")),
    "models.region_encoder",
    *(f"training.{name}" for name in ("loop", "optimizers", "schedules", "scene_scores", "scene_tasks")),
    "training.recipes.chapter_10",
)
SEEDS = (0, 1, 2)
PICTURES = 24_000
BATCH = 32
STEPS = 900
SHORT = 300
EXAM, SHORT_EXAM = 1000, 500  # pictures that models are tested on
LEARNING_RATE, MATRIX_LEARNING_RATE = 3e-3, 0.06
PRECISION = "bfloat16"
SINGLES = (("shape", "color"), *((task,) for task in TASKS[2:]))
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    **{f"attention {kind}": {"attention_type": kind} for kind in ("multi_head", "cbam", "differential")},
    **{f"ffn {kind}": {"ffn_type": kind} for kind in ("mlp", "glu", "swiglu")},
    **{f"norm {kind}": {"normalization_type": f"{kind}_norm"} for kind in ("layer", "rms", "group")},
}
FOUND_BY = ("shape", "detection")  # the tasks on which options of heads are compared
SHARES = (0.0, 0.85, 1.0)  # of the mean error's square that the scale-invariant loss forgives
RESCALED = 2.0  # unknown cameras: each picture's depth is multiplied by a factor between 1/2 and 2

Loss = Callable[[RegionEncoder, Any], Any]


def run() -> dict[str, Any]:
    """Everything that ``vlmlearn/results/10.json`` holds."""
    whole = over_seeds(train, exam=EXAM, steps=STEPS)
    return {
        "settings": {
            "pictures": PICTURES,
            "batch": BATCH,
            "steps": STEPS,
            "short": SHORT,
            "exam": EXAM,
            "short_exam": SHORT_EXAM,
            "seeds": SEEDS,
            "train": asdict(train_config(STEPS)),
            "parameters": sum(weight.numel() for weight in RegionEncoder().parameters()),
        },
        "whole": whole,
        "mean_depth": mean_depth(),
        "channels": {how: over_seeds(train, steps=SHORT, how=how) for how in BATCHES},
        "admitted": admitted(),
        "focal": {name: over_seeds(found_by, class_loss=loss) for name, loss in CLASS_LOSSES.items()},
        "scale_invariance": {str(share): over_seeds(rescaled, share=share) for share in SHARES},
        "options": options(),
        "single": {tasks[0]: over_seeds(train, steps=SHORT, tasks=tasks) for tasks in SINGLES},
    }


@cache
def labelled(split: str = "train", count: int = PICTURES) -> Labelled:
    """Pictures with all their labels."""
    return labelled_pictures(sample_scenes(count, split=split))


def train_config(steps: int, precision: str = PRECISION) -> TrainConfig:
    """How this chapter trains."""
    return TrainConfig(
        steps,
        learning_rate=LEARNING_RATE,
        matrix_learning_rate=MATRIX_LEARNING_RATE,
        precision=precision,
    )


def plain(pictures: Labelled, seed: int) -> SceneTargets:
    """The pictures as they are."""
    return scene_targets(pictures)


def named(pictures: Labelled, seed: int) -> SceneTargets:
    """The second half with channels in another order, if every colour keeps a name and no never-seen pair comes up."""
    half = len(pictures) // 2
    first, second = pictures[slice(0, half)], pictures[slice(half, None)]
    return together(
        scene_targets(first), scene_targets(augment(second, Augmentation(channels=1.0), seed=seed))
    )


def free(pictures: Labelled, seed: int) -> SceneTargets:
    """The second half with channels in any order; its colours are not asked for."""
    half = len(pictures) // 2
    first, second = pictures[slice(0, half)], pictures[slice(half, None)].drop("words")
    return together(
        scene_targets(first), scene_targets(augment(second, Augmentation(channels=1.0), seed=seed))
    )


BATCHES = {"none": plain, "named": named, "free": free}


def scene_batches(
    pictures: Labelled, seed: int, how: str = "free", *, batch_size: int = BATCH
) -> Iterator[SceneTargets]:
    """Endless shuffled batches; ``how`` is a name in ``BATCHES``."""
    order = np.random.default_rng(seed)
    step = 0
    while True:
        rows = order.permutation(len(pictures))
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            yield BATCHES[how](pictures[rows[start : start + batch_size]], step)
            step += 1


def chapter_loss(model: RegionEncoder, batch: SceneTargets) -> dict[str, Tensor]:
    """The weighted sum of the losses of all the model's tasks."""
    return joint_loss(model(batch.images), batch)


def train(
    seed: int,
    steps: int,
    *,
    how: str = "free",
    loss: Loss = chapter_loss,
    precision: str = PRECISION,
    pictures: int = PICTURES,
    **config: Any,
) -> tuple[RegionEncoder, History]:
    """A new encoder, trained.

    Args:
        seed: of weights and batches.
        steps: of training.
        how: see ``BATCHES``.
        loss: (model, batch) to what ``fit`` takes.
        precision: see ``TrainConfig``.
        pictures: how many there are to learn from.
        config: options of ``RegionEncoderConfig``.
    """
    torch.manual_seed(seed)
    model = RegionEncoder(RegionEncoderConfig(**config))
    batches = scene_batches(labelled("train", pictures), seed, how)
    history = fit(model, batches, loss, train_config(steps, precision))
    return model, history


def over_seeds(
    make: Callable[..., tuple[RegionEncoder, History]], *, exam: int = SHORT_EXAM, **how: Any
) -> dict[str, Any]:
    """Scores on seen and never-seen pairs for every seed, in lists of the same order, and the means."""
    scores: dict[str, Any] = {}
    for seed in SEEDS:
        model, history = make(seed, **how)
        found = {"seconds": round(history.seconds, 1)}
        for split in ("test", "compositional"):
            prefix = "" if split == "test" else "new_"
            found |= {
                f"{prefix}{name}": value for name, value in scene_scores(model, labelled(split, exam)).items()
            }
        progress(f"seed {seed}: {found}")
        for name, value in found.items():
            scores.setdefault(name, []).append(value)
    return scores | {"mean": {name: round(statistics.mean(values), 2) for name, values in scores.items()}}


def centre_loss(gamma: float, alpha: float | None) -> Callable[[Tensor, Tensor], Tensor]:
    """Yes at the objects' centres, no everywhere else; nats per object."""

    def loss(logits: Tensor, heat: Tensor) -> Tensor:
        yes = (heat == 1).float()
        return sigmoid_focal_loss(logits, yes, alpha=alpha, gamma=gamma, reduction="sum") / yes.sum().clamp(
            min=1
        )

    return loss


CLASS_LOSSES = {
    "heat maps": heatmap_focal_loss,
    "focal": centre_loss(2.0, 0.25),
    "cross entropy": centre_loss(0.0, None),
}


def found_by(seed: int, class_loss: Callable[..., Tensor]) -> tuple[RegionEncoder, History]:
    """A detector alone, whose classes are trained with this loss."""

    def loss(model: RegionEncoder, batch: SceneTargets) -> Tensor:
        return task_losses(model(batch.images), batch, class_loss=class_loss)["detection"]

    return train(seed, SHORT, loss=loss, tasks=("detection",))


def rescaled(seed: int, share: float) -> tuple[RegionEncoder, History]:
    """Depth alone, from labels of which each picture's unit is unknown: only ratios within a picture are right."""
    units = torch.Generator().manual_seed(seed)

    def loss(model: RegionEncoder, batch: SceneTargets) -> Tensor:
        depth = model(batch.images)["depth"]["depth"][:, 0]
        factor = RESCALED ** (2 * torch.rand(len(depth), 1, 1, generator=units) - 1)
        pairs = zip(depth, batch.depth * factor, strict=True)
        return 3 * torch.stack([silog_loss(a, b, variance_focus=share) for a, b in pairs]).mean()

    return train(seed, SHORT, loss=loss, tasks=("depth",))


def mean_depth() -> float:
    """The mean relative error, in percent, of saying every test picture has the mean depth map."""
    depth = labelled("test", EXAM).depth
    assert depth is not None
    return round(float(100 * (np.abs(depth.mean(0) - depth) / depth).mean()), 2)


def admitted() -> float:
    """The percentage of training pictures that admit at least one other order of the channels."""
    scenes = labelled().scenes
    assert scenes is not None
    return round(100 * float(np.any([admits_order(scenes, order) for order in ORDERS], axis=0).mean()), 1)


def options() -> dict[str, Any]:
    """Each option of the heads for as many steps as cost what 300 steps of the plain heads do."""
    seconds = seconds_a_step()
    found = {}
    for name, config in OPTIONS.items():
        steps = round(SHORT * seconds["plain"] / seconds[name])
        progress(f"{name}: {steps} steps of {seconds[name]:.3f} s")
        scores = over_seeds(train, steps=steps, tasks=FOUND_BY, **config)
        found[name] = scores | {"steps": steps, "seconds_a_step": round(seconds[name], 4)}
    return found


def seconds_a_step(rounds: int = 3, steps: int = 12) -> dict[str, float]:
    """The median over rounds, in which all options take turns, so that a slow minute meets all of them."""
    found: dict[str, list[float]] = {name: [] for name in OPTIONS}
    for _ in range(rounds):
        for name, config in OPTIONS.items():
            start = time.perf_counter()
            train(0, steps, tasks=FOUND_BY, **config)
            found[name].append((time.perf_counter() - start) / steps)
    return {name: statistics.median(times) for name, times in found.items()}
