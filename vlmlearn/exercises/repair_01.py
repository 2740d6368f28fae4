"""The repair of chapter 01: a CLIP whose loss stays at ln N, for no sentence of a batch belongs to its pictures."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int64, UInt8
from torch import Tensor

from vlmlearn.exercises.exercise import Mistake
from vlmlearn.exercises.repair import Repair, Trial, run
from vlmlearn.losses import clip_loss
from vlmlearn.messages import Message
from vlmlearn.models import CLIP, CLIPConfig
from vlmlearn.world.captions import captions
from vlmlearn.world.render import render
from vlmlearn.world.scenes import sample_scenes
from vlmlearn.world.tokenizer import Tokenizer

SIDE, CONTEXT = 32, 16
STEPS, BRIEF = 200, 4
TRAINING, EXAM = 2000, 64


def train_pairs(model: Any, images: Any, ids: Any, steps: int) -> list[float]:
    """The healthy run: one draw of rows serves pictures and sentences."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(images), (64,))
        image_features, text_features, scale = model(images[batch], ids[batch])
        loss = clip_loss(image_features, text_features, scale)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _planted(model: Any, images: Any, ids: Any, steps: int) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(steps):
        image_batch = images[torch.randint(len(images), (64,))]
        text_batch = ids[torch.randint(len(ids), (64,))]
        image_features, text_features, scale = model(image_batch, text_batch)
        loss = clip_loss(image_features, text_features, scale)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


Rows = Callable[[int], tuple[Tensor, Tensor]]


def _two_draws(n: int) -> tuple[Tensor, Tensor]:
    return torch.randint(n, (64,)), torch.randint(n, (64,))


def _one_draw(n: int) -> tuple[Tensor, Tensor]:
    batch = torch.randint(n, (64,))
    return batch, batch


def _sorted(n: int) -> tuple[Tensor, Tensor]:
    one, other = _two_draws(n)
    return one.sort().values, other.sort().values


def _shuffled(n: int) -> tuple[Tensor, Tensor]:
    batch = torch.randint(n, (64,))
    return batch, batch[torch.randperm(64)]


def _moved_by_one(n: int) -> tuple[Tensor, Tensor]:
    batch = torch.randint(n, (64,))
    return batch, batch.roll(1)


def _variant(
    rows: Rows = _two_draws,
    loss_of: Callable[..., Tensor] = clip_loss,
    rate: float = 2e-3,
    once: bool = False,
) -> Callable[..., list[float]]:
    """The run with other rows, loss or learning rate, or with its batch drawn once and for all."""

    def train(model: Any, images: Any, ids: Any, steps: int) -> list[float]:
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
        fixed = rows(len(images)) if once else None
        losses = []
        for _ in range(steps):
            pictures, sentences = fixed or rows(len(images))
            loss = loss_of(*model(images[pictures], ids[sentences]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return train


def _over_the_batch(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    logits = scale * F.normalize(image, dim=0).T @ F.normalize(text, dim=0)
    labels = torch.arange(len(logits))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


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
    model = CLIP(
        CLIPConfig.tiny(
            len(Tokenizer()),
            context_length=CONTEXT,
            image_side=SIDE,
            image_width=16,
            text_tower="bag",
            text_width=48,
            embedding=48,
        )
    )
    losses = run(function, model, images, ids, steps=BRIEF if brief else STEPS, counted=model.image_tower)
    with torch.no_grad():
        image, text, _ = model(*_exam(seed))
    similarity = image @ text.T
    found = similarity.argmax(dim=1) == torch.arange(len(similarity))
    return Trial(100 * found.double().mean().item(), similarity, losses)


TRAIN_PAIRS = Repair(
    "train_pairs",
    train_pairs,
    planted=_planted,
    trial=_trial,
    measure=Message("64 对没见过的图和句子，R@1", "R@1 among 64 new pairs"),
    bound=40,
    before=2,
    guess=2,
    symptom=Message(
        "损失停在 ln N 附近，检索跟瞎猜差不多。", "The loss stays near ln N, and retrieval near guessing."
    ),
    mistakes=(
        Mistake(
            "sorted_rows",
            _variant(_sorted),
            zh="两组行号各自排了序，可它们还是两组不同的行：排序不会让一张图遇上自己的句子。",
            en="Both draws are sorted, but they are still two draws: sorting does not bring a picture to its own sentence.",
        ),
        Mistake(
            "same_rows_shuffled",
            _variant(_shuffled),
            zh="图和句子现在来自同样的行，但句子又被打乱了一次。损失认定第 i 张图配第 i 句。",
            en="Pictures and sentences now come from the same rows, but the sentences are shuffled once more. The loss takes picture i to belong to sentence i.",
        ),
        Mistake(
            "moved_by_one",
            _variant(_moved_by_one),
            zh="行是同样的行，但句子整体错开了一位，没有一对是对的。",
            en="The rows are the same, but all sentences are moved on by one, so that no pair is right.",
        ),
        Mistake(
            "always_the_same_rows",
            _variant(_one_draw, once=True),
            zh="配对对了，但行号只抽了一次：模型把这 64 对背了下来，别的从没见过。损失很低，检索不行。",
            en="The pairs are right, but the rows are drawn only once: the model knows these 64 pairs by heart and has never seen another. "
            "The loss is low, retrieval is not.",
        ),
        Mistake(
            "larger_rate",
            _variant(rate=2e-2),
            zh="学习率大了十倍，故障还在。损失停在 ln N，说明批次里没有可学的东西：看看批次是怎么来的。",
            en="The learning rate is ten times larger, and the fault is still there. A loss that stays at ln N says that a batch holds nothing to learn: "
            "look at where the batch comes from.",
        ),
        Mistake(
            "over_the_batch",
            _variant(loss_of=_over_the_batch),
            zh="你改了归一化的轴，比较的成了特征的各个维度，不再是图和句子；而且批次里还是没有一对是对的。损失没有问题，看看批次。",
            en="You changed the axis of the normalisation: now dimensions are compared, no longer pictures and sentences, and still no pair of the batch is right. "
            "The loss was fine; look at the batch.",
        ),
    ),
    hints=(
        Message(
            "ln 64 ≈ 4.16 就是在 64 句里瞎猜的损失。停在那里，说明从批次里看不出哪句配哪张图。",
            "ln 64 ≈ 4.16 is the loss of guessing among 64 sentences. Staying there means that a batch does not show which sentence goes with which picture.",
        ),
        Message(
            "损失认定对角线上是对的一对：第 i 张图配第 i 句。跟着一张图走一遍循环，看它遇上的是哪一句。",
            "The loss takes the diagonal to hold the right pairs: picture i with sentence i. Follow one picture through the loop: which sentence does it meet?",
        ),
        Message(
            "`torch.randint` 每调用一次就是另一组行号。图和句子要用同一组。",
            "Each call of `torch.randint` gives other rows. Pictures and sentences need the same ones.",
        ),
    ),
    minutes=15,
    mark="🔧",
)

EXERCISES = (TRAIN_PAIRS,)
