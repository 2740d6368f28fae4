"""Ten mixed notebooks: right, wrong, empty, endless, crashing, unreadable; each gets a row, nothing is lost."""

import csv
import json

import pytest

from vlmlearn.exercises import registry
from vlmlearn.exercises.grade import grade, main

RIGHT = """
import torch
from einops import rearrange

def to_channels_last(images):
    return rearrange(images, "b c h w -> b h w c")
"""
SHEET = """
def contact_sheet(images, columns):
    return rearrange(images, "{}", {}=columns)
"""
GOOD_SHEET = SHEET.format("(r k) c h w -> (r h) (k w) c", "k")
BY_COLUMNS = SHEET.format("(k r) c h w -> (r h) (k w) c", "k")
STUB = "def contact_sheet(images, columns):\n    ...\n"
ENDLESS = "def contact_sheet(images, columns):\n    while True:\n        pass\n"
STUBBORN = """
def contact_sheet(images, columns):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""
CRASH = "def to_channels_last(images):\n    import os\n    os.kill(os.getpid(), 9)\n"
HUGE = "def contact_sheet(images, columns):\n    return bytearray(1 << 42)\n"
HELPED = 'PATTERN = 3\ndef helper(x):\n    return rearrange(x, "b c h w -> b h w c")\n'


def notebook(*sources: str) -> str:
    cells = [
        {"cell_type": "code", "metadata": {}, "source": source.splitlines(keepends=True), "outputs": []}
        for source in sources
    ]
    cells.insert(0, {"cell_type": "markdown", "metadata": {}, "source": "# 标题"})
    return json.dumps(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, ensure_ascii=False
    )


SUBMISSIONS = {
    "ann": notebook(RIGHT, GOOD_SHEET),
    "bo": notebook("%matplotlib inline\nimport nothing_of_that_name", RIGHT, BY_COLUMNS, "raise SystemExit"),
    "chen": notebook(RIGHT, STUB),
    "dee": notebook(RIGHT, ENDLESS),
    "eve": notebook(CRASH, "from einops import rearrange\n" + GOOD_SHEET),
    "fay": notebook(RIGHT, "def contact_sheet(images, columns)\n    return 1\n"),
    "gus": "this is no notebook",
    "hal": notebook("print(1)"),
    "ivy": notebook(
        HELPED,
        "from einops import rearrange",
        "def to_channels_last(images):\n    return helper(images)\n",
        HUGE,
    ),
    "小明": notebook(RIGHT, STUBBORN),
}
EXPECTED = {
    "ann": ["2", "passed", "", "passed", ""],
    "bo": ["1", "passed", "", "mistake", "filled_by_columns"],
    "chen": ["1", "passed", "", "not_attempted", ""],
    "dee": ["1", "passed", "", "time", ""],
    "eve": ["1", "crashed", "", "passed", ""],
    "fay": ["1", "passed", "", "missing", ""],
    "gus": ["0", "unreadable", "", "unreadable", ""],
    "hal": ["0", "missing", "", "missing", ""],
    "ivy": ["1", "passed", "", "raised", ""],
    "小明": ["1", "passed", "", "time", ""],
}


def test_ten_mixed_notebooks(tmp_path, capsys):
    folder = tmp_path / "submissions"
    folder.mkdir()
    for name, content in SUBMISSIONS.items():
        (folder / f"{name}.ipynb").write_text(content, "utf-8")
    output = tmp_path / "grades.csv"
    assert main([str(folder), "--chapter", "00", "-o", str(output), "--seconds", "9"]) == 0
    with open(output, encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    names = [exercise.name for exercise in registry.in_chapter("00")]
    assert header == ["learner", "passed", names[0], f"{names[0]}: mistake", names[1], f"{names[1]}: mistake"]
    assert {row[0]: row[1:] for row in rows} == EXPECTED
    shown = capsys.readouterr().out
    assert "no sandbox" in shown
    assert "    1 # filled_by_columns" in shown.replace("  1 #", "    1 #")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grades.csv", "submissions"]


@pytest.mark.parametrize(("chapter", "words"), [("99", "no exercises"), ("00", "no notebooks")])
def test_nothing_to_grade(tmp_path, chapter, words, capsys):
    assert main([str(tmp_path), "--chapter", chapter]) == 2
    assert words in capsys.readouterr().err


PAIRS = """
import torch
from vlmlearn.losses import clip_loss

def train_pairs(model, images, ids, steps):
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(steps):
        rows = torch.randint(len(images), (64,))
        others = {}
        optimizer.zero_grad()
        clip_loss(*model(images[rows], ids[others])).backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ("rows", ("passed", "")),
        ("torch.randint(len(ids), (64,))", ("not_attempted", "")),
        ("rows.roll(1)", ("mistake", "moved_by_one")),
    ],
)
def test_a_repair_is_trained_and_graded(tmp_path, others, expected):
    path = tmp_path / "ann.ipynb"
    path.write_text(notebook(PAIRS.format(others)), "utf-8")
    assert grade(path, "01", seed=11)["train_pairs"] == expected
