"""The repair of chapter 03: a SigLIP whose labels are 0 and 1, so that no negative is ever pushed away."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int64, UInt8
from torch import Tensor

from vlmlearn.exercises.exercise import Mistake
from vlmlearn.exercises.repair import Repair, Trial, run
from vlmlearn.messages import Message
from vlmlearn.models import SigLIP, SigLIPConfig
from vlmlearn.world.captions import captions
from vlmlearn.world.render import render
from vlmlearn.world.scenes import sample_scenes
from vlmlearn.world.tokenizer import Tokenizer

SIDE, CONTEXT = 32, 16
STEPS, BRIEF = 300, 4
TRAINING, EXAM = 2000, 64
BATCH = 64


def train_siglip(model: Any, images: Any, ids: Any, steps: int) -> list[float]:
    """The healthy run: labels are +1 and −1."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(images), (64,))
        image, text, scale, bias = model(images[batch], ids[batch])
        logits = scale * image @ text.T + bias
        labels = 2 * torch.eye(64) - 1
        loss = -F.logsigmoid(labels * logits).sum() / 64
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _planted(model: Any, images: Any, ids: Any, steps: int) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(images), (64,))
        image, text, scale, bias = model(images[batch], ids[batch])
        logits = scale * image @ text.T + bias
        labels = torch.eye(64)
        loss = -F.logsigmoid(labels * logits).sum() / 64
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _variant(
    labels_of: Callable[[Tensor], Tensor] = lambda eye: eye,
    cost: Callable[[Tensor, Tensor], Tensor] = lambda logits, labels: (
        -F.logsigmoid(labels * logits).sum() / BATCH
    ),
    rate: float = 2e-3,
    bias_kept: float = 1.0,
) -> Callable[..., list[float]]:
    """The run with other labels, another cost of them, another learning rate, or without the bias."""

    def train(model: Any, images: Any, ids: Any, steps: int) -> list[float]:
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
        labels, losses = labels_of(torch.eye(BATCH)), []
        for _ in range(steps):
            batch = torch.randint(len(images), (BATCH,))
            image, text, scale, bias = model(images[batch], ids[batch])
            loss = cost(scale * image @ text.T + bias_kept * bias, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return train


def _binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / BATCH


@lru_cache(maxsize=2)
def _pairs(seed: int) -> tuple[UInt8[Tensor, "n 3 side side"], Int64[Tensor, "n length"]]:
    """Pictures of one object and what they show, for training."""
    scenes = sample_scenes(TRAINING, seed=seed, objects=(1, 1))
    return torch.from_numpy(render(scenes, SIDE).images), Tokenizer().encode(captions(scenes), CONTEXT)


@lru_cache(maxsize=2)
def _exam(seed: int) -> tuple[UInt8[Tensor, "n 3 side side"], Int64[Tensor, "n length"]]:
    """Unseen pairs, no two of which have the same sentence."""
    scenes = sample_scenes(4 * EXAM, seed=seed, split="val", objects=(1, 1))
    texts = captions(scenes)
    first = sorted({text: row for row, text in reversed(list(enumerate(texts)))}.values())[:EXAM]
    images = torch.from_numpy(render(scenes[first], SIDE).images)
    return images, Tokenizer().encode([texts[row] for row in first], CONTEXT)


def _trial(function: Callable[..., Any], seed: int, brief: bool) -> Trial:
    images, ids = _pairs(seed)
    config = SigLIPConfig.tiny(
        len(Tokenizer()),
        logit_bias=-math.log(BATCH - 1),
        context_length=CONTEXT,
        image_side=SIDE,
        image_width=16,
        text_tower="bag",
        text_width=48,
        embedding=48,
    )
    model = SigLIP(config)
    losses = run(function, model, images, ids, steps=BRIEF if brief else STEPS, counted=model.image_tower)
    with torch.no_grad():
        image, text, _, _ = model(*_exam(seed))
    similarity = image @ text.T
    found = similarity.argmax(dim=1) == torch.arange(len(similarity))
    return Trial(100 * found.double().mean().item(), similarity, losses)


TRAIN_SIGLIP = Repair(
    "train_siglip",
    train_siglip,
    planted=_planted,
    trial=_trial,
    measure=Message("64 对没见过的图和句子，R@1", "R@1 among 64 new pairs"),
    bound=30,
    before=2,
    guess=2,
    symptom=Message(
        "损失先降一点，然后停在很高的地方；检索跟瞎猜差不多。",
        "The loss falls a little and then stays high, and retrieval is near guessing.",
    ),
    mistakes=(
        Mistake(
            "positives_at_zero",
            _variant(lambda eye: eye - 1),
            zh="现在是正样本的标签成了 0：损失很低，因为一切都被推开了，却没有谁被拉到一起。两种标签都不能是 0。",
            en="Now the label of a positive is 0: the loss is low because everything is pushed apart, but nothing is pulled together. Neither label may be 0.",
        ),
        Mistake(
            "positives_at_two",
            _variant(lambda eye: 2 * eye),
            zh="正样本的标签成了 2，负样本的还是 0，依旧没有谁被推开。毛病不在正样本那里。",
            en="The label of a positive is 2, that of a negative still 0, and still nothing is pushed apart. The fault is not with the positives.",
        ),
        Mistake(
            "negatives_pulled",  # as with reversed signs: in the first steps the many decide
            _variant(torch.ones_like),
            zh="对角线以外的标签成了 +1：不相配的也被拉近，所有向量挤到一处，检索还是瞎猜。这时损失再低，也不等于学会了。",
            en="Off the diagonal the labels are +1 now: what does not belong together is pulled together too, and all vectors end up in one place. However low the loss, retrieval is guessing.",
        ),
        Mistake(
            "signs_as_targets",
            _variant(lambda eye: 2 * eye - 1, _binary_cross_entropy),
            zh="`binary_cross_entropy_with_logits` 的目标是概率，要 0 和 1；给它 −1，损失就没有下限，越训练越负。用它就给 0 和 1，用 `logsigmoid` 才给 ±1。",
            en="`binary_cross_entropy_with_logits` takes targets that are probabilities, 0 and 1; with −1 the loss has no lower end and goes ever further below 0. Give it 0 and 1, and ±1 to `logsigmoid`.",
        ),
        Mistake(
            "larger_rate",
            _variant(rate=2e-2),
            zh="学习率大了十倍，故障还在。损失停在高处，说明有一大块是常数，没有梯度：看看哪一项与模型无关。",
            en="The learning rate is ten times larger, and the fault is still there. A loss that stays high has a large part that is constant and gets no gradient: which term does not depend on the model?",
        ),
        Mistake(
            "bias_left_out",
            _variant(bias_kept=0.0),
            zh="你去掉了偏置，标签却没有动：负样本的 logit 仍然乘以 0。偏置没有问题。",
            en="You left the bias out and the labels as they were: the logits of negatives are still multiplied by 0. The bias was fine.",
        ),
    ),
    hints=(
        Message(
            "停住的那个数很有意思：每张图有 63 个负样本，43.67 ÷ 63 = 0.693。logit 是多少时，−ln σ 等于 0.693？",
            "The number at which it stays is telling: every picture has 63 negatives, and 43.67 / 63 = 0.693. For which logit is −ln σ equal to 0.693?",
        ),
        Message(
            "0.693 = ln 2，也就是 logit 为 0。可 `logits` 里的数并不是 0：是谁把它们变成了 0？",
            "0.693 is ln 2, which belongs to a logit of 0. But the numbers in `logits` are not 0: what makes them so?",
        ),
        Message(
            "负样本的标签要是 −1，这样 σ(−z) 才是“不是一对”的概率。单位矩阵乘 2 减 1，就有了 +1 和 −1。",
            "A negative needs the label −1, so that σ(−z) is the probability of not belonging together. Twice the identity, minus 1, has both +1 and −1.",
        ),
    ),
    minutes=15,
    mark="🔧",
)

EXERCISES = (TRAIN_SIGLIP,)
