"""Source code as a hash of what it computes, to tell whether a recorded result or an output is still its own."""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def source_hash(paths: Iterable[Path], root: Path, *, with_errors: bool = True) -> str:
    """16 hexadecimal digits that change when the code of a file or its place below ``root`` does.

    Comments, layout and docstrings do not count; nor, unless ``with_errors``, do ``raise`` statements, which
    change no result of a run that went through.
    """
    digest = hashlib.sha256()
    for path in sorted(paths):
        tree = ast.parse(path.read_text("utf-8"))
        digest.update(path.relative_to(root).as_posix().encode() + syntax(tree, with_errors).encode())
    return digest.hexdigest()[:16]


def syntax(node: Any, with_errors: bool = True) -> str:
    """A syntax tree as text, without docstrings and empty fields, so that every Python gives the same.

    ``ast.dump`` is not: it prints fields that some versions have and others lack.
    """
    if isinstance(node, list):
        return "[" + ",".join(syntax(item, with_errors) for item in node) + "]"
    if isinstance(node, ast.Raise) and not with_errors:
        return "raise"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, _DOCUMENTED):
            value = value[ast.get_docstring(node, clean=False) is not None :]
        if value is not None and value != []:
            parts.append(f"{name}={syntax(value, with_errors)}")
    return f"{type(node).__name__}({','.join(parts)})"
