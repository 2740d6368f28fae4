"""The repair of chapter 00a: a classifier whose loss hardly falls, for it turns scores into probabilities twice."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from vlmlearn.exercises.exercise import Mistake
from vlmlearn.exercises.repair import Repair, Trial, run
from vlmlearn.messages import Message
from vlmlearn.world.render import render
from vlmlearn.world.scenes import sample_scenes
from vlmlearn.world.shapes import COLORS, SHAPES

KINDS = len(SHAPES) * len(COLORS)
SIDE, WINDOW = 64, 32  # pixels of a picture, and of the part around its object
STEPS, BRIEF = 400, 4
TRAINING, EXAM, OBJECT_IS_BIG = 6000, 500, 1


def train_classifier(model: Any, images: Any, labels: Any, steps: int) -> list[float]:
    """The healthy run: cross entropy takes raw scores."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(images), (64,))
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _planted(model: Any, images: Any, labels: Any, steps: int) -> list[float]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(images), (64,))
        probabilities = model(images[batch]).softmax(dim=-1)
        loss = F.cross_entropy(probabilities, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _twice(scores: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(scores.softmax(dim=-1), labels)


def _variant(
    loss_of: Callable[[Tensor, Tensor], Tensor] = _twice,
    rate: float = 0.02,
    adam: bool = False,
    clear: bool = True,
) -> Callable[..., list[float]]:
    """The run with another loss or optimizer, or without clearing gradients."""

    def train(model: Any, images: Any, labels: Any, steps: int) -> list[float]:
        parameters = model.parameters()
        optimizer: torch.optim.Optimizer = torch.optim.SGD(parameters, lr=rate, momentum=0.9)
        if adam:
            optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        losses = []
        for _ in range(steps):
            batch = torch.randint(len(images), (64,))
            loss = loss_of(model(images[batch]), labels[batch])
            if clear:
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return train


class _Classifier(nn.Module):
    """Two strided convolutions and a linear layer; raw pixels in, one score a kind out."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(32 * (WINDOW // 4) ** 2, KINDS)),
        )

    def forward(self, images: UInt8[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch kinds"]:
        scores: Tensor = self.layers((images.float() - 101) / 36)
        return scores


@lru_cache(maxsize=4)
def _pictures(
    count: int, seed: int, split: str
) -> tuple[UInt8[Tensor, "n 3 side side"], Int64[Tensor, " n"]]:
    """``count`` pictures of one big object, cut so that it is in the middle, and its kind (shape and colour)."""
    scenes = sample_scenes(2 * count + 200, seed=seed, split=split, objects=(1, 1))
    scenes = scenes[np.flatnonzero(scenes.size[:, 0] == OBJECT_IS_BIG)[:count]]
    half = WINDOW // 2
    around = [(0, 0), (0, 0), (half, half), (half, half)]
    images = np.pad(render(scenes, SIDE).images, around, mode="edge")
    x, y = (np.round(place[:, 0] * SIDE).astype(int) for place in (scenes.x, scenes.y))
    cut = [image[:, b : b + WINDOW, a : a + WINDOW] for image, a, b in zip(images, x, y, strict=True)]
    return torch.from_numpy(np.stack(cut)), torch.from_numpy(scenes.pair[:, 0].copy())


def _trial(function: Callable[..., Any], seed: int, brief: bool) -> Trial:
    images, labels = _pictures(TRAINING, seed, "train")
    held_out, kinds = _pictures(EXAM, seed, "val")
    if brief:
        images, labels, held_out, kinds = images[:128], labels[:128], held_out[:16], kinds[:16]
    model = _Classifier()
    losses = run(function, model, images, labels, steps=BRIEF if brief else STEPS)
    with torch.no_grad():
        scores = model(held_out)
    return Trial(100 * (scores.argmax(dim=-1) == kinds).double().mean().item(), scores, losses)


TRAIN_CLASSIFIER = Repair(
    "train_classifier",
    train_classifier,
    planted=_planted,
    trial=_trial,
    measure=Message("没见过的图，认对的百分数", "percent right on new pictures"),
    bound=82,
    before=32,
    guess=2,
    symptom=Message(
        "损失几乎不降，模型只认得一小部分图。",
        "The loss hardly falls, and the model knows only a minor part of the pictures.",
    ),
    mistakes=(
        Mistake(
            "softmax_over_the_batch",
            _variant(lambda scores, labels: F.cross_entropy(scores.softmax(dim=0), labels)),
            zh="你换了 softmax 的轴，现在是同一批的图在互相竞争。轴不是毛病所在：想一想 `F.cross_entropy` 自己已经做了哪几步。",
            en="You changed the axis of the softmax, so that now the pictures of a batch compete. The axis is not the trouble: "
            "which steps does `F.cross_entropy` take by itself?",
        ),
        Mistake(
            "larger_rate",
            _variant(rate=0.2),
            zh="你把学习率加大了十倍，故障还在：传给损失的数都在 0 和 1 之间，步子再大，差别也大不起来。看看传进去的是什么。",
            en="You made the learning rate ten times as large, and the fault is still there: the loss is given numbers between 0 and 1, and no step, "
            "however large, makes them differ by more. Look at what it is given.",
        ),
        Mistake(
            "another_optimizer",
            _variant(rate=1e-3, adam=True),
            zh="换成 Adam 之后快了一点，故障还在。优化器只管怎么走，损失管往哪里走：看看传给损失的是什么。",
            en="Adam is a little faster, but the fault is still there. The optimizer decides how to walk, the loss where to: look at what the loss "
            "is given.",
        ),
        Mistake(
            "sigmoid",
            _variant(lambda scores, labels: F.cross_entropy(scores.sigmoid(), labels)),
            zh="换成了 sigmoid，传给损失的数还是被压在 0 和 1 之间。`F.cross_entropy` 要的是没有压过的分数。",
            en="With a sigmoid the loss is still given numbers squeezed between 0 and 1. `F.cross_entropy` wants scores that nothing has squeezed.",
        ),
        Mistake(
            "squared_error",
            _variant(
                lambda scores, labels: F.mse_loss(scores.softmax(dim=-1), F.one_hot(labels, KINDS).float())
            ),
            zh="你换成了平方误差。概率在 48 个数里本来就都很小，跟 0 和 1 的差再平方、再平均，梯度几乎没有了。交叉熵没有错，错的是喂给它的东西。",
            en="You changed to squared errors. Among 48 kinds all probabilities are small, and their squared distances from 0 and 1, averaged, leave almost "
            "no gradient. Cross entropy was right; what it is fed was not.",
        ),
        Mistake(
            "never_cleared",
            _variant(F.cross_entropy, clear=False),
            zh="损失现在对了，但梯度没有清零：每一步都加在前面所有步的梯度上。",
            en="The loss is right now, but gradients are never cleared: each step adds to those of all steps before.",
        ),
    ),
    hints=(
        Message(
            "先看曲线：损失从 ln 48 ≈ 3.87 出发，几乎不动。要是模型把一张图完全认对了，这个损失能降到 0 吗？算一算。",
            "Look at the curve first: the loss starts at ln 48 ≈ 3.87 and hardly moves. If the model were quite sure and right about a picture, "
            "could this loss reach 0? Work it out.",
        ),
        Message(
            "`F.cross_entropy` 的文档说它的输入是什么？把它自己做的步骤和循环里的步骤并排写下来，找重复的。",
            "What does the documentation of `F.cross_entropy` say its input is? Write down its own steps next to those of the loop, and find the one "
            "that is done twice.",
        ),
        Message(
            "`F.cross_entropy` 里面已经有 softmax 和对数。模型的输出要原样交给它。",
            "`F.cross_entropy` holds the softmax and the logarithm already. Hand it what the model returns, as it is.",
        ),
    ),
    minutes=15,
    mark="🔧",
)

EXERCISES = (TRAIN_CLASSIFIER,)
