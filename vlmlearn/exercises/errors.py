"""What a learner's function raised, told in their language with their own line, without a stack of ours."""

import linecache
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from vlmlearn.messages import Message

LONGEST = 300  # characters of an error's own text
OURS = str(Path(__file__).parent)
LIBRARIES = ("site-packages", "dist-packages", sys.prefix, sys.base_prefix, "<frozen", "<@beartype")

# The commonest errors of PyTorch and einops, explained.
EXPLAINED = {
    r"mat1 and mat2 shapes cannot be multiplied|inconsistent tensor size": Message(
        zh="矩阵乘法要求左边的列数等于右边的行数：打印两边的 `.shape`，看看是不是少了一次转置。",
        en="A matrix product needs as many columns on the left as rows on the right: print both `.shape`s; is one to be transposed?",
    ),
    r"must match the size of tensor|could not be broadcast": Message(
        zh="逐元素运算的两个形状对不上：求和或取最大值之后，是不是该保留那一维（`keepdim=True`）？",
        en="The shapes of an elementwise operation do not fit: should a sum or maximum keep its dimension (`keepdim=True`)?",
    ),
    r"Expected all tensors to be on the same device": Message(
        zh="张量在不同的设备上：新建张量时带上 `device=`。",
        en="The tensors are on different devices: give new tensors a `device=`.",
    ),
    r"same dtype|expected scalar type|dtype": Message(
        zh="数据类型不一致：新建的张量要跟输入用同一个 `dtype`。",
        en="The dtypes differ: a new tensor needs the `dtype` of the input.",
    ),
    r"inplace operation|in-place operation": Message(
        zh="原地修改（`+=`、`a[i] = …`、结尾带下划线的方法）破坏了求梯度要用的值：改成新建一个张量。",
        en="A change in place (`+=`, `a[i] = …`, methods ending in an underscore) destroyed what the gradient needs: make a new tensor.",
    ),
    r"shape '.*' is invalid for input|cannot reshape": Message(
        zh="元素的个数对不上，不能改成这个形状：先打印输入的 `.shape`。",
        en="The number of elements does not fit that shape: print the input's `.shape` first.",
    ),
    r"einops|Wrong shape|Error while processing": Message(
        zh="einops 的式子和输入对不上：箭头左边要逐一写出输入的每根轴。",
        en="The einops pattern does not fit the input: left of the arrow, name every axis of the input.",
    ),
    r"has no attribute": Message(
        zh="这个对象没有这种方法：输入是 NumPy 数组还是 PyTorch 张量？两者的方法名不同。",
        en="This object has no such method: is the input a NumPy array or a tensor? Their methods have other names.",
    ),
    r"is not defined": Message(
        zh="这个名字还没有定义：拼写对吗？需要的 `import` 在这个格子里吗？",
        en="That name is not defined: is it spelled right, and is its `import` in this cell?",
    ),
}


def describe(error: BaseException) -> str:
    """The error as Python ends a traceback with it, shortened to a few lines."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {shorten(text)}" if text else type(error).__name__


def shorten(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def explanation(error: BaseException) -> Message | None:
    """What the error usually means, for the commonest ones."""
    text = f"{type(error).__module__} {describe(error)}"
    return next((message for pattern, message in EXPLAINED.items() if re.search(pattern, text)), None)


def own_line(error: BaseException, function: Callable[..., Any]) -> tuple[int, str] | None:
    """Number and text of the last line of the learner's code that the error passed through."""
    code = getattr(function, "__code__", None)
    home = code.co_filename if code else None
    frames = list(_frames(error.__traceback__))
    mine = [frame for frame in frames if frame[0] == home] or [
        frame for frame in frames if _foreign(frame[0])
    ]
    if not mine:
        return None
    file, line = mine[-1]
    return line, linecache.getline(file, line).strip()


def _frames(traceback: TracebackType | None) -> Any:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next


def _foreign(file: str) -> bool:
    return not file.startswith(OURS) and not any(part in file for part in LIBRARIES)
