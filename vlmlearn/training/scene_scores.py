"""How well a ``RegionEncoder`` answers on labelled pictures: one score for each task."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vlmlearn.heads.vision.decoding import soft_argmax
from vlmlearn.heads.vision.reading import boxes_at, masks_at, peaks_of
from vlmlearn.layers.feature_pyramid import FINE_STRIDE, STRIDE
from vlmlearn.metrics import (
    Annotations,
    Detections,
    box_average_precision,
    confusion_matrix,
    correct_keypoints,
    depth_errors,
    mask_average_precision,
    mean_iou,
)
from vlmlearn.models.region_encoder import Answers, RegionEncoder
from vlmlearn.training.scene_tasks import SceneTargets, scene_targets
from vlmlearn.world.labelled import Labelled
from vlmlearn.world.shapes import SHAPES

BATCH = 100
RANKED = 20_000  # pixels whose confidence is ranked against their error


@torch.no_grad()
def scene_scores(model: RegionEncoder, pictures: Labelled) -> dict[str, float]:
    """Percentages of each task that the model has a head for.

    Returns:
        ``shape``, ``color`` and ``class`` (both right, of 48), asked at the true centres; ``ap50`` and ``ap`` of boxes;
        ``mask_ap50`` and ``mask_ap``; ``miou`` of 7 classes; ``abs_rel``, the mean relative error of depth, and
        ``confidence``, the rank correlation (−1 to 1) of the depth's confidence with how small the error is; ``pck``:
        corners of triangles within 0.2 of the triangle's radius, looked for inside the boxes found (``pck_given_box``:
        the true ones). The radius is about half of the box's side, which PCK usually goes by: this is the stricter.
    """
    kept: dict[str, list[Any]] = {}
    confusion = torch.zeros(len(SHAPES) + 1, len(SHAPES) + 1, dtype=torch.int64)
    for start in range(0, len(pictures), BATCH):
        part = pictures[slice(start, start + BATCH)]
        targets = scene_targets(part)
        answers = model(targets.images)
        found = _read(answers, targets, part)
        if "segmentation" in answers:
            said = answers["segmentation"]["logits"].argmax(1)
            confusion += confusion_matrix(said, targets.semantic, len(confusion))
        for name, value in found.items():
            kept.setdefault(name, []).append(value)
    return {name: round(value, 3) for name, value in _summary(kept, confusion, set(model.heads)).items()}


def _summary(kept: dict[str, list[Any]], confusion: Tensor, tasks: set[str]) -> dict[str, float]:
    scores: dict[str, float] = {}
    right: dict[str, Tensor] = {name: torch.cat(kept[name]) for name in sorted(tasks & {"shape", "color"})}
    if len(right) == 2:
        right["class"] = right["shape"] & right["color"]
    for name, values in right.items():
        scores[name] = 100 * values.double().mean().item()
    things = [item for part in kept["annotations"] for item in part]
    for name, head, measure in (
        ("ap", "detection", box_average_precision),
        ("mask_ap", "instances", mask_average_precision),
    ):
        if head in tasks:
            result = measure([item for part in kept[head] for item in part], things, len(SHAPES))
            scores[f"{name}50"], scores[name] = 100 * (result.ap50 or 0), 100 * (result.ap or 0)
    if "segmentation" in tasks:
        scores["miou"] = 100 * mean_iou(confusion).mean
    if "depth" in tasks:
        depth, confidence, true = (torch.cat([part[k] for part in kept["depth"]]) for k in range(3))
        scores["abs_rel"] = 100 * depth_errors(depth, true).abs_rel
        every = max(1, depth.numel() // RANKED)
        error = ((depth - true).abs() / true).flatten()[::every]
        scores["confidence"] = -rank_correlation(confidence.flatten()[::every], error)
    for name in kept.keys() & {"pck", "pck_given_box"}:
        said, true, radius = (torch.cat([part[k] for part in kept[name]]) for k in range(3))
        scores[name] = 100 * (correct_keypoints(said, true, radius, alpha=0.2).share or 0)
    return scores


def _read(answers: Answers, targets: SceneTargets, pictures: Labelled) -> dict[str, Any]:
    cells, picture = targets.cells(), targets.picture
    found: dict[str, Any] = {"annotations": annotations(targets)}
    for task in ("shape", "color"):
        if task in answers:
            said = answers[task]["logits"].flatten(2)[picture, :, cells].argmax(1)
            found[task] = said == getattr(targets, task)
    for task in ("detection", "instances"):
        if task in answers:
            found[task] = detections(answers[task], targets.images.shape[-1])
    if "depth" in answers:
        answer = answers["depth"]
        found["depth"] = answer["depth"][:, 0], answer["confidence"][:, 0], targets.depth
    if "keypoints" in answers and pictures.scenes is not None:
        triangles = ~targets.keypoints.isnan().any(-1).any(-1)
        of, boxes = picture[triangles], targets.boxes[triangles]
        heat = answers["keypoints"]["logits"][of]
        radius = torch.from_numpy(pictures.scenes.radius * targets.images.shape[-1])[
            of, targets.slot[triangles]
        ]
        true = targets.keypoints[triangles]
        found["pck_given_box"] = corners_in(heat, boxes), true, radius
        if "detection" in answers:
            found["pck"] = corners_in(heat, nearest_boxes(found["detection"], of, boxes)), true, radius
    return found


def annotations(targets: SceneTargets) -> list[Annotations]:
    """What is in each picture."""
    every = []
    for picture in range(len(targets.images)):
        mine = targets.picture == picture
        masks = targets.instances[picture][None] == (targets.slot[mine] + 1)[:, None, None]
        every.append(Annotations(labels=targets.shape[mine], boxes=targets.boxes[mine], masks=masks))
    return every


def detections(answer: dict[str, Tensor], side: int, k: int = 10) -> list[Detections]:
    """The k highest peaks of a detector's classes in each picture, with boxes, and masks if it makes them."""
    peaks = peaks_of(answer["classifications"], k)
    boxes = boxes_at(answer["regressions"], peaks.cells, STRIDE).clamp(0, side)
    masks = masks_at(answer, peaks.cells, side) > 0 if "prototypes" in answer else None
    return [
        Detections(
            scores=peaks.scores[row],
            labels=peaks.classes[row],
            boxes=boxes[row],
            masks=None if masks is None else masks[row],
        )
        for row in range(len(boxes))
    ]


def nearest_boxes(
    found: list[Detections], picture: Tensor, boxes: Float[Tensor, "objects 4"], least: float = 0.05
) -> Float[Tensor, "objects 4"]:
    """For each object the box, of those found with a score of ``least``, whose middle is nearest to its own."""
    chosen = []
    for at, box in zip(picture.tolist(), boxes, strict=True):
        others = found[at].boxes
        assert others is not None
        distance = (_middle(others) - _middle(box)).norm(dim=-1)
        chosen.append(others[(distance + 1000 * (found[at].scores < least)).argmin()])
    return torch.stack(chosen) if chosen else boxes


def corners_in(
    logits: Float[Tensor, "objects corners rows columns"], boxes: Float[Tensor, "objects 4"]
) -> Float[Tensor, "objects corners 2"]:
    """Where in its box each corner is, x and y in pixels: the highest place, refined by its neighbours' weights.

    The box may be one place too small on every side.
    """
    inside = _inside(boxes / FINE_STRIDE, logits.shape[-1])[:, None]
    highest = logits.masked_fill(~inside, -torch.inf).flatten(2).argmax(2)
    row, column = highest // logits.shape[-1], highest % logits.shape[-1]
    places = torch.arange(logits.shape[-1])
    near = ((places - row[..., None]).abs() <= 1)[..., :, None] & ((places - column[..., None]).abs() <= 1)[
        ..., None, :
    ]
    return FINE_STRIDE * soft_argmax(logits.masked_fill(~near, -1e4))


def rank_correlation(first: Float[Tensor, " n"], second: Float[Tensor, " n"]) -> float:
    """Spearman's: −1 to 1; equal values get the ranks in which they happen to stand."""
    ranks = [values.argsort().argsort().double() for values in (first, second)]
    return torch.corrcoef(torch.stack(ranks))[0, 1].item()


def _inside(boxes: Float[Tensor, "objects 4"], side: int) -> Bool[Tensor, "objects side side"]:
    places = torch.arange(side) + 0.5
    x0, y0, x1, y1 = boxes[:, :, None].unbind(1)
    columns, rows = (places > x0 - 1) & (places < x1 + 1), (places > y0 - 1) & (places < y1 + 1)
    return rows[:, :, None] & columns[:, None]


def _middle(boxes: Float[Tensor, "*boxes 4"]) -> Float[Tensor, "*boxes 2"]:
    return (boxes[..., :2] + boxes[..., 2:]) / 2
