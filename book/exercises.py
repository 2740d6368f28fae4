"""Exercise cells: the solution in the source becomes a stub to fill in, hints and solution are folded below.

    # %% exercise="similarity"
    import torch


    def similarity(image, text):
        ### BEGIN SOLUTION
        return …
        ### END SOLUTION

    # %%
    from vlmlearn.exercises import check

    check("similarity", similarity)

What stands between the marks is replaced by ``...``: that is what readers get, and what is run when the chapter
is built. A repair hands out a fault instead of a stub: its lines stand, commented out, at the end of the solution:

        ### BEGIN SOLUTION
        loss = F.cross_entropy(scores, labels)
        ### PLANTED
        # loss = F.cross_entropy(scores.softmax(dim=-1), labels)
        ### END SOLUTION

Hints come from the exercise itself (``vlmlearn.exercises``). Both cells hold what they need, so an
exercise can be done, and its solution tested, on the setup cell alone.
"""

import re

from vlmlearn.exercises import registry
from vlmlearn.exercises.repair import Repair

SOLUTION = re.compile(
    r"^(?P<indent>[ \t]*)### BEGIN SOLUTION\n(?P<lines>.*?)"
    r"(?:^[ \t]*### PLANTED[ \t]*\n(?P<planted>.*?))?^[ \t]*### END SOLUTION[ \t]*\n?",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"### (BEGIN|END) SOLUTION")
PLANTED = "### PLANTED"
COMMENTED = re.compile(r"^([ \t]*)# ", re.MULTILINE)
STUB = "{indent}#zh 在这里写\n{indent}#en your code here\n{indent}...\n"
HINT = {"zh": "提示 {number}", "en": "Hint {number}"}
ANSWER = {"zh": "参考答案", "en": "Solution"}
FOLD = "<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


def stub(source: str) -> str:
    """The cell as readers get it: the place of the solution is empty, or holds the planted fault."""

    def handed_out(found: re.Match[str]) -> str:
        if found["planted"] is None:
            return STUB.format(indent=found["indent"])
        return COMMENTED.sub(r"\1", found["planted"])

    return SOLUTION.sub(handed_out, source)


def solved(source: str) -> str:
    """The cell with its solution, without the marks."""
    return SOLUTION.sub(lambda found: found["lines"], source).rstrip()


def help_text(name: str, solution: str, language: str) -> str:
    """Three hints and the solution, each folded: plain Markdown that JupyterLab, Colab and the book can show."""
    hints = [hint.text(language) for hint in registry.find(name).hints]
    folds = [(HINT[language].format(number=number), text) for number, text in enumerate(hints, 1)]
    folds.append((ANSWER[language], f"```python\n{solution}\n```"))
    return "\n\n".join(FOLD.format(summary=summary, text=text) for summary, text in folds)


def complaint(source: str, name: str, following: str | None) -> str | None:
    """What is wrong with an exercise cell, or ``None``.

    Args:
        following: the code of the cell after it, which must check the exercise.
    """
    if name not in registry.names():
        return f"no exercise {name!r} in vlmlearn.exercises, is it {registry.nearest(name)!r}?"
    if len(SOLUTION.findall(source)) != 1 or len(MARK.findall(source)) != 2:
        return "an exercise cell holds one solution, between '### BEGIN SOLUTION' and '### END SOLUTION'"
    repair = isinstance(registry.find(name), Repair)
    planted = SOLUTION.search(source)["planted"]  # type: ignore[index]  # there is one
    if source.count(PLANTED) != (planted is not None) or repair != bool(planted):
        return (
            f"a repair, and nothing else, holds its fault after one {PLANTED!r} in the solution: "
            f"{name!r} is {'a repair' if repair else 'none'}"
        )
    if following is None or f'check("{name}", {name})' not in following:
        return f'the next code cell must call check("{name}", {name})'
    return None
