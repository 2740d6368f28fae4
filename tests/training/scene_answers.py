"""What heads could say of labelled pictures: the truth, or a guess that knows nothing of them."""

import torch
from torch import Tensor

from vlmlearn.training.scene_tasks import SceneTargets

SURE = 12.0  # logits
SIDE, PLACES = 64, 256
Answers = dict[str, dict[str, Tensor]]


def answers_of(targets: SceneTargets, seed: int = 0) -> Answers:
    """A guess: small random numbers, or the same everywhere."""
    batch, draw = len(targets.images), torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, generator=draw)

    boxes = {"classifications": some(PLACES, 6) - 3, "regressions": some(PLACES, 4)}
    scale = 0.1 * some(1, SIDE, SIDE)
    return {
        "shape": {"logits": some(6, 16, 16)},
        "color": {"logits": some(8, 16, 16)},
        "detection": boxes,
        "instances": boxes | {"coefficients": some(PLACES, 4), "prototypes": some(4, SIDE, SIDE)},
        "segmentation": {"logits": some(7, SIDE, SIDE)},
        "depth": {"depth": torch.full_like(scale, 5), "log_scale": scale, "confidence": 0.5 - scale},
        "keypoints": {"logits": some(3, SIDE // 2, SIDE // 2) - 3},
    }


def perfect_answers(targets: SceneTargets) -> Answers:
    """The truth, as sure as logits of 12 are; depth is off by up to 2%, the less the surer."""
    batch, cells, picture = len(targets.images), targets.cells(), targets.picture
    classifications = torch.full((batch, PLACES, 6), -SURE)
    classifications[picture, cells, targets.shape] = SURE
    regressions = torch.zeros(batch, PLACES, 4)
    middle = torch.stack([cells % 16 + 0.5, cells // 16 + 0.5], 1)
    corners = targets.boxes / 4
    reach = torch.cat([middle - corners[:, :2], corners[:, 2:] - middle], 1)
    regressions[picture, cells] = torch.log(torch.expm1(reach))  # the inverse of softplus
    coefficients = torch.zeros(batch, PLACES, 4)
    coefficients[picture, cells, targets.slot] = 1
    slots = torch.arange(4)[:, None, None] + 1
    prototypes = SURE * (2 * (targets.instances[:, None] == slots).float() - 1)
    off = torch.linspace(-0.02, 0.02, SIDE * SIDE).view(1, 1, SIDE, SIDE)
    return {
        "shape": {"logits": _maps(targets, targets.shape, 6)},
        "color": {"logits": _maps(targets, targets.color, 8)},
        "detection": {"classifications": classifications, "regressions": regressions},
        "instances": {
            "classifications": classifications,
            "regressions": regressions,
            "coefficients": coefficients,
            "prototypes": prototypes,
        },
        "segmentation": {
            "logits": SURE * torch.nn.functional.one_hot(targets.semantic, 7).movedim(3, 1).float()
        },
        "depth": {
            "depth": targets.depth[:, None] * (1 + off),
            "log_scale": torch.full((batch, 1, SIDE, SIDE), -4.0),
            "confidence": (1 - off.abs()).expand(batch, 1, SIDE, SIDE),
        },
        "keypoints": {"logits": _corners(targets)},
    }


def _maps(targets: SceneTargets, classes: Tensor, count: int) -> Tensor:
    """Each object's class at its place, nothing anywhere else."""
    logits = torch.zeros(len(targets.images), PLACES, count)
    logits[targets.picture, targets.cells(), classes] = SURE
    return logits.transpose(1, 2).unflatten(2, (16, 16))


def _corners(targets: SceneTargets) -> Tensor:
    """A hill at every corner, as steep as its place is certain to half a pixel."""
    places = 2 * (torch.arange(SIDE // 2) + 0.5)
    logits = torch.full((len(targets.images), 3, SIDE // 2, SIDE // 2), -SURE)
    for picture, points in zip(targets.picture, targets.keypoints, strict=True):
        for corner, (x, y) in enumerate(points):
            if not x.isnan():
                hill = SURE - 2 * ((places - x) ** 2 + (places[:, None] - y) ** 2)
                logits[picture, corner] = torch.maximum(logits[picture, corner], hill.clamp(min=-SURE))
    return logits
