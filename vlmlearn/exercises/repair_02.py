"""The repair of chapter 02: a CLIP that cannot tell left from right, for half of its pictures were mirrored."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from vlmlearn.exercises.exercise import Mistake
from vlmlearn.exercises.repair import Repair, Trial, run
from vlmlearn.losses import clip_loss
from vlmlearn.messages import Message
from vlmlearn.models import CLIP, CLIPConfig
from vlmlearn.world.captions import captions
from vlmlearn.world.relations import cells
from vlmlearn.world.render import render
from vlmlearn.world.scenes import sample_scenes
from vlmlearn.world.tokenizer import Tokenizer
from vlmlearn.world.words import POSITIONS

SIDE, CONTEXT = 32, 16
STEPS, BRIEF = 200, 4
TRAINING, EXAM = 2000, 200
CORNERS = (0, 2, 6, 8)  # places in POSITIONS
LEFT, RIGHT = Tokenizer().encode(["left", "right"])[:, 1].tolist()


def train_places(model: Any, images: Any, ids: Any, steps: int) -> list[float]:
    """The healthy run: pictures stay as they are, for their sentences say left and right."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(images), (64,))
        pictures = images[batch]
        image_features, text_features, scale = model(pictures, ids[batch])
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
        batch = torch.randint(len(images), (64,))
        mirrored = torch.rand(64) < 0.5
        pictures = torch.where(mirrored[:, None, None, None], images[batch].flip(3), images[batch])
        image_features, text_features, scale = model(pictures, ids[batch])
        loss = clip_loss(image_features, text_features, scale)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


Pair = tuple[Tensor, Tensor]


def _half() -> Bool[Tensor, "64"]:
    return torch.rand(64) < 0.5


def _turned(pictures: Tensor, chosen: Tensor, *axes: int) -> Tensor:
    return torch.where(chosen[:, None, None, None], pictures.flip(axes), pictures)


def _exchanged(ids: Tensor) -> Tensor:
    """Every left becomes right and every right left."""
    return torch.where(ids == LEFT, RIGHT, torch.where(ids == RIGHT, LEFT, ids))


def _one_after_the_other(ids: Tensor) -> Tensor:
    """Every left becomes right, then every right left: nothing but left remains."""
    right = ids.masked_fill(ids == LEFT, RIGHT)
    return right.masked_fill(right == RIGHT, LEFT)


def _with_words(pictures: Tensor, ids: Tensor, change: Callable[[Tensor], Tensor]) -> Pair:
    """Mirror half of the pictures, and change the sentences of that half."""
    chosen = _half()
    return _turned(pictures, chosen, 3), torch.where(chosen[:, None], change(ids), ids)


def _whole_batch(pictures: Tensor, ids: Tensor) -> Pair:
    return (pictures.flip(3) if torch.rand(()) < 0.5 else pictures), ids


def _as_planted(pictures: Tensor, ids: Tensor) -> Pair:
    return _turned(pictures, _half(), 3), ids


def _variant(
    prepare: Callable[[Tensor, Tensor], Pair] = _as_planted, rate: float = 2e-3
) -> Callable[..., list[float]]:
    """The run with something else done to each batch, or with another learning rate."""

    def train(model: Any, images: Any, ids: Any, steps: int) -> list[float]:
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
        losses = []
        for _ in range(steps):
            batch = torch.randint(len(images), (64,))
            loss = clip_loss(*model(*prepare(images[batch], ids[batch])))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return train


@lru_cache(maxsize=2)
def _pairs(seed: int) -> tuple[UInt8[Tensor, "n 3 side side"], Int64[Tensor, "n length"]]:
    """Pictures of one object and what they show, for training."""
    scenes = sample_scenes(TRAINING, seed=seed, objects=(1, 1))
    return torch.from_numpy(render(scenes, SIDE).images), Tokenizer().encode(captions(scenes), CONTEXT)


@lru_cache(maxsize=2)
def _exam(
    seed: int,
) -> tuple[UInt8[Tensor, "n 3 side side"], Int64[Tensor, "n corners length"], Int64[Tensor, " n"]]:
    """Unseen pictures of an object in a corner, its caption for each of the four corners, and which is true."""
    scenes = sample_scenes(5 * EXAM, seed=seed, split="val", objects=(1, 1))
    scenes = scenes[np.flatnonzero(np.isin(cells(scenes)[:, 0], CORNERS))[:EXAM]]
    places = cells(scenes)[:, 0]
    said = [
        text.replace(POSITIONS[place], POSITIONS[corner])
        for text, place in zip(captions(scenes), places, strict=True)
        for corner in CORNERS
    ]
    ids = Tokenizer().encode(said, CONTEXT).unflatten(0, (-1, len(CORNERS)))
    return (
        torch.from_numpy(render(scenes, SIDE).images),
        ids,
        torch.from_numpy(np.searchsorted(CORNERS, places)),
    )


def _trial(function: Callable[..., Any], seed: int, brief: bool) -> Trial:
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
    losses = run(function, model, *_pairs(seed), steps=BRIEF if brief else STEPS, counted=model.image_tower)
    images, ids, corners = _exam(seed)
    with torch.no_grad():
        text = model.encode_text(ids.flatten(0, 1)).unflatten(0, (-1, len(CORNERS)))
        scores = torch.einsum("nd,ncd->nc", model.encode_image(images), text)
    return Trial(100 * (scores.argmax(dim=1) == corners).double().mean().item(), scores, losses)


TRAIN_PLACES = Repair(
    "train_places",
    train_places,
    planted=_planted,
    trial=_trial,
    measure=Message("没见过的图，四个角认对的百分数", "percent right about the corner in new pictures"),
    bound=85,
    before=52,
    guess=25,
    symptom=Message(
        "损失照样下降，上下分得清，左右却靠猜。",
        "The loss falls as ever, top and bottom are told apart, and left and right are guessed.",
    ),
    mistakes=(
        Mistake(
            "top_to_bottom",
            _variant(lambda pictures, ids: (_turned(pictures, _half(), 2), ids)),
            zh="换了一根轴，现在一半的图上下颠倒：左右分得清了，上下却常常弄错。描述里也说上和下。",
            en="You changed the axis, and half of the pictures now stand upside down: left and right are known, top and bottom are often mistaken. The "
            "captions speak of top and bottom as well.",
        ),
        Mistake(
            "half_turn",
            _variant(lambda pictures, ids: (_turned(pictures, _half(), 2, 3), ids)),
            zh="现在有一半的图转了半圈：左上角的到了右下角，描述却没有跟着变。任何会移动物体的变换，都要问一句：描述还对吗？",
            en="Half of the pictures are now turned by 180 degrees: what was top left is bottom right, and the caption does not know. Of whatever moves "
            "an object, ask whether the caption is still true.",
        ),
        Mistake(
            "always",
            _variant(lambda pictures, ids: (pictures.flip(3), ids)),
            zh="现在每张图都翻了，不再靠猜，可学到的是镜子里的左右：考试的图没有翻，答案正好反过来。",
            en="Now every picture is mirrored. Nothing is guessed any more, but what is learnt is left and right in a mirror: the pictures of the exam are not "
            "mirrored, and the answers come out reversed.",
        ),
        Mistake(
            "whole_batch",
            _variant(_whole_batch),
            zh="不再一张一张地抛硬币，改成了整批一起翻。一半的批次里左右还是反的，描述照旧。",
            en="The coin is now tossed for a whole batch instead of each picture. In half of the batches left and right are still exchanged, and the captions "
            "are not.",
        ),
        Mistake(
            "both",
            _variant(lambda pictures, ids: (torch.cat([pictures, pictures.flip(3)]), torch.cat([ids, ids]))),
            zh="现在每张图和它的镜像都在批次里，配的是同一句话：这句话对其中一张是假的，对另一张是真的，模型只好不管左右。",
            en="Each picture and its mirror image are now in the batch, both with the same sentence, which is true of one and false of the other. "
            "All the model can do is ignore left and right.",
        ),
        Mistake(
            "words_everywhere",
            _variant(lambda pictures, ids: (_turned(pictures, _half(), 3), _exchanged(ids))),
            zh="想到了把“左”和“右”对调，这很好。但你对每一句都调了，没翻的那一半图，描述现在反而错了。只有翻了的图才要调。",
            en="To exchange left and right in the words is a good idea. But you did so in every sentence, and those of the pictures that are not mirrored are "
            "false now. Exchange them for the mirrored ones only.",
        ),
        Mistake(
            "one_after_the_other",
            _variant(lambda pictures, ids: _with_words(pictures, ids, _one_after_the_other)),
            zh="想到了翻图时也改描述，这很好。但两次替换是一前一后做的：左先变成右，然后所有的右，连刚变来的，又都变成左。两个词要同时对调。",
            en="To change the sentence together with its picture is a good idea. But one replacement follows the other: left becomes right, and then all "
            "right, the new ones included, becomes left. Both have to be exchanged at once.",
        ),
        Mistake(
            "larger_rate",
            _variant(rate=2e-2),
            zh="学习率大了十倍，故障还在，说不定连损失也降不下来了。原来的损失降得好好的，问题不在走得快慢：批次里的描述，对它的图都说得对吗？",
            en="The learning rate is ten times larger, and the fault is still there; the loss may not even fall any more. It used to fall as it should, so speed was not the "
            "trouble: is every sentence of a batch true of its picture?",
        ),
    ),
    hints=(
        Message(
            "模型知道上下，不知道左右。从数据到损失，哪一步对上下没有影响，对左右有影响？",
            "The model knows top and bottom, but not left and right. Between the data and the loss, which step touches left and right and leaves top and "
            "bottom alone?",
        ),
        Message(
            "取一张图，跟着它走一遍循环：喂给模型之前它变成了什么样？再读一遍它的描述。",
            "Follow one picture through the loop: what does it look like when the model gets it? Then read its caption once more.",
        ),
        Message(
            "图左右翻了，“左上角”还写着左上角。最简单的是不翻。也可以翻，但要把这些图的描述里 left 和 right 的编号同时对调："
            '`Tokenizer().encode("left")[0, 1]` 就是编号。',
            "The picture is mirrored, and its caption still says top left. The simplest is not to mirror. Or mirror, and exchange the ids of left and right in the "
            'sentences of those pictures, both at once: `Tokenizer().encode("left")[0, 1]` is such an id.',
        ),
    ),
    minutes=15,
    mark="🔧",
)

EXERCISES = (TRAIN_PLACES,)
