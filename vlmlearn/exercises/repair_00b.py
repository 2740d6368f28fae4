"""The repair of chapter 00b: a reader that learns everything and knows nothing, for its mask shows it the answers."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from vlmlearn.exercises.exercise import Mistake
from vlmlearn.exercises.repair import Repair, Trial, run
from vlmlearn.layers import Transformer
from vlmlearn.messages import Message

DIGITS, SUMS = 10, 4  # a row holds four sums, each of two digits and the last digit of their sum
LENGTH = 3 * SUMS
STEPS, BRIEF = 500, 4
TRAINING, EXAM = 3000, 300
NOT_ASKED = -100  # which cross entropy leaves out


def train_reader(model: Any, digits: Any, answers: Any, steps: int) -> list[float]:
    """The healthy run: a place sees itself and what comes before."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    length = digits.shape[1]
    may_look = torch.ones(length, length).tril().bool()
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(digits), (64,))
        scores = model(digits[batch], may_look)
        loss = F.cross_entropy(scores.flatten(0, 1), answers[batch].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _planted(model: Any, digits: Any, answers: Any, steps: int) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    length = digits.shape[1]
    may_look = torch.ones(length, length).triu().bool()
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(digits), (64,))
        scores = model(digits[batch], may_look)
        loss = F.cross_entropy(scores.flatten(0, 1), answers[batch].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _variant(
    mask: Callable[[Tensor], Tensor], rate: float = 0.01, moved: int = 0
) -> Callable[..., list[float]]:
    """The run with another mask made from a square of ones, another learning rate, or answers moved along."""

    def train(model: Any, digits: Any, answers: Any, steps: int) -> list[float]:
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        may_look = mask(torch.ones(digits.shape[1], digits.shape[1])).bool()
        losses = []
        for _ in range(steps):
            batch = torch.randint(len(digits), (64,))
            scores = model(digits[batch], may_look)
            loss = F.cross_entropy(scores.flatten(0, 1), answers[batch].roll(moved, dims=1).flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return train


class _Reader(nn.Module):
    """Digits and a mask in, a score for each of the ten digits out, at every place."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.digits = nn.Embedding(DIGITS, width)
        self.positions = nn.Parameter(torch.randn(LENGTH, width))
        self.transformer = Transformer(layers=1, width=width, heads=2, hidden=4 * width)
        self.norm = nn.LayerNorm(width)
        self.scores = nn.Linear(width, DIGITS)

    def forward(
        self, digits: Int64[Tensor, "batch length"], mask: Bool[Tensor, "length length"]
    ) -> Float[Tensor, "batch length 10"]:
        x = self.digits(digits) + self.positions[: digits.shape[1]]
        scores: Tensor = self.scores(self.norm(self.transformer(x, mask=mask)))
        return scores


@lru_cache(maxsize=4)
def _rows(count: int, seed: int) -> tuple[Int64[Tensor, "n length"], Int64[Tensor, "n length"]]:
    """Rows such as 3 9 2 · 5 1 6 · …, and at the second digit of each sum its answer, which comes next in the row."""
    generator = torch.Generator().manual_seed(seed)
    summands = torch.randint(DIGITS, (count, SUMS, 2), generator=generator)
    row = torch.cat([summands, summands.sum(-1, keepdim=True) % DIGITS], -1).flatten(1)
    answers = torch.full((count, LENGTH), NOT_ASKED)
    answers[:, 1::3] = row[:, 2::3]
    return row, answers


def _trial(function: Callable[..., Any], seed: int, brief: bool) -> Trial:
    digits, answers = _rows(TRAINING, seed)
    model = _Reader()
    losses = run(function, model, digits, answers, steps=BRIEF if brief else STEPS)
    return _exam(model, *_rows(EXAM, seed + 1), losses)


@torch.no_grad()
def _exam(model: nn.Module, digits: Tensor, answers: Tensor, losses: tuple[float, ...]) -> Trial:
    """Show the row up to the second digit of a sum and no further, and ask for the last digit of the sum."""
    said, right = [], []
    for place in range(1, LENGTH, 3):
        shown = digits[:, : place + 1]
        past = torch.ones(place + 1, place + 1, dtype=torch.bool).tril()
        said.append(model(shown, past)[:, -1])
        right.append(said[-1].argmax(dim=-1) == answers[:, place])
    return Trial(100 * torch.cat(right).double().mean().item(), torch.cat(said), losses)


TRAIN_READER = Repair(
    "train_reader",
    train_reader,
    planted=_planted,
    trial=_trial,
    measure=Message("考试答对的百分数", "percent right in the exam"),
    bound=85,
    before=11,
    guess=10,
    symptom=Message(
        "训练损失降到很低，考试却跟瞎猜差不多。",
        "The training loss falls very low, and the exam stays near guessing.",
    ),
    mistakes=(
        Mistake(
            "sees_everything",
            _variant(lambda ones: ones),
            zh="现在每个位置什么都能看，后面的也能看：答案还是摆在眼前。考试时后面的数字还没有写出来。",
            en="Now every place may look everywhere, also at what comes after it: the answer still lies open. In the exam the digits after it are not "
            "written yet.",
        ),
        Mistake(
            "one_ahead",
            _variant(lambda ones: ones.tril(diagonal=1)),
            zh="三角的方向对了，但边界多了一格：每个位置还能看到紧跟着的那一个，那正好是答案。",
            en="The triangle is the right one, but its edge is one too far: each place still sees the one right after it, which is just the answer.",
        ),
        Mistake(
            "only_itself",
            _variant(lambda ones: ones.tril().triu()),
            zh="现在每个位置只看得见自己。答案不再泄露，可两个加数里的第一个也看不见了。",
            en="Now a place sees nothing but itself. The answer leaks no more, but the first of the two digits is hidden as well.",
        ),
        Mistake(
            "mirrored",
            _variant(lambda ones: ones.tril().flip(1)),
            zh="你把三角左右翻了：前面的位置看得见后面，后面的位置看不见自己。行是谁在看，列是看谁；对照第一行和最后一行想一想。",
            en="The triangle is mirrored: early places see what comes after, late places do not even see themselves. A row is who looks, a column what is "
            "looked at; think of the first row and of the last.",
        ),
        Mistake(
            "slower",
            _variant(torch.triu, rate=0.001),
            zh="学习率小了十倍，故障还在。训练损失已经很低，问题不在走得快慢：训练时看得到什么，考试时看得到什么？",
            en="The learning rate is ten times smaller, and the fault is still there. The training loss was low already, so speed is not the trouble: "
            "what can be seen in training, what in the exam?",
        ),
        Mistake(
            "answers_moved",
            _variant(torch.tril, moved=1),
            zh="掩码对了，但答案被挪后了一格：那一格的输入就是答案本身，照抄就行，学不到加法。答案本来就摆对了地方。",
            en="The mask is right, but the answers are moved on by one: the input there is the answer itself, to be copied, and adding is not learnt. "
            "The answers were in the right places.",
        ),
    ),
    hints=(
        Message(
            "训练时几乎不出错，考试时像没学过：考试时少了什么？考试只给到第二个加数为止，后面什么都没有。",
            "Nearly no error in training, and as if nothing were learnt in the exam: what is missing there? The exam shows the row up to the second digit "
            "of a sum and nothing after it.",
        ),
        Message(
            "取 `length = 4`，把 `may_look` 打印出来。第一行是第一个位置：它能看哪些？最后一行呢？",
            "Take `length = 4` and print `may_look`. The first row is the first place: what may it look at? And the last row?",
        ),
        Message(
            "每个位置只该看自己和前面的：`True` 要在对角线上和它的左下方。`tril` 和 `triu` 各留下哪一半？",
            "A place should look at itself and what comes before: `True` belongs on the diagonal and below it. Which half do `tril` and `triu` keep?",
        ),
    ),
    minutes=15,
    mark="🔧",
)

EXERCISES = (TRAIN_READER,)
