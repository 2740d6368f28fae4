"""A solution in the source becomes a stub, three folded hints and a folded answer, in both languages."""

import nbformat
import pytest

from book.localise import localise
from book.project import BuildError, Project
from book.source import read_chapter
from vlmlearn.exercises import registry

TOP = """\
# ---
# jupyter:
#   vlmlearn:
#     needs: []
#     teaches: []
# ---

# %% [markdown] lang="zh"
# # 标题

# %% [markdown] lang="en"
# # Title

"""
CELLS = """\
# %% exercise="similarity"
def similarity(image, text):
    #zh 提示
    #en a remark
    ### BEGIN SOLUTION
    #zh 单位向量
    #en unit vectors
    answer = 1
    return answer
    ### END SOLUTION

# %%
check("similarity", similarity)
"""


@pytest.fixture
def read(tmp_path):
    def write_and_read(cells=CELLS):
        path = tmp_path / "01_toy.py"
        path.write_text(TOP + cells, "utf-8")
        return read_chapter(path)

    return write_and_read


def test_what_runs_is_the_stub(read):
    cell = read().code[0]
    assert cell.program == "def similarity(image, text):\n    ..."
    assert cell.solved_program == "def similarity(image, text):\n    answer = 1\n    return answer"
    assert cell.in_language("en").endswith("    # a remark\n    # your code here\n    ...")


def test_another_solution_asks_for_no_new_run(read):
    assert read().code[0].program == read(CELLS.replace("answer = 1", "answer = 2")).code[0].program


@pytest.mark.parametrize(("language", "words"), [("zh", "提示 3"), ("en", "Hint 3")])
def test_hints_and_solution_are_folded_below_the_check(read, language, words):
    notebook = nbformat.reads(localise(read(), [[], []], language, Project(), {}), as_version=4)
    stub, check, folded = notebook.cells[-3:]
    assert stub.metadata.vlmlearn == {"exercise": "similarity"}
    assert check.source.startswith("check(")
    assert folded.cell_type == "markdown" and words in folded.source
    assert folded.source.count("<details>") == folded.source.count("</details>") == 4
    for hint in registry.find("similarity").hints:
        assert hint.text(language) in folded.source
    assert "return answer" in folded.source and "return answer" not in stub.source
    assert "SOLUTION" not in folded.source and ":::" not in folded.source and "#zh" not in folded.source


REPAIR = """\
# %% exercise="train_pairs"
def train_pairs(model, images, ids, steps):
    for _ in range(steps):
        ### BEGIN SOLUTION
        batch = 1
        ### PLANTED
        #zh 两次
        #en twice
        # for k in (1, 2):
        #     batch = k
        ### END SOLUTION
        step()

# %%
check("train_pairs", train_pairs)
"""


def test_a_repair_hands_out_its_fault(read):
    cell = read(REPAIR).code[0]
    assert cell.solved_program.splitlines()[2:] == ["        batch = 1", "        step()"]
    assert cell.program.splitlines()[2:] == [
        "        for k in (1, 2):",
        "            batch = k",
        "        step()",
    ]
    assert "# twice" in cell.in_language("en") and "两次" in cell.in_language("zh")


@pytest.mark.parametrize(
    ("cells", "old", "new"),
    [
        (REPAIR, "        ### PLANTED\n", ""),
        (CELLS, "    answer = 1\n", "    answer = 1\n    ### PLANTED\n    # answer = 2\n"),
        (REPAIR, "        step()\n", "        ### PLANTED\n        step()\n"),
    ],
)
def test_a_fault_belongs_in_a_repair_and_only_there(read, cells, old, new):
    with pytest.raises(BuildError, match="holds its fault after one"):
        read(cells.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('exercise="similarity"', 'exercise="similarty"', "no exercise 'similarty'.*'similarity'"),
        (' exercise="similarity"', "", "a solution in a cell that is no exercise"),
        ("    ### END SOLUTION\n", "", "holds one solution"),
        ('check("similarity", similarity)', "print(1)", "must call check"),
        ("\n# %%\n", '\n# %% exercise="similarity"\n', "holds one solution"),
    ],
)
def test_a_broken_exercise_is_refused(read, old, new, message):
    with pytest.raises(BuildError, match=message):
        read(CELLS.replace(old, new))
