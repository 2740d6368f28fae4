"""Every verdict in words, Chinese and English."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from vlmlearn.exercises.errors import describe, explanation, shorten
from vlmlearn.exercises.exercise import Case, Exercise, Mistake, Property, is_array
from vlmlearn.exercises.limits import Printed
from vlmlearn.exercises.outcome import as_tensor
from vlmlearn.exercises.verdict import Verdict, verdict
from vlmlearn.messages import LANGUAGES, Message

SMALL = 16  # numbers shown of a tensor


def passed(exercise: Exercise) -> Verdict:
    return verdict(exercise.name, "passed", Message("通过。", "passed."))


def not_attempted(exercise: Exercise) -> Verdict:
    return verdict(
        exercise.name,
        "not_attempted",
        Message("还没有写。", "not written yet."),
        Message(
            f"写好 `{exercise.call}` 再运行一次。已经写了？看看是不是忘了 `return`。",
            f"Fill in `{exercise.call}` and run again. Already done? Then a `return` may be missing.",
        ),
    )


def unknown(name: str, nearest: str) -> Verdict:
    return verdict(
        shorten(name, 60),
        "unknown",
        Message("没有这个练习。", "there is no such exercise."),
        Message(f"你想的是 `{nearest}` 吗？", f"Did you mean `{nearest}`?"),
    )


def not_a_function(exercise: Exercise, kind: str, value: Any) -> Verdict:
    what = type(value).__name__
    title, body = {
        "class": (
            Message("这是一个类，不是函数。", "this is a class, not a function."),
            Message("请用 `def` 写成函数。", "Write a function with `def`."),
        ),
        "value": (
            Message(f"这是一个 `{what}`，不是函数。", f"this is a `{what}`, not a function."),
            Message(
                "传函数本身，后面不加括号。", "Pass the function itself, without brackets after its name."
            ),
        ),
        "generator": (
            Message("这是一个生成器。", "this is a generator."),
            Message(
                "把 `yield` 换成 `return`，一次返回整个结果。",
                "Use `return` for the whole result instead of `yield`.",
            ),
        ),
        "coroutine": (
            Message("这是一个协程。", "this is a coroutine."),
            Message("去掉 `async`，写成普通函数。", "Write an ordinary function, without `async`."),
        ),
    }[kind]
    return verdict(exercise.name, "not_a_function", title, body)


def other_parameters(exercise: Exercise, signature: str) -> Verdict:
    return verdict(
        exercise.name,
        "parameters",
        Message("参数不对。", "other parameters than asked for."),
        Message("题目里的名字和次序要保持不变：", "Keep the names and the order of the exercise:"),
        Message(
            f"题目  {exercise.call}\n你的  {exercise.name}{shorten(signature, 100)}",
            f"asked  {exercise.call}\nyours  {exercise.name}{shorten(signature, 100)}",
        ),
    )


def raised(exercise: Exercise, error: BaseException, line: tuple[int, str] | None) -> Verdict:
    return verdict(
        exercise.name,
        "raised",
        Message("运行时出错了。", "it raised an error."),
        explanation(error),
        _at(line, describe(error)),
    )


def recursion(exercise: Exercise, line: tuple[int, str] | None) -> Verdict:
    return verdict(
        exercise.name,
        "raised",
        Message("函数不停地调用自己。", "it calls itself without end."),
        Message(
            "递归没有出口，或者根本不需要递归。", "The recursion has no way out, or there should be none."
        ),
        _at(line, "RecursionError"),
    )


def out_of_time(exercise: Exercise, seconds: float) -> Verdict:
    return verdict(
        exercise.name,
        "time",
        Message(f"超过 {seconds:g} 秒，已停下。", f"stopped after {seconds:g} s."),
        Message(
            "是不是有死循环？或者对每个元素都跑了 Python 循环？参考答案只要几毫秒。",
            "Is there an endless loop, or a Python loop over single elements? The reference takes milliseconds.",
        ),
    )


def changed_input(exercise: Exercise, changed: tuple[str, ...]) -> Verdict:
    listed = ", ".join(f"`{name}`" for name in changed)
    return verdict(
        exercise.name,
        "changed_input",
        Message("函数改动了自己的输入。", "it changes its input."),
        Message(
            f"调用之后 {listed} 变了，调用者会拿着被改过的数据继续算。别在原地修改，先复制或者新建。",
            f"After the call {listed} is different, and whoever called goes on with changed data. "
            "Make something new instead of changing in place.",
        ),
    )


def other_kind(exercise: Exercise, what: str, expected: Any, value: Any, case: Case) -> Verdict:
    title = {
        "type": Message("返回值的类型不对。", "it returns another type."),
        "shape": Message("返回值的形状不对。", "it returns another shape."),
        "dtype": Message("返回值的数据类型（dtype）不对。", "it returns another dtype."),
        "device": Message("返回值在别的设备上。", "it returns something on another device."),
    }[what]
    body = None
    if what == "shape" and tuple(value.shape) == tuple(expected.shape)[::-1]:
        body = Message(
            "正好反过来了：是不是多了或少了一次转置？",
            "Just the other way round: one transposition too many or too few?",
        )
    if what == "dtype" and is_array(case.arguments[0]):
        body = Message("结果的 dtype 应当跟输入一致。", "The result should keep the dtype of the input.")
    given = _given(exercise, case)
    detail = Message(
        f"{given}\n应为  {_kind(expected)}\n得到  {_kind(value)}",
        f"{given}\nexpected  {_kind(expected)}\nreturned  {_kind(value)}",
    )
    return verdict(exercise.name, what, title, body, detail)


def recognised(exercise: Exercise, mistake: Mistake) -> Verdict:
    title = Message("还不对，我们认得这个错误。", "not yet, and we know this mistake.")
    return verdict(exercise.name, "mistake", title, mistake.message, mistake=mistake.name)


def another_answer(exercise: Exercise, other: Exercise) -> Verdict:
    return verdict(
        exercise.name,
        "other_exercise",
        Message("这是另一道题的答案。", "this answers another exercise."),
        Message(
            f"它正确地实现了 `{other.call}`。检查的是不是 `{other.name}`？",
            f"It is a right `{other.call}`. Did you mean to check `{other.name}`?",
        ),
    )


def lost_gradient(exercise: Exercise, lost: list[str]) -> Verdict:
    listed = ", ".join(f"`{name}`" for name in lost)
    return verdict(
        exercise.name,
        "lost_gradient",
        Message("数值都对，梯度丢了。", "the values are right, but the gradient is lost."),
        Message(
            f"{listed} 收不到梯度，训练时学不到东西。"
            "找一找 `.item()`、`.detach()`、`.data`、`no_grad`、`torch.tensor(…)`，它们会切断计算图。",
            f"No gradient arrives at {listed}, so nothing could be learnt through it. "
            "Look for `.item()`, `.detach()`, `.data`, `no_grad` or `torch.tensor(…)`: they cut the graph.",
        ),
    )


def wrong_gradient(exercise: Exercise, wrong: list[str]) -> Verdict:
    listed = ", ".join(f"`{name}`" for name in wrong)
    return verdict(
        exercise.name,
        "gradient",
        Message("数值都对，梯度不对。", "the values are right, but a gradient is wrong."),
        Message(
            f"{listed} 的梯度与参考答案不同：是不是有一部分被当成了常数（`.detach()`、`no_grad`）？",
            f"The gradient of {listed} differs from the reference: is a part of it treated as a constant (`.detach()`, `no_grad`)?",
        ),
    )


def nan(exercise: Exercise, case: Case) -> Verdict:
    about = case.about or Message("最小的例子：", "The smallest case:")
    return verdict(
        exercise.name,
        "nan",
        Message("结果里有 NaN。", "it returns NaN."),
        Message(
            f"{about.text('zh')} 输入都是有限的数。NaN 来自 ∞ − ∞、∞/∞、0/0 或负数的对数：看看哪一步先变成了无穷或零。",
            f"{about.text('en')} The input is finite. NaN comes from ∞ − ∞, ∞/∞, 0/0 or the logarithm of a negative number: "
            "see which step becomes infinite or zero first.",
        ),
        Message(_given(exercise, case), _given(exercise, case)),
    )


def broken_property(exercise: Exercise, rule: Property, case: Case, expected: Any, value: Any) -> Verdict:
    return verdict(
        exercise.name,
        "property",
        Message("还不对。", "not yet."),
        Message(f"应当成立，但没有成立：{rule.zh}", f"This should hold but does not: {rule.en}"),
        _comparison(exercise, case, expected, value),
    )


def ignored_demand(exercise: Exercise, demand: Property) -> Verdict:
    return verdict(
        exercise.name,
        "property",
        Message("结果对了，做法还不是要的那种。", "right results, but not the way asked for."),
        demand.message,
    )


def wrong_values(
    exercise: Exercise, wrong: int, total: int, case: Case, expected: Any, value: Any
) -> Verdict:
    about = {language: case.about.text(language) if case.about else "" for language in LANGUAGES}
    return verdict(
        exercise.name,
        "values",
        Message("数值不对。", "other values."),
        Message(
            f"{total} 个例子里有 {wrong} 个不对，最小的如下。{about['zh']}",
            f"{wrong} of {total} cases differ; the smallest is below. {about['en']}".strip(),
        ),
        _comparison(exercise, case, expected, value),
    )


def with_output(found: Verdict, printed: Printed) -> Verdict:
    """The verdict, with what the function printed; a verdict that is quiet stays quiet."""
    if not printed.count or not found.attempted:
        return found
    more = printed.count > len(printed.start)
    zh, en = (f"共 {printed.count:,} 个字符", f"{printed.count:,} characters in all") if more else ("", "")
    quoted = printed.start.rstrip() + ("…" if more else "")
    if not quoted:
        return found
    extra = verdict(
        found.exercise,
        found.kind,
        Message("函数打印了：", "it printed:"),
        None if not more else Message(zh, en),
        Message(quoted, quoted),
    ).message
    texts = {
        key: f"{getattr(found.message, key)}\n{getattr(extra, key)}"
        for key in ("zh", "en", "html_zh", "html_en")
    }
    return replace(found, message=Message(**texts))


def _at(line: tuple[int, str] | None, error: str) -> Message:
    if line is None:
        return Message(error, error)
    number, text = line
    return Message(f"第 {number} 行  {text}\n{error}", f"line {number}  {text}\n{error}")


def _given(exercise: Exercise, case: Case) -> str:
    pairs = zip(exercise.parameters, case.arguments, strict=True)
    return "\n".join(f"{name} = {_small(value)}" for name, value in pairs)


def _comparison(exercise: Exercise, case: Case, expected: Any, value: Any) -> Message:
    given = _given(exercise, case)
    return Message(
        f"{given}\n应为  {_small(expected)}\n得到  {_small(value)}",
        f"{given}\nexpected  {_small(expected)}\nreturned  {_small(value)}",
    )


def _small(value: Any) -> str:
    """A value in a line or a few, three decimals; a large one as its shape."""
    if is_array(value) and value.ndim:
        if as_tensor(value).numel() > SMALL:
            return _kind(value)
        if not as_tensor(value).is_floating_point():
            return str(as_tensor(value).tolist())
        return str(np.round(as_tensor(value).double().numpy(), 3).tolist())
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    if isinstance(value, str | list | dict):
        return shorten(repr(value))
    if isinstance(value, int):
        return str(value)
    return f"{float(value):.4g}"


def _kind(value: Any) -> str:
    if is_array(value):
        kind = "tensor" if isinstance(value, torch.Tensor) else "array"
        device = (
            f" on {value.device}" if isinstance(value, torch.Tensor) and value.device.type != "cpu" else ""
        )
        return f"{kind} {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}{device}"
    return (
        f"{type(value).__name__} {shorten(repr(value), 60)}"
        if isinstance(value, str | int | float)
        else type(value).__name__
    )
