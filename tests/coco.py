"""pycocotools on our detections and annotations, and pictures made up to be difficult for a score of them."""

import contextlib
import io

import numpy as np
import torch
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vlmlearn.metrics import Annotations, Detections
from vlmlearn.metrics.detection import COCO_AREAS
from vlmlearn.metrics.keypoints import COCO_SIGMAS

KINDS = {"boxes": "bbox", "masks": "segm", "keypoints": "keypoints"}


def coco_evaluation(
    detections,
    annotations,
    num_classes,
    kind,
    max_detections=100,
    area_ranges=COCO_AREAS,
    sigmas=COCO_SIGMAS,
):
    """pycocotools' evaluation, ready to ``evaluate()``; class c has the id c + 1."""
    truth = []
    for image, objects in enumerate(annotations):
        for at, label in enumerate(objects.labels.tolist()):
            entry = _entry(objects, image, at, label, kind)
            crowd = objects.crowd is not None and bool(objects.crowd[at])
            area = entry["area"] if objects.areas is None else objects.areas[at].item()
            truth.append({**entry, "id": len(truth) + 1, "iscrowd": int(crowd), "area": area})
    found = [
        {**_entry(part, image, at, label, kind), "score": part.scores[at].item()}
        for image, part in enumerate(detections)
        for at, label in enumerate(part.labels.tolist())
    ]
    for entry in found:
        del entry["area"]  # pycocotools finds it
    with contextlib.redirect_stdout(io.StringIO()):
        coco = _coco(truth, len(annotations), num_classes)
        results = coco.loadRes(found) if found else _coco([], len(annotations), num_classes)
        evaluation = COCOeval(coco, results, KINDS[kind])
    evaluation.params.maxDets = [max_detections]
    evaluation.params.areaRng = [[0, 1e10], *(list(area) for area in area_ranges.values())]
    evaluation.params.areaRngLbl = ["all", *area_ranges]
    evaluation.params.kpt_oks_sigmas = np.array(sigmas)
    return evaluation


def coco_scores(*arguments, area_ranges=COCO_AREAS, **settings):
    """What ``AveragePrecision`` holds, as pycocotools computes it; None for its -1."""
    evaluation = coco_evaluation(*arguments, area_ranges=area_ranges, **settings)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"][..., 0], evaluation.eval["recall"][..., 0]
    return {
        "ap": _mean(precision[..., 0]),
        "ap50": _mean(precision[0, ..., 0]),
        "ap75": _mean(precision[5, ..., 0]),
        "recall": _mean(recall[..., 0]),
        "by_area": {name: _mean(precision[..., 1 + at]) for at, name in enumerate(area_ranges)},
        "per_class": tuple(_mean(precision[:, :, label, 0]) for label in range(precision.shape[2])),
        "per_class50": tuple(_mean(precision[0, :, label, 0]) for label in range(precision.shape[2])),
    }


def largest_difference(ours, theirs) -> float:
    """Of two results that agree about what is absent; infinite where they do not."""
    if isinstance(theirs, dict):
        if list(ours) != list(theirs):
            return np.inf
        return max((largest_difference(ours[name], theirs[name]) for name in theirs), default=0.0)
    if isinstance(theirs, tuple):
        pairs = zip(ours, theirs, strict=True)
        return max((largest_difference(*pair) for pair in pairs), default=0.0)
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else np.inf
    return abs(ours - theirs)


def scenes(
    seed: int,
    images: int,
    num_classes: int,
    *,
    objects: int = 4,
    extra: int = 4,
    side: int = 40,
    grid: float = 4,
    levels: int = 4,
    points: int = 3,
    crowds: float = 0.1,
    areas: bool = False,
    masks: bool = True,
) -> tuple[list[Detections], list[Annotations]]:
    """Pictures with up to ``objects`` objects, each found never, once or twice, and up to ``extra`` inventions.

    A coarse ``grid`` of coordinates and few ``levels`` of scores make many ties; 0 of either, none. Everything is
    a number of float32.
    """
    generator = np.random.default_rng(seed)
    detections, annotations = [], []
    for _ in range(images):
        truth = _boxes(generator, generator.integers(objects + 1), side, grid)
        if len(truth) and generator.random() < 0.5:  # a heap: every object near the first
            near = np.clip(truth[:1] + generator.normal(size=truth.shape), 0, side)
            truth = _sorted_corners(_snap(near, grid))
        labels = generator.integers(num_classes, size=len(truth))
        keypoints = _points(generator, truth, points, grid)
        again = generator.integers(3, size=len(truth)) * (generator.random() < 0.9)
        source = np.repeat(np.arange(len(truth)), again)
        shift = generator.choice([0, 0, 1, 2], size=(len(source), 1)) * generator.normal(
            size=(len(source), 4)
        )
        found = _sorted_corners(_snap(np.clip(truth[source] + 2 * shift, 0, side), grid))
        inventions = _boxes(generator, generator.integers(extra + 1), side, grid)
        spread = generator.choice([0, 1, 3], size=(len(source), 1, 1))
        found_points = _snap(
            keypoints[source] + spread * generator.normal(size=(len(source), points, 2)), grid
        )
        found_points = np.concatenate([found_points, _points(generator, inventions, points, grid)])
        found = np.concatenate([found, inventions])
        confused = generator.integers(num_classes, size=len(found))
        right = np.concatenate([generator.random(len(source)) < 0.8, np.zeros(len(inventions), dtype=bool)])
        found_labels = np.where(right, np.concatenate([labels[source], confused[len(source) :]]), confused)
        scores = generator.random(len(found))
        order = generator.permutation(len(found))
        visible = generator.random((len(truth), points)) < 0.7
        detections.append(
            Detections(
                scores=_tensor(np.floor(scores * levels) / levels if levels else scores),
                labels=torch.from_numpy(found_labels[order]),
                boxes=_tensor(found[order]),
                masks=_masks(found[order], side) if masks else None,
                keypoints=_tensor(found_points[order]),
            )
        )
        annotations.append(
            Annotations(
                labels=torch.from_numpy(labels),
                boxes=_tensor(truth),
                masks=_masks(truth, side) if masks else None,
                keypoints=_tensor(np.where(visible[..., None], keypoints, np.nan)),
                visible=torch.from_numpy(visible),
                crowd=torch.from_numpy(generator.random(len(truth)) < crowds),
                areas=_tensor(generator.uniform(0, side**2, len(truth))) if areas else None,
            )
        )
    return detections, annotations


def found(*boxes, scores=None, labels=None):
    """What was found, by hand: the first is the surest."""
    n = len(boxes)
    scores = torch.arange(n, 0, -1) / max(n, 1) if scores is None else torch.tensor(scores)
    labels = torch.tensor(labels or [0] * n, dtype=torch.long)
    return Detections(scores, labels, torch.tensor(boxes, dtype=torch.float32).view(n, 4))


def there(*boxes, labels=None, **more):
    """What is there, by hand."""
    n = len(boxes)
    labels = torch.tensor(labels or [0] * n, dtype=torch.long)
    return Annotations(labels, torch.tensor(boxes, dtype=torch.float32).view(n, 4), **more)


def _boxes(generator, count, side, grid):
    return _sorted_corners(_snap(generator.uniform(0, side, (count, 4)), grid))


def _sorted_corners(boxes):
    return np.sort(boxes.reshape(-1, 2, 2), axis=1).reshape(-1, 4)


def _points(generator, boxes, points, grid):
    place = generator.random((len(boxes), points, 2))
    return _snap(boxes[:, None, :2] + place * (boxes[:, None, 2:] - boxes[:, None, :2]), grid)


def _snap(values, grid):
    return (np.round(values / grid) * grid if grid else values).astype(np.float32).astype(np.float64)


def _masks(boxes, side):
    """An ellipse in each box."""
    rows, columns = np.mgrid[:side, :side] + 0.5
    x0, y0, x1, y1 = (boxes[:, at, None, None] for at in range(4))
    wide, high = np.maximum(x1 - x0, 1e-6) / 2, np.maximum(y1 - y0, 1e-6) / 2
    inside = ((columns - (x0 + x1) / 2) / wide) ** 2 + ((rows - (y0 + y1) / 2) / high) ** 2 <= 1
    return torch.from_numpy(inside)


def _tensor(values):
    return torch.from_numpy(values.astype(np.float32))


def _entry(part, image, at, label, kind):
    entry = {"image_id": image + 1, "category_id": label + 1}
    if part.boxes is not None and kind != "masks":
        x0, y0, x1, y1 = part.boxes[at].double().tolist()
        entry |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
    if kind == "masks":
        code = rle.encode(np.asfortranarray(part.masks[at].numpy().astype(np.uint8)))
        entry |= {"segmentation": code, "area": float(rle.area(code))}
    if kind == "keypoints":
        visible = getattr(part, "visible", None)
        seen = torch.ones(len(part.keypoints[at])) if visible is None else visible[at].double()
        values = torch.cat([part.keypoints[at].double(), 2 * seen[:, None]], 1)
        entry |= {"keypoints": values.flatten().tolist(), "num_keypoints": int(seen.sum())}
        entry.setdefault("area", 0.0)
    return entry


def _coco(entries, images, num_classes):
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image + 1, "height": 1, "width": 1} for image in range(images)],
        "categories": [{"id": label + 1} for label in range(num_classes)],
        "annotations": entries,
    }
    coco.createIndex()
    return coco


def _mean(values):
    there = values[values > -1]
    return float(there.mean()) if there.size else None
