"""The verdicts on a repair in words, Chinese and English."""

import math

from vlmlearn.exercises.exercise import Mistake
from vlmlearn.exercises.repair import Repair, Trial
from vlmlearn.exercises.verdict import Verdict, verdict
from vlmlearn.messages import Message

END = 0.1  # the share of a curve that counts as its beginning, and as its end
FLAT = 0.9  # a curve that keeps this share of its height has not fallen


def still_planted(repair: Repair) -> Verdict:
    """Quiet and without digits: the built notebook shows this one, whatever machine it runs on."""
    return verdict(
        repair.name,
        "not_attempted",
        Message("故障还在。", "the fault is still there."),
        Message(
            f"{repair.symptom.zh}它训练出的模型跟发下来的程序一模一样。改好再运行一次。",
            f"{repair.symptom.en} It trains the very same model as the code handed out. Mend it and run again.",
        ),
    )


def untrained(repair: Repair) -> Verdict:
    return verdict(
        repair.name,
        "untrained",
        Message("模型没有变。", "the model did not change."),
        Message(
            "训练前后，模型的答案完全一样。优化器拿到的是这个 `model` 的参数吗？`backward()` 和 `step()` 都调用了吗？",
            "Its answers before and after training are the same. Does the optimizer hold the parameters of this `model`, "
            "and are both `backward()` and `step()` called?",
        ),
    )


def too_many_steps(repair: Repair) -> Verdict:
    return verdict(
        repair.name,
        "steps",
        Message("训练的步数太多。", "it trains for too many steps."),
        Message(
            "修好之后，`steps` 步就够了：多训练只会盖住故障，不会去掉它。",
            "Once mended, `steps` steps are enough: longer training hides a fault, it does not remove it.",
        ),
    )


def out_of_time(repair: Repair, seconds: float) -> Verdict:
    return verdict(
        repair.name,
        "time",
        Message(f"超过 {seconds:g} 秒，已停下。", f"stopped after {seconds:g} s."),
        Message(
            "修好的程序只要几秒钟。是不是有死循环？每步用的是一小批，还是全部数据？",
            "Mended, it takes a few seconds. Is there an endless loop, or does each step use all data instead of a batch?",
        ),
    )


def nan(repair: Repair) -> Verdict:
    return verdict(
        repair.name,
        "nan",
        Message("训练出了 NaN。", "training ended in NaN."),
        Message(
            "模型的答案不再是有限的数。看看学习率是不是太大，有没有对负数或零取对数、除以零。",
            "The model's answers are no longer finite. Is the learning rate too high, or is there a logarithm of a negative number or zero, "
            "or a division by zero?",
        ),
    )


def mended(repair: Repair, trial: Trial) -> Verdict:
    return verdict(
        repair.name,
        "passed",
        Message("通过，故障没了。", "passed, the fault is gone."),
        _score(repair, trial),
    )


def recognised(repair: Repair, mistake: Mistake, trial: Trial) -> Verdict:
    score = _score(repair, trial)
    return verdict(
        repair.name,
        "mistake",
        Message("还没修好，我们认得这个错误。", "not yet, and we know this mistake."),
        Message(f"{mistake.zh}\n{score.zh}", f"{mistake.en}\n{score.en}"),
        mistake=mistake.name,
    )


def wanting(repair: Repair, trial: Trial) -> Verdict:
    """The score is too low, and what the curve of the losses looks like."""
    score, curve = _score(repair, trial), _curve(trial.losses)
    return verdict(
        repair.name,
        "score",
        Message("故障还没有全除掉。", "the fault is not gone yet."),
        Message(f"{score.zh}\n{curve.zh}", f"{score.en}\n{curve.en}"),
    )


def _score(repair: Repair, trial: Trial) -> Message:
    zh, en = repair.measure.zh, repair.measure.en
    return Message(
        f"{zh}：{trial.score:.0f}。发下来的程序大约是 {repair.before}，瞎猜是 {repair.guess}，修好要到 {repair.bound}。",
        f"{en}: {trial.score:.0f}. As handed out it was about {repair.before}, guessing gives {repair.guess}, mended takes {repair.bound}.",
    )


def _curve(losses: tuple[float, ...]) -> Message:
    if len(losses) < 1 / END:
        return Message(
            "要是函数把每一步的损失放在列表里返回，这里就能说说曲线的样子。",
            "If the function returned the loss of every step in a list, the shape of the curve could be told here.",
        )
    if not all(map(math.isfinite, losses)):
        first = next(i for i, loss in enumerate(losses) if not math.isfinite(loss))
        return Message(
            f"损失在第 {first} 步成了 NaN 或无穷。", f"At step {first} the loss became NaN or infinite."
        )
    share = round(END * len(losses))
    start, end = sum(losses[:share]) / share, sum(losses[-share:]) / share
    figures = f"{start:.2f} → {end:.2f}"
    if end > start + (1 - FLAT) * abs(start):
        return Message(f"损失在上升：{figures}。", f"The loss rises: {figures}.")
    if end > FLAT * start:
        return Message(
            f"损失几乎是平的：{figures}。模型从批次里学不到东西：它收到的信号对吗？",
            f"The loss is nearly flat: {figures}. The model learns nothing from its batches: is what it is told right?",
        )
    return Message(
        f"损失在下降：{figures}，成绩却没有跟上。训练时和考试时，模型面对的是同一件事吗？",
        f"The loss falls: {figures}, but the score does not follow. Does training ask for the same thing as the exam?",
    )
