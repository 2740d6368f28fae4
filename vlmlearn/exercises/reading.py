"""How much a function reads or makes at once: right results do not show whether it works in chunks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_MAKES_NEW = (
    "new_",
    "_like",
    "empty",
    "zeros",
    "ones",
    "full",
)  # read the shape of their input, not its numbers


def most_read_at_once(function: Callable[..., Any], x: Tensor, *others: Any) -> int:
    """The largest number of elements of ``x`` that one operation of ``function(x, *others)`` reads.

    Views (slices, ``split``, transposes) read nothing, nor do operations that only make an empty tensor of some
    shape. What has been computed from ``x`` is no longer ``x``: partial results may be joined at the end.
    """
    copy = x.detach().clone()
    with torch.no_grad(), _Reader(copy) as reader:
        function(copy, *others)
    return reader.most


def most_made_at_once(function: Callable[..., Any], *arguments: Any) -> int:
    """The largest number of elements of a tensor that one operation of ``function(*arguments)`` makes.

    Views make nothing, nor do operations in place. Only the way forward counts: what is kept for a gradient does not.
    """
    copies = [a.detach().clone() if isinstance(a, Tensor) else a for a in arguments]
    with torch.no_grad(), _Maker() as maker:
        function(*copies)
    return maker.most


class _Watcher(TorchDispatchMode):
    """A mode that does not load the compiler for its first operation: those seconds would be the learner's."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class _Maker(_Watcher):
    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        known = {_place(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.most = max([self.most, *(leaf.numel() for leaf in made if _place(leaf) not in known)])
        return result


class _Reader(_Watcher):
    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.own, self.most = _place(x), 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        places = set(map(_place, read))
        is_view = bool(made) and not func._schema.is_mutable and all(_place(t) in places for t in made)
        if made and not is_view and not any(mark in func.__name__ for mark in _MAKES_NEW):
            self.most = max([self.most, *(leaf.numel() for leaf in read if _place(leaf) == self.own)])
        return result


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
