"""What the world knows of its pictures as targets for the heads of a ``RegionEncoder``, and the loss of each task."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Float32, Int64, Shaped, UInt8
from torch import Tensor

from vlmlearn.heads.vision.decoding import centre_cells, gaussian_heat_maps
from vlmlearn.heads.vision.reading import boxes_at, masks_at
from vlmlearn.layers.feature_pyramid import FINE_STRIDE, STRIDE
from vlmlearn.losses import (
    cross_entropy_loss,
    giou_loss,
    heatmap_focal_loss,
    laplace_depth_loss,
    mask_dice_loss,
    sigmoid_focal_loss,
)
from vlmlearn.models.region_encoder import CORNERS, Answers
from vlmlearn.world.labelled import Labelled
from vlmlearn.world.shapes import MAX_OBJECTS, SHAPES

UNKNOWN = -100  # a class that a loss leaves out
# By how much each loss counts: found by trying, so that no task is left behind.
WEIGHTS = {
    "shape": 1.5,
    "color": 0.7,
    "detection": 1.0,
    "instances": 1.0,
    "segmentation": 10.0,
    "depth": 0.5,
    "keypoints": 1.5,
}


class SceneTargets(NamedTuple):
    """Pictures and what is in them; the objects of all pictures stand in one list.

    Attributes:
        images: raw pixels.
        semantic: the class of every pixel, 0 the background.
        instances: whose pixel it is, slot + 1; 0 the background's.
        depth: metres; 0 where it is unknown.
        picture, slot: whose object it is.
        boxes: x0, y0, x1, y1 in pixels.
        shape, color: classes; ``UNKNOWN`` where the picture's words were dropped.
        keypoints: x, y in pixels of a triangle's corners; NaN for other shapes.
    """

    images: UInt8[Tensor, "batch 3 side side"]
    semantic: Int64[Tensor, "batch side side"]
    instances: UInt8[Tensor, "batch side side"]
    depth: Float32[Tensor, "batch side side"]
    picture: Int64[Tensor, " objects"]
    slot: Int64[Tensor, " objects"]
    boxes: Float32[Tensor, "objects 4"]
    shape: Int64[Tensor, " objects"]
    color: Int64[Tensor, " objects"]
    keypoints: Float32[Tensor, "objects corners 2"]

    def cells(self) -> Int64[Tensor, " objects"]:
        """The place of the pyramid's middle map that answers for each object: its box's centre."""
        side = self.images.shape[-1] // STRIDE
        return centre_cells(self.boxes, side, side, STRIDE)


def scene_targets(pictures: Labelled) -> SceneTargets:
    """The targets of labelled pictures; objects of which nothing is seen are left out."""
    picture, slot = np.nonzero(pictures.present & (pictures.visible > 0))
    color = np.full(len(picture), UNKNOWN)
    if pictures.scenes is not None:
        color = pictures.scenes.color[picture, slot]
    depth = pictures.depth
    if depth is None:
        depth = np.zeros(pictures.instances.shape, np.float32)
    arrays = {
        "images": pictures.images,
        "semantic": pictures.semantic.astype(np.int64),
        "instances": pictures.instances,
        "depth": depth,
        "picture": picture,
        "slot": slot,
        "boxes": pictures.boxes[picture, slot],
        "shape": pictures.shape[picture, slot],
        "color": color,
        "keypoints": pictures.keypoints[picture, slot],
    }
    return SceneTargets(**{name: torch.from_numpy(array) for name, array in arrays.items()})


def together(first: SceneTargets, second: SceneTargets) -> SceneTargets:
    """Two batches as one."""
    joined = {name: torch.cat([getattr(first, name), getattr(second, name)]) for name in SceneTargets._fields}
    joined["picture"] = torch.cat([first.picture, second.picture + len(first.images)])
    return SceneTargets(**joined)


def task_losses(
    answers: Answers, targets: SceneTargets, *, class_loss: Callable[..., Tensor] = heatmap_focal_loss
) -> dict[str, Float[Tensor, ""]]:
    """The loss of each task that was answered.

    Args:
        answers: of a ``RegionEncoder`` to ``targets.images``.
        targets: see ``scene_targets``; a batch without objects is fine.
        class_loss: (logits, heat maps) to a scalar, for the classes of "detection".
    """
    cells = targets.cells()
    losses: dict[str, Tensor] = {}
    heat = class_heat(targets) if {"detection", "instances"} & answers.keys() else None
    for task in ("shape", "color"):
        if task in answers:
            logits = answers[task]["logits"].flatten(2)[targets.picture, :, cells]
            losses[task] = cross_entropy_loss(logits, getattr(targets, task), ignore_index=UNKNOWN)
    if "detection" in answers:
        losses["detection"] = _detection(answers["detection"], targets, cells, heat, class_loss)
    if "instances" in answers:
        answer = answers["instances"]
        found = _detection(answer, targets, cells, heat, heatmap_focal_loss)
        losses["instances"] = 0.3 * found + 2 * _masks(answer, targets, cells)
    if "segmentation" in answers:
        losses["segmentation"] = cross_entropy_loss(answers["segmentation"]["logits"], targets.semantic)
    if "depth" in answers:
        depth, log_scale = answers["depth"]["depth"], answers["depth"]["log_scale"]
        losses["depth"] = laplace_depth_loss(depth[:, 0], log_scale[:, 0], targets.depth)
    if "keypoints" in answers:
        losses["keypoints"] = heatmap_focal_loss(answers["keypoints"]["logits"], corner_heat(targets))
    return losses


def joint_loss(answers: Answers, targets: SceneTargets) -> dict[str, Float[Tensor, ""]]:
    """The sum of all losses by ``WEIGHTS`` as "loss", and each by its name."""
    losses = task_losses(answers, targets)
    return {"loss": sum((WEIGHTS[task] * loss for task, loss in losses.items()), torch.zeros(())), **losses}


def class_heat(targets: SceneTargets) -> Float[Tensor, "batch places classes"]:
    """For every class and place of the middle map 1 at an object's centre, a bell around it."""
    batch, side = len(targets.images), targets.images.shape[-1] // STRIDE
    maps = targets.picture * len(SHAPES) + targets.shape  # the maps of all pictures in one go
    heat = gaussian_heat_maps(targets.boxes, maps, batch * len(SHAPES), side, side, STRIDE)
    return rearrange(heat, "(batch c) h w -> batch (h w) c", c=len(SHAPES))


def corner_heat(targets: SceneTargets) -> Float[Tensor, "batch corners rows columns"]:
    """For every corner of a triangle 1 at its place of the fine map, a bell one place wide around it.

    Corners outside the picture are left out.
    """
    batch, side = len(targets.images), targets.images.shape[-1] // FINE_STRIDE
    known = ~targets.keypoints.isnan().any(-1)
    cell = (targets.keypoints / FINE_STRIDE).floor()
    inside = known & (cell >= 0).all(-1) & (cell < side).all(-1)
    item, corner = inside.nonzero(as_tuple=True)
    column, row = cell[item, corner].unbind(-1)
    places = torch.arange(side, device=cell.device)
    across, down = (places - column[:, None]) ** 2, (places - row[:, None]) ** 2
    bells = torch.exp(-(down[:, :, None] + across[:, None]) / 2)
    heat = torch.zeros(batch * CORNERS, side, side, device=cell.device)
    maps = (targets.picture[item] * CORNERS + corner)[:, None, None]
    heat = heat.scatter_reduce(0, maps.expand(bells.shape), bells, "amax")
    return rearrange(heat, "(batch corner) h w -> batch corner h w", corner=CORNERS)


def _detection(
    answer: dict[str, Shaped[Tensor, "..."]],
    targets: SceneTargets,
    cells: Tensor,
    heat: Tensor | None,
    class_loss: Callable[..., Tensor],
) -> Tensor:
    """Classes everywhere, boxes at the objects' centres."""
    regressions = answer["regressions"]
    boxes = boxes_at(regressions, _by_slot(targets, cells), STRIDE)[targets.picture, targets.slot]
    return class_loss(answer["classifications"], heat) + 2 * giou_loss(boxes, targets.boxes)


def _masks(answer: dict[str, Shaped[Tensor, "..."]], targets: SceneTargets, cells: Tensor) -> Tensor:
    """Each object's pixels against all others of its picture."""
    logits = masks_at(answer, _by_slot(targets, cells), targets.images.shape[-1])
    logits = logits[targets.picture, targets.slot]
    own = (targets.instances[targets.picture] == (targets.slot + 1)[:, None, None]).float()
    cross_entropy = sigmoid_focal_loss(logits, own, alpha=None, gamma=0)
    return 10 * cross_entropy + mask_dice_loss(logits, own)


def _by_slot(targets: SceneTargets, cells: Tensor) -> Int64[Tensor, "batch slots"]:
    """The cells again, a row for each picture; 0 for slots without an object."""
    table = cells.new_zeros(len(targets.images), MAX_OBJECTS)
    return table.index_put((targets.picture, targets.slot), cells)
