"""The reference: every public name of the package with its signature and docstring, read without importing it.

The packages are lazy: ``__init__.py`` lists the names they offer in a call of ``lazy_loader.attach``. Reading
that list and the source of the modules takes milliseconds and needs no torch; and signatures stay as their
authors wrote them, shapes included, where importing would turn them into objects.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from book.project import BuildError, Project
from book.site.docstring import as_markdown, escape

PACKAGE = "vlmlearn"
INTRODUCTION = {
    "zh": "# API 参考\n\n软件包的全部公开名字，由源代码里的文档字符串生成，所以说明是英文的。",
    "en": "# API reference\n\nEvery public name of the package, generated from the docstrings.",
}
HEAD = {"zh": "| 房间 | 内容 | 名字 |", "en": "| Room | What it holds | Names |"}
SOURCE = {"zh": "源代码", "en": "source"}


@dataclass(frozen=True)
class Module:
    """A module's dotted name, file, syntax tree and lines."""

    name: str
    path: Path
    tree: ast.Module
    lines: tuple[str, ...]

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    def definition(self, name: str) -> ast.stmt | None:
        """The statement that binds ``name`` at the top of the module."""
        for statement in self.tree.body:
            if name in _bound(statement):
                return statement
        return None

    def text(self, first: int, last: int) -> str:
        """The source from line ``first`` to before line ``last``, without the indentation of its first line."""
        taken = self.lines[first - 1 : last - 1]
        indent = len(taken[0]) - len(taken[0].lstrip())
        return "\n".join(line[indent:] for line in taken).rstrip()


def names(project: Project) -> list[str]:
    """The reference's pages in order, without the first: ``api/losses`` and so on."""
    return [f"api/{room}" for room in _rooms(project)]


def pages(language: str, project: Project) -> dict[str, str]:
    """The pages of the reference as Markdown, by file name.

    Raises:
        BuildError: a package offers a name that its module does not define.
    """
    written = {"api/index.md": _index(language, project)}
    for room, module in _rooms(project).items():
        lines = [f"# {PACKAGE}.{room}", "", as_markdown(module.docstring, language), ""]
        for name, origin in offered(module):
            lines += _entry(name, module, origin, language, project)
        written[f"api/{room}.md"] = "\n".join(lines)
    return written


def offered(module: Module) -> Iterator[tuple[str, Module]]:
    """The public names of a module or lazy package, and the module that defines each, in the order of the source."""
    lazy = _lazy(module)
    if lazy is None:
        for statement in module.tree.body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef) and not statement.name.startswith("_"):
                yield statement.name, module
        return
    for submodule, listed in lazy.get("submod_attrs", {}).items():
        origin = _read(module.path.parent, module.name, submodule)
        for name in listed:
            yield name, origin


def _rooms(project: Project) -> dict[str, Module]:
    root = _read(project.root, "", PACKAGE)
    lazy = _lazy(root) or {}
    return {room: _read(root.path.parent, PACKAGE, room) for room in sorted(lazy.get("submodules", []))}


def _read(folder: Path, parent: str, name: str) -> Module:
    path = folder / name / "__init__.py" if (folder / name).is_dir() else folder / f"{name}.py"
    text = path.read_text(encoding="utf-8")
    return Module(f"{parent}.{name}".lstrip("."), path, ast.parse(text), tuple(text.splitlines()))


def _lazy(module: Module) -> dict[str, dict[str, list[str]]] | None:
    """The arguments of ``lazy_loader.attach`` in a package, ``None`` in a module without it."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_loader.attach":
            return {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg}
    return None


def _bound(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _index(language: str, project: Project) -> str:
    lines = [INTRODUCTION[language], "", HEAD[language], "|---|---|---|"]
    for room, module in _rooms(project).items():
        first = escape(module.docstring.split("\n\n")[0].replace("\n", " "))
        listed = ", ".join(f"`{name}`" for name, _ in offered(module))
        lines.append(f"| [{PACKAGE}.{room}]({room}.md) | {first} | {listed} |")
    return "\n".join([*lines, ""])


def _entry(name: str, room: Module, module: Module, language: str, project: Project) -> list[str]:
    node = module.definition(name)
    if node is None:
        raise BuildError(f"{room.name} offers {name!r}, but {module.name} does not define it")
    path = module.path.relative_to(project.root).as_posix()
    address = f"{project.repository()}/blob/main/{path}#L{node.lineno}"
    head = [f"## {escape(name)}", "", f"`{module.name}.{name}` · [{SOURCE[language]}]({address})", ""]
    if isinstance(node, ast.FunctionDef):
        return [*head, *_function(node, module, language)]
    if isinstance(node, ast.ClassDef):
        return [*head, *_class(node, module, language)]
    assert node.end_lineno is not None
    return [*head, *_code(module.text(node.lineno, node.end_lineno + 1))]


def _function(node: ast.FunctionDef, module: Module, language: str) -> list[str]:
    return [*_code(_signature(node, module)), as_markdown(ast.get_docstring(node) or "", language), ""]


def _class(node: ast.ClassDef, module: Module, language: str) -> list[str]:
    fields = [
        s for s in node.body if isinstance(s, ast.AnnAssign) and not ast.unparse(s.target).startswith("_")
    ]
    methods = [s for s in node.body if isinstance(s, ast.FunctionDef)]
    parents = ", ".join(map(ast.unparse, node.bases))
    code = [f"class {node.name}({parents}):" if parents else f"class {node.name}:"]
    code += [f"    {module.text(field.lineno, (field.end_lineno or field.lineno) + 1)}" for field in fields]
    for method in methods:
        if method.name == "__init__":
            code += ["    " + line for line in _signature(method, module).split("\n")]
    if len(code) == 1:
        code[0] = code[0].rstrip(":")
    lines = [*_code("\n".join(code)), as_markdown(ast.get_docstring(node) or "", language), ""]
    for method in methods:
        if not method.name.startswith("_"):
            lines += [f"### {escape(f'{node.name}.{method.name}')}", "", *_function(method, module, language)]
    return lines


def _signature(node: ast.FunctionDef, module: Module) -> str:
    """The source from the decorators to the colon, as it is written."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    body = node.body[0]
    if body.lineno == node.lineno:  # def f(): ...
        return ast.unparse(node).split("\n")[0]
    return module.text(first, body.lineno)


def _code(text: str) -> list[str]:
    return ["```python", text, "```", ""]
