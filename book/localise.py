"""Put a chapter and its outputs together as the notebook of one language."""

import hashlib
from typing import Any

import nbformat

from book import outputs as cell_outputs
from book.chinese import join_lines
from book.exercises import help_text
from book.project import BuildError, Project
from book.source import LIVE, Chapter, Code, Prose

OTHER = {"zh": "en", "en": "zh"}
OTHER_NAME = {"zh": "English version", "en": "中文版"}
SETUP = """\
try:
    import vlmlearn
except ModuleNotFoundError:  # on Colab, or in a fresh kernel
    %pip install -q "vlmlearn @ git+{repository}"
    import vlmlearn

vlmlearn.set_language("{language}")"""
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{slug}/blob/main/notebooks/{language}/{name}.ipynb)"
    " · [{other_name}](../{other}/{name}.ipynb)"
)
GITHUB = "https://github.com/"
SETUP_TAG = "setup"
HIDDEN = "remove-cell"  # the site has buttons of its own for what badge and setup cell do
KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "file_extension": ".py", "pygments_lexer": "ipython3"},
}


def setup_code(project: Project, language: str) -> str:
    """The first code cell: install what is missing, choose the language of messages."""
    return SETUP.format(repository=project.repository(), language=language)


def localise(
    chapter: Chapter,
    outputs: list[list[dict[str, Any]]],
    language: str,
    project: Project,
    fingerprint: dict[str, Any],
) -> str:
    """The notebook of ``chapter`` in ``language`` as the text of its file: equal bytes for equal arguments.

    Args:
        outputs: normalised outputs, one list for each code cell of the source, in any language.
    """
    ids = _Ids(chapter.name)
    remaining = iter(outputs)
    cells = []
    unanswered: Code | None = None  # an exercise whose check comes next
    for cell in chapter.cells:
        if isinstance(cell, Prose):
            cells.append(_prose_cell(cell, language, ids))
            continue
        cells.append(_code_cell(cell, next(remaining), language, ids))
        if unanswered is not None:
            cells.append(_help_cell(unanswered, language, ids))
        unanswered = cell if cell.exercise else None
    cells[1:1] = [_badge_cell(chapter, language, project, ids), _setup_cell(language, project, ids)]
    _number(cells)
    header = {key: list(getattr(chapter.header, key)) for key in ("needs", "teaches", "boxed")}
    about = {
        "language": language,
        "source": f"notebooks/{chapter.name}.py",
        **header,
        "fingerprint": fingerprint,
    }
    return (
        nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata={**KERNEL, "vlmlearn": about})) + "\n"
    )


class _Ids:
    """Cell ids from content, equal in both languages: an inserted cell leaves the ids of all others alone."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: set[str] = set()

    def new(self, content: str) -> str:
        repeated = 0
        while (found := self._hash(content, repeated)) in self._seen:
            repeated += 1
        self._seen.add(found)
        return found

    def _hash(self, content: str, repeated: int) -> str:
        return hashlib.sha256(f"{self._name}\0{content}\0{repeated}".encode()).hexdigest()[:8]


def _prose_cell(prose: Prose, language: str, ids: _Ids) -> Any:
    text = join_lines(prose.text["zh"]) if language == "zh" else prose.text["en"]
    return nbformat.v4.new_markdown_cell(text, id=ids.new(prose.text["zh"]), metadata=_tags(*prose.tags))


def _code_cell(code: Code, outputs: list[dict[str, Any]], language: str, ids: _Ids) -> Any:
    metadata = _tags(*("nbval-ignore-output" if tag == LIVE else tag for tag in code.tags))
    if code.alt:
        metadata["mystnb"] = {
            "image": {"alt": code.alt[language]}
        }  # for the site; the output's own is JupyterLab's
    if code.exercise:
        metadata["vlmlearn"] = {"exercise": code.exercise}  # by which a grader finds the learner's answer
    return nbformat.v4.new_code_cell(
        code.in_language(language),
        id=ids.new(code.source),
        metadata=metadata,
        outputs=[nbformat.from_dict(o) for o in cell_outputs.in_language(outputs, language, code.alt)],
    )


def _help_cell(code: Code, language: str, ids: _Ids) -> Any:
    """Hints and solution of an exercise, folded."""
    name = code.exercise or ""
    text = help_text(name, code.solution_in(language), language)
    return nbformat.v4.new_markdown_cell(text, id=ids.new(f"help {name}"))


def _badge_cell(chapter: Chapter, language: str, project: Project, ids: _Ids) -> Any:
    repository = project.repository()
    if not repository.startswith(GITHUB):
        raise BuildError(f"the repository {repository} is not on GitHub, from where Colab opens notebooks")
    text = BADGE.format(
        slug=repository.removeprefix(GITHUB),
        language=language,
        name=chapter.name,
        other=OTHER[language],
        other_name=OTHER_NAME[language],
    )
    return nbformat.v4.new_markdown_cell(text, id=ids.new("badge"), metadata=_tags(HIDDEN))


def _setup_cell(language: str, project: Project, ids: _Ids) -> Any:
    source = setup_code(project, language)
    return nbformat.v4.new_code_cell(source, id=ids.new("setup"), metadata=_tags(SETUP_TAG, HIDDEN))


def _tags(*tags: str) -> dict[str, Any]:
    return {"tags": list(tags)} if tags else {}


def _number(cells: list[Any]) -> None:
    """Count the code cells from 1; without counts nbval takes a notebook for one that was never run."""
    for count, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), 1):
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
