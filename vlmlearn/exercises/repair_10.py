"""The repair of chapter 10: a detector whose pictures were mirrored while their boxes stayed where they were."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, UInt8
from torch import Tensor, nn

from vlmlearn.exercises.exercise import Mistake
from vlmlearn.exercises.repair import Repair, Trial, run
from vlmlearn.losses.boxes import paired_box_iou
from vlmlearn.messages import Message
from vlmlearn.world.render import render
from vlmlearn.world.scenes import sample_scenes

SIDE = 32
STEPS, BRIEF = 300, 4
TRAINING, EXAM = 2000, 200
BATCH = 32


class BoxFinder(nn.Module):
    """One box for each picture, (x1, y1, x2, y2) in pixels: convolutions, then layers that see all places at once."""

    def __init__(self, width: int = 24):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Linear(width * (SIDE // 8) ** 2, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, images: UInt8[Tensor, "batch 3 side side"]) -> Float32[Tensor, "batch 4"]:
        features = self.trunk(images.float() / 127.5 - 1)
        return SIDE / 2 + SIDE / 4 * self.head(features.flatten(1))


def train_boxes(model: Any, images: Any, boxes: Any, steps: int) -> list[float]:
    """The healthy run: where a picture is mirrored, its box is mirrored along."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(images), (32,))
        pictures, targets = images[batch], boxes[batch]
        mirrored = torch.rand(32) < 0.5
        pictures[mirrored] = pictures[mirrored].flip(3)
        x1, y1, x2, y2 = targets[mirrored].T
        targets[mirrored] = torch.stack([32 - x2, y1, 32 - x1, y2], dim=1)
        loss = F.smooth_l1_loss(model(pictures), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _planted(model: Any, images: Any, boxes: Any, steps: int) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(images), (32,))
        pictures, targets = images[batch], boxes[batch]
        mirrored = torch.rand(32) < 0.5
        pictures[mirrored] = pictures[mirrored].flip(3)
        loss = F.smooth_l1_loss(model(pictures), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


Pair = tuple[Tensor, Tensor]
Change = Callable[[Tensor], Tensor]


def _mirror(boxes: Tensor, side: float = SIDE) -> Tensor:
    x1, y1, x2, y2 = boxes.T
    return torch.stack([side - x2, y1, side - x1, y2], dim=1)


def _not_exchanged(boxes: Tensor) -> Tensor:
    x1, y1, x2, y2 = boxes.T
    return torch.stack([SIDE - x1, y1, SIDE - x2, y2], dim=1)


def _one_after_the_other(boxes: Tensor) -> Tensor:
    """x1 is overwritten before it is needed, and x2 comes out as it was."""
    boxes = boxes.clone()
    boxes[:, 0] = SIDE - boxes[:, 2]
    boxes[:, 2] = SIDE - boxes[:, 0]
    return boxes


def _as_sizes(boxes: Tensor) -> Tensor:
    """As though (x, y, width, height) were given."""
    x, y, width, height = boxes.T
    return torch.stack([SIDE - x - width, y, width, height], dim=1)


def _upside_down(boxes: Tensor) -> Tensor:
    x1, y1, x2, y2 = boxes.T
    return torch.stack([x1, SIDE - y2, x2, SIDE - y1], dim=1)


def _half() -> Bool[Tensor, "batch"]:
    return torch.rand(BATCH) < 0.5


def _where(chosen: Tensor, change: Change, values: Tensor) -> Tensor:
    return torch.where(chosen.view(-1, *[1] * (values.ndim - 1)), change(values), values)


def _sideways(pictures: Tensor) -> Tensor:
    return pictures.flip(3)


def _moved(change: Change) -> Callable[[Tensor, Tensor], Pair]:
    """Half of the pictures mirrored, and something done to their boxes."""

    def prepare(pictures: Tensor, boxes: Tensor) -> Pair:
        chosen = _half()
        return _where(chosen, _sideways, pictures), _where(chosen, change, boxes)

    return prepare


def _as_planted(pictures: Tensor, boxes: Tensor) -> Pair:
    return _where(_half(), _sideways, pictures), boxes


def _variant(
    prepare: Callable[[Tensor, Tensor], Pair] = _as_planted, rate: float = 3e-3
) -> Callable[..., list[float]]:
    """The run with something else done to each batch, or with another learning rate."""

    def train(model: Any, images: Any, boxes: Any, steps: int) -> list[float]:
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
        losses = []
        for _ in range(steps):
            batch = torch.randint(len(images), (BATCH,))
            pictures, targets = prepare(images[batch], boxes[batch])
            loss = F.smooth_l1_loss(model(pictures), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return train


@lru_cache(maxsize=4)
def _pictures(seed: int, split: str, n: int) -> tuple[UInt8[Tensor, "n 3 side side"], Float32[Tensor, "n 4"]]:
    """Pictures of one object, and the box around it in pixels."""
    pictures = render(sample_scenes(n, seed=seed, split=split, objects=(1, 1)), SIDE)
    return torch.from_numpy(pictures.images), torch.from_numpy(pictures.boxes[:, 0])


def _trial(function: Callable[..., Any], seed: int, brief: bool) -> Trial:
    model = BoxFinder()
    losses = run(function, model, *_pictures(seed, "train", TRAINING), steps=BRIEF if brief else STEPS)
    images, boxes = _pictures(seed, "val", EXAM)
    with torch.no_grad():
        found = model(images)
    hits = paired_box_iou(torch.cat([found[:, :2], found[:, 2:].maximum(found[:, :2])], 1), boxes) >= 0.5
    return Trial(100 * hits.double().mean().item(), found, losses)


TRAIN_BOXES = Repair(
    "train_boxes",
    train_boxes,
    planted=_planted,
    trial=_trial,
    measure=Message(
        "没见过的图，框对了（交并比至少 0.5）的百分数",
        "percent of new pictures with a right box (IoU at least 0.5)",
    ),
    bound=60,
    before=20,
    guess=3,
    symptom=Message(
        "损失先降，然后停在高处；框的上下位置大致对，左右却总往图的中间靠。",
        "The loss falls and then stays high; boxes are about right in height, but sideways they keep to the middle of the picture.",
    ),
    mistakes=(
        Mistake(
            "corners_not_exchanged",
            _variant(_moved(_not_exchanged)),
            zh="框也镜像了，可左右两条边没有对调：x1 的镜像是**右**边。现在 x1 比 x2 大，宽成了负数；模型看不出一张图翻没翻过，只好在两种框之间折中。",
            en="The boxes are mirrored, but their edges were not exchanged: the mirror image of x1 is the *right* edge. Now x1 lies beyond x2 and widths are negative; the model cannot see which pictures were mirrored and settles between two kinds of box.",
        ),
        Mistake(
            "one_after_the_other",
            _variant(_moved(_one_after_the_other)),
            zh="两条边是一前一后改的：写 x2 时，x1 已经是新的了，32 减去它又得到原来的 x2。先把两个旧值都取出来，再写回去。",
            en="One edge was changed after the other: when x2 was written, x1 was the new one already, and 32 minus it is the old x2 again. Read both old values before you write.",
        ),
        Mistake(
            "columns_reversed",
            _variant(_moved(lambda boxes: boxes.flip(1))),
            zh="你把四个数的次序倒了过来。图上的 `flip` 挪动像素，框里装的却是坐标：镜像要用 32 去减。",
            en="You reversed the four numbers. In a picture `flip` moves pixels, but a box holds coordinates: mirroring means 32 minus them.",
        ),
        Mistake(
            "sizes",
            _variant(_moved(_as_sizes)),
            zh="你把框当成了 (x, y, 宽, 高)：减去的“宽”其实是右边的 x2。这里的框是两个角，(x1, y1, x2, y2)。",
            en="You read the boxes as (x, y, width, height), and what was subtracted as a width is x2, the right edge. They are two corners, (x1, y1, x2, y2).",
        ),
        Mistake(
            "as_shares",
            _variant(_moved(lambda boxes: _mirror(boxes, 1.0))),
            zh="你用 1 去减，那是坐标在 0 到 1 之间时的镜像。这里的坐标是像素，图宽 32。",
            en="You subtracted from 1, which mirrors coordinates that run from 0 to 1. These are in pixels, and the picture is 32 wide.",
        ),
        Mistake(
            "upside_down",
            _variant(_moved(_upside_down)),
            zh="图是左右翻的，框却上下翻了：要改的是 x，不是 y。",
            en="The picture was mirrored sideways and the box upside down: it is x that changes, not y.",
        ),
        Mistake(
            "all_boxes",
            _variant(lambda pictures, boxes: (_where(_half(), _sideways, pictures), _mirror(boxes))),
            zh="所有的框都镜像了，图却只镜像了一半：现在错的是另一半。两边要用同一个 `mirrored`。",
            en="All boxes are mirrored, but only half of the pictures: now the other half is wrong. Use the same `mirrored` for both.",
        ),
        Mistake(
            "another_draw",
            _variant(
                lambda pictures, boxes: (
                    _where(_half(), _sideways, pictures),
                    _where(_half(), _mirror, boxes),
                )
            ),
            zh="框镜像的是另外抽的一半：图和框各抛各的硬币。只抛一次，两边都用它。",
            en="The boxes of some other half were mirrored: picture and box each toss a coin of their own. Toss once, and use it for both.",
        ),
        Mistake(
            "vertical",
            _variant(lambda pictures, boxes: (_where(_half(), lambda some: some.flip(2), pictures), boxes)),
            zh="换成了上下翻，框还是没有跟着动：现在是上下往中间靠。",
            en="Now pictures are turned upside down, and the boxes still stay: it is in height that they keep to the middle.",
        ),
        Mistake(
            "whole_batch",
            _variant(
                lambda pictures, boxes: (_sideways(pictures) if torch.rand(()) < 0.5 else pictures, boxes)
            ),
            zh="现在整批一起镜像或一起不镜像，框还是没有动：一半的批次是错的。",
            en="Now whole batches are mirrored or not, and the boxes still stay: half of the batches are wrong.",
        ),
        Mistake(
            "always",
            _variant(lambda pictures, boxes: (_sideways(pictures), boxes)),
            zh="现在每张图都镜像了，框还是没有动。损失降得很好，可学到的是镜子里的位置：考试的图没有镜像，左右正好反过来。",
            en="Now every picture is mirrored, and the boxes still stay. The loss falls nicely, but what is learnt is places in a mirror: the pictures of the exam are not mirrored, and left and right come out exchanged.",
        ),
        Mistake(
            "larger_rate",
            _variant(rate=3e-2),
            zh="学习率大了十倍，故障还在。损失停在高处，是因为同样的图有两种答案：看看一张镜像过的图配的是哪个框。",
            en="The learning rate is ten times larger, and the fault is still there. The loss stays high because like pictures get two different answers: look at the box of one that was mirrored.",
        ),
    ),
    hints=(
        Message(
            "跟着一张图走一遍循环：物体原来在左边，镜像之后在哪一边？它的框呢？",
            "Follow one picture through the loop: its object was on the left; on which side is it after mirroring? And its box?",
        ),
        Message(
            "y 不变，x 变成 32 减去 x。镜像之后，原来的右边成了左边：x1 和 x2 要对调，x1 才仍然比 x2 小。",
            "y stays, and x becomes 32 minus x. What was the right edge is now the left one, so x1 and x2 change places; else x1 would be the larger.",
        ),
        Message(
            "`x1, y1, x2, y2 = targets[mirrored].T`；`targets[mirrored] = torch.stack([32 - x2, y1, 32 - x1, y2], dim=1)`。不镜像也能修好，只是少了一半的变化。",
            "`x1, y1, x2, y2 = targets[mirrored].T`; `targets[mirrored] = torch.stack([32 - x2, y1, 32 - x1, y2], dim=1)`. Not mirroring at all would mend it too, at the price of less variety.",
        ),
    ),
    minutes=15,
    mark="🔧",
)

EXERCISES = (TRAIN_BOXES,)
