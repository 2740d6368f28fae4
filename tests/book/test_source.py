"""A source is read as its author meant it, or refused with chapter and cell."""

from pathlib import Path

import pytest

from book.project import BuildError
from book.source import Code, Prose, read_chapter

HEADER = """\
# ---
# jupyter:
#   vlmlearn:
#     needs: [token]
#     teaches: [patch, embedding]
# ---
"""
TITLE = """
# %% [markdown] lang="zh"
# # 标题

# %% [markdown] lang="en"
# # Title
"""


@pytest.fixture
def read(tmp_path: Path):
    def write_and_read(cells: str = "", header: str = HEADER, title: str = TITLE):
        path = tmp_path / "01_toy.py"
        path.write_text(header + title + cells, "utf-8")
        return read_chapter(path)

    return write_and_read


def test_prose_code_and_header(read):
    chapter = read('\n# %% tags=["live", "hide-input"]\n#| alt-zh: 图\n#| alt-en: a plot\nx = 1\nassert x\n')
    assert (chapter.name, chapter.header.needs, chapter.header.teaches) == (
        "01_toy",
        ("token",),
        ("patch", "embedding"),
    )
    title, code = chapter.cells
    assert title == Prose({"zh": "# 标题", "en": "# Title"})
    assert isinstance(code, Code)
    assert code.source == "x = 1\nassert x"
    assert code.alt == {"zh": "图", "en": "a plot"}
    assert code.live
    assert chapter.code == [code]


def test_comments_belong_to_their_language(read):
    code = read(
        "\n# %%\n#zh 总是\n#en always\nfor i in range(2):\n    #zh 里面\n    #en inside\n    pass  # both\n"
    ).code[0]
    assert code.in_language("zh") == "# 总是\nfor i in range(2):\n    # 里面\n    pass  # both"
    assert code.in_language("en") == "# always\nfor i in range(2):\n    # inside\n    pass  # both"
    assert code.program == "for i in range(2):\n    pass  # both"


ZH, EN = '\n# %% [markdown] lang="zh"\n# 文\n', '\n# %% [markdown] lang="en"\n# text\n'


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (ZH, "2 prose cells in zh, 1 in en"),
        (ZH + "\n# %%\nx = 1\n" + EN, r"cell 3 .*not a zh cell followed by its en twin"),
        (EN + ZH, r"cell 3 .*not a zh cell followed by its en twin"),
        (ZH + ZH + EN + EN, r"cell 3 .*not a zh cell followed by its en twin"),
        (ZH.replace('"zh"', '"zh" tags=["hide-cell"]') + EN, "its en twin has other tags"),
        ('\n# %% [markdown] lang="fr"\n# texte\n', r"cell 3 .*unknown lang 'fr'"),
        ("\n# %% [markdown]\n# text\n", "unknown lang None"),
        ('\n# %% lang="zh"\nx = 1\n', r"cell 3 \('x = 1'\): unknown cell key 'lang'"),
        ('\n# %% tags=["Live"]\nassert 1\n', "unknown tag 'Live'"),
        ("\n# %%\n#| alt_zh: 图\nx = 1\n", "unknown option '#| alt_zh: 图'".replace("|", r"\|")),
        ("\n# %% [raw]\n# raw\n", "a raw cell"),
        ('\n# %% tags=["live"]\nx = 1  # assert x\n', "cell 3 .*must hold an assert"),
        ('\n# %% tags=["live"]\nx = = 1\n', "cell 3 .*invalid syntax"),
    ],
)
def test_a_broken_cell_is_refused_by_name(read, cells, message):
    with pytest.raises(BuildError, match=f"01_toy.*{message}"):
        read(cells)


def test_a_live_cell_may_hold_a_magic(read):
    assert read('\n# %% tags=["live"]\n# %matplotlib inline\nassert True\n').code[0].live


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("needs:", "need:", "unknown header key 'need' under vlmlearn"),
        ("#   vlmlearn", "#   vlm_learn", "unknown header key 'vlm_learn'"),
        ("# jupyter:", "# title: x\n# jupyter:", "unknown header key"),
        ("#     needs: [token]\n", "", "the header has no 'needs'"),
        ("[token]", "token", "'needs' holds 'token', expected a list of words"),
        ("[token]", "[yes]", "expected a list of words"),
    ],
)
def test_a_broken_header_is_refused(read, old, new, message):
    with pytest.raises(BuildError, match=message):
        read(header=HEADER.replace(old, new))


@pytest.mark.parametrize("title", ["", "\n# %%\nx = 1\n", ZH + EN])
def test_a_chapter_starts_with_its_title(read, title):
    with pytest.raises(BuildError, match="must be the title in both languages"):
        read(title=title)
