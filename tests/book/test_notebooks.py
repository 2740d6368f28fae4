"""The builder on a tiny project of its own: one run for two languages, reused until something it used changes."""

import json
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
from safetensors.numpy import save_file

from book import execute
from book.notebooks import build, check, main, reasons_to_run
from book.project import HERE, BuildError, Project
from book.source import read_chapter

NAME = "01_toy"
CHAPTER = """\
# ---
# jupyter:
#   vlmlearn:
#     needs: []
#     teaches: [doubling]
#     boxed: [number]
#     extra_modules: [vlmlearn.unused]
# ---

# %% [markdown] lang="zh"
# # 加倍
#
# 中文
# 换行

# %% [markdown] lang="en"
# # Doubling
#
# Text

# %%
import json
import os
from importlib.resources import files

import numpy as np
from safetensors.numpy import load_file
from vlmlearn.messages import Message, show
from vlmlearn.toy import double

#zh 读取
#en read
print(double(3), json.loads((files("vlmlearn") / "results" / "01.json").read_text()))
print(load_file(files("vlmlearn") / "weights" / "toy.safetensors")["w"])

# %%
print("before")
show(Message(zh="你好", en="hello", html_zh="<b>你好</b>", html_en="<b>hello</b>"))
print("after", os.environ["OMP_WAIT_POLICY"], os.environ["TQDM_DISABLE"])

# %% tags=["live"]
#| alt-zh: 一个红点
#| alt-en: a red dot
import matplotlib.pyplot as plt

#zh 画图
#en draw
plt.figure(figsize=(1, 1))
plt.plot([1], [np.random.rand()], "ro")
plt.show()
assert double(2) == 4

# %%
double(4)
"""
TOY = '"""Toy."""\n\n\ndef double(x):\n    """Twice x."""\n    return 2 * x  # why\n'


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A project that is built once; tests work on copies."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("notebooks", "vlmlearn/results", "vlmlearn/weights"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").write_text(
        '[project.urls]\nRepository = "https://github.com/someone/somewhere/"\n'
    )
    (root / "vlmlearn/__init__.py").write_text("from vlmlearn.messages import set_language\n")
    shutil.copy(HERE / "vlmlearn/messages.py", root / "vlmlearn/messages.py")
    (root / "vlmlearn/toy.py").write_text(TOY)
    (root / "vlmlearn/unused.py").write_text("x = 1\n")
    (root / "vlmlearn/other.py").write_text("x = 1\n")
    for name in ("01", "02"):
        (root / f"vlmlearn/results/{name}.json").write_text("{}")
    save_file({"w": np.zeros(2)}, root / "vlmlearn/weights/toy.safetensors")
    (root / f"notebooks/{NAME}.py").write_text(CHAPTER, "utf-8")
    assert build(NAME, Project(root))
    return root


@pytest.fixture
def project(finished, tmp_path) -> Project:
    root = tmp_path / "copy"
    shutil.copytree(finished, root)
    return Project(root)


def edit(project: Project, path: str, old: str, new: str) -> None:
    file = project.root / path
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def notebook(project: Project, language: str, name: str = NAME):
    return nbformat.read(project.built(language, name), as_version=4)


def built_bytes(project: Project) -> list[bytes]:
    return [project.built(language, NAME).read_bytes() for language in ("zh", "en")]


def never_run(monkeypatch) -> None:
    monkeypatch.setattr("book.notebooks.run", lambda *_: pytest.fail("the chapter was run"))


# What is built


def test_both_notebooks_are_valid_and_share_ids_and_counts(project):
    chinese, english = notebook(project, "zh"), notebook(project, "en")
    for nb in (chinese, english):
        nbformat.validate(nb)
        assert len({cell.id for cell in nb.cells}) == len(nb.cells)
        code = [cell for cell in nb.cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == [1, 2, 3, 4, 5]
        assert code[-1].outputs[0].execution_count == 5
        assert nb.metadata.kernelspec.name == "python3"
    assert [cell.id for cell in chinese.cells] == [cell.id for cell in english.cells]


def test_prose_title_badge_and_setup(project):
    chinese, english = notebook(project, "zh").cells, notebook(project, "en").cells
    assert chinese[0].source == "# 加倍\n\n中文换行"
    assert english[0].source == "# Doubling\n\nText"
    assert f"github/someone/somewhere/blob/main/notebooks/zh/{NAME}.ipynb" in chinese[1].source
    assert chinese[1].source.endswith(f"[English version](../en/{NAME}.ipynb)")
    assert english[1].source.endswith(f"[中文版](../zh/{NAME}.ipynb)")
    assert '"vlmlearn @ git+https://github.com/someone/somewhere"' in chinese[2].source
    one, other = chinese[2].source.splitlines(), english[2].source.splitlines()
    assert [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]] == [
        ('vlmlearn.set_language("zh")', 'vlmlearn.set_language("en")')
    ]


def test_messages_and_comments_are_swapped_and_the_order_of_outputs_kept(project):
    for language, word, comment in (("zh", "你好", "# 读取"), ("en", "hello", "# read")):
        cells = notebook(project, language).cells
        outputs = cells[4].outputs
        assert [output.get("text") for output in outputs] == ["before\n", None, "after PASSIVE 1\n"]
        assert outputs[1].data == {"text/plain": word, "text/html": f"<b>{word}</b>"}
        assert set(outputs[1].metadata.vlmlearn) == {"zh", "en"}
        assert comment in cells[3].source.splitlines()
        assert "#zh" not in cells[3].source and "#en" not in cells[3].source


def test_alt_text_and_live_tag(project):
    for language, alt in (("zh", "一个红点"), ("en", "a red dot")):
        cell = notebook(project, language).cells[5]
        assert cell.metadata == {"tags": ["nbval-ignore-output"], "mystnb": {"image": {"alt": alt}}}
        assert cell.outputs[0].metadata["image/png"]["alt"] == alt
        assert "#|" not in cell.source
    assert "tags" not in notebook(project, "zh").cells[4].metadata


def test_metadata_tells_terms_and_what_was_used(project):
    about = notebook(project, "en").metadata.vlmlearn
    assert (about.language, about.source) == ("en", f"notebooks/{NAME}.py")
    assert (about.needs, about.teaches, about.boxed) == ([], ["doubling"], ["number"])
    assert list(about.fingerprint.modules) == ["vlmlearn", "vlmlearn.messages", "vlmlearn.toy"]
    assert list(about.fingerprint.data) == ["results/01.json", "weights/toy.safetensors"]
    assert list(about.fingerprint.extra_modules) == ["vlmlearn.unused"]


# When it is run


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("vlmlearn/toy.py", "Twice x.", "x and x again."),
        ("vlmlearn/toy.py", '"""Toy."""', '"""Other words."""'),
        ("vlmlearn/toy.py", "# why", "# because"),
        ("vlmlearn/other.py", "1", "2"),
        ("vlmlearn/results/02.json", "{}", "{} "),
    ],
)
def test_docstrings_comments_and_unused_files_change_nothing(project, monkeypatch, path, old, new):
    never_run(monkeypatch)
    before = built_bytes(project)
    edit(project, path, old, new)
    assert check([NAME], project) == []
    assert build(NAME, project) is False
    assert built_bytes(project) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Text", "# Other text"),
        ("a red dot", "one red dot"),
        ("#zh 读取", "#zh 打开"),
        ("[doubling]", "[twice]"),
    ],
)
def test_new_words_are_built_without_a_run(project, monkeypatch, old, new):
    never_run(monkeypatch)
    edit(project, f"notebooks/{NAME}.py", old, new)
    [problem] = check([NAME], project)
    assert problem.startswith(f"{NAME}: to be rebuilt, differs: notebooks/")
    outputs = notebook(project, "zh").cells[4].outputs
    assert build(NAME, project) is False
    assert notebook(project, "zh").cells[4].outputs == outputs
    assert check([NAME], project) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "changed"),
    [
        (f"notebooks/{NAME}.py", "double(3)", "double(5)", "code"),
        ("vlmlearn/toy.py", "2 * x", "x + x", "vlmlearn.toy"),
        ("vlmlearn/toy.py", '"""Twice x."""', "'Twice x.'; print()", "vlmlearn.toy"),
        ("vlmlearn/unused.py", "1", "2", "vlmlearn.unused"),
        ("vlmlearn/results/01.json", "{}", '{"a": 1}', "results/01.json"),
        (f"notebooks/{NAME}.py", "vlmlearn.unused", "vlmlearn.other", "vlmlearn.other, vlmlearn.unused"),
    ],
)
def test_what_the_outputs_depend_on_asks_for_a_run(project, path, old, new, changed):
    before = built_bytes(project)
    edit(project, path, old, new)
    assert check([NAME], project) == [f"{NAME}: to be run again, changed: {changed}"]
    assert built_bytes(project) == before


def test_weights_torch_and_missing_files_ask_for_a_run(project, monkeypatch):
    (project.root / "vlmlearn/weights/toy.safetensors").unlink()
    (project.root / "vlmlearn/toy.py").unlink()
    monkeypatch.setattr("book.fingerprint.version", lambda _: "9.9.9+cu1")
    [problem] = check([NAME], project)
    assert problem.endswith("changed: torch, vlmlearn.toy, weights/toy.safetensors")


def test_a_local_build_of_the_same_torch_is_the_same(project, monkeypatch):
    today = notebook(project, "zh").metadata.vlmlearn.fingerprint.torch
    monkeypatch.setattr("book.fingerprint.version", lambda _: f"{today}+anything")
    assert check([NAME], project) == []


def test_a_run_writes_the_new_outputs(project):
    edit(project, "vlmlearn/toy.py", "2 * x", "x + x + x")
    edit(project, f"notebooks/{NAME}.py", "double(2) == 4", "double(2) == 6")
    assert build(NAME, project) is True
    assert notebook(project, "en").cells[-1].outputs[0].data == {"text/plain": "12"}
    assert check([NAME], project) == []


def test_force_runs(project, monkeypatch):
    monkeypatch.setattr("book.notebooks.run", lambda *_: (_ for _ in ()).throw(BuildError("was run")))
    with pytest.raises(BuildError, match="was run"):
        build(NAME, project, force=True)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_notebook_changed_by_hand_is_stale(project, language):
    edit(project, f"notebooks/{language}/{NAME}.ipynb", "PASSIVE 1", "PASSIVE 2")
    chinese = f"{NAME}: to be run again, changed: outputs"
    english = f"{NAME}: to be rebuilt, differs: notebooks/en/{NAME}.ipynb"
    assert check([NAME], project) == [chinese if language == "zh" else english]


def test_stripped_outputs_are_stale(project):
    for language in ("zh", "en"):
        stripped = notebook(project, language)
        for cell in stripped.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        nbformat.write(stripped, project.built(language, NAME))
    assert check([NAME], project) == [f"{NAME}: to be run again, changed: outputs"]


def test_a_notebook_without_its_source_or_its_build_is_named(project):
    project.source(NAME).rename(project.source("02_toy"))
    assert check(project.names(), project) == [
        "02_toy: to be run again, changed: everything, it was never run or has other cells now",
        f"notebooks/en/{NAME}.ipynb: its source is gone",
        f"notebooks/zh/{NAME}.ipynb: its source is gone",
    ]


def test_check_reports_the_order_of_terms(project):
    edit(project, f"notebooks/{NAME}.py", "needs: []", "needs: [halving, number]")
    assert f"{NAME} needs 'halving', which is neither taught before nor boxed" in check([NAME], project)


# What is refused


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("1 / 0", r"cell 3 \('1 / 0'\): raised an error\n(?s:.*)ZeroDivisionError: division by zero"),
        ("import sys; print('careful', file=sys.stderr)", "cell 3 .*wrote to stderr: careful"),
        ("import warnings; warnings.warn('old')", r"cell 3 .*wrote to stderr: (?s:.*)old"),
        ("import matplotlib.pyplot as plt; plt.plot([1]); plt.show()", "cell 3 .*give it '#. alt-zh"),
        ("print(1 / 3)", "cell 3 .*more than three decimals, '0.3333"),
        ("object()", r"cell 3 .*an address, '<object (object )?at 0x"),
        ("import os; os._exit(1)", "cell 3 .*the kernel died"),
        ("import time; time.sleep(30)", "cell 3 .*took more than 1 s"),
    ],
)
def test_a_chapter_that_misbehaves_leaves_the_old_notebooks(project, monkeypatch, capsys, cell, message):
    monkeypatch.setattr(execute, "CELL_TIMEOUT", 1 if "sleep" in cell else 20)
    before = built_bytes(project)
    head = CHAPTER.split("\n# %%\n")[0]
    project.source(NAME).write_text(f"{head}\n# %%\n{cell}\n", "utf-8")
    with pytest.raises(BuildError, match=f"{NAME}, {message}"):
        build(NAME, project)
    assert built_bytes(project) == before
    assert not list(project.root.rglob("*.new"))


def test_stored_outputs_are_held_to_the_rules_too(project, monkeypatch):
    never_run(monkeypatch)
    edit(project, f"notebooks/{NAME}.py", "#| alt-en: a red dot\n", "")
    assert "alt-en" in check([NAME], project)[0]
    with pytest.raises(BuildError, match="alt-en"):
        build(NAME, project)


def test_a_missing_extra_module_is_refused(project):
    edit(project, f"notebooks/{NAME}.py", "vlmlearn.unused", "vlmlearn.nowhere")
    with pytest.raises(BuildError, match=f"{NAME}: no module 'vlmlearn.nowhere'"):
        build(NAME, project)


def test_only_github_has_a_badge(project):
    edit(project, "pyproject.toml", "github.com", "example.org")
    with pytest.raises(BuildError, match=r"example\.org.*not on GitHub"):
        build(NAME, project)


# The command line


def test_command_line(project, monkeypatch, capsys):
    never_run(monkeypatch)
    assert main(["--check"], project) == 0
    assert main([NAME], project) == 0
    assert f"{NAME}: outputs reused, 0." in capsys.readouterr().out
    assert main(["--check", "07_nothing"], project) == 2
    assert f"there are: {NAME}" in capsys.readouterr().err
    edit(project, f"notebooks/{NAME}.py", "# Text", "# Other text")
    before = built_bytes(project)
    assert main(["--check"], project) == 1
    assert "to be rebuilt" in capsys.readouterr().out
    assert built_bytes(project) == before


def test_command_line_goes_on_after_a_failure(project, monkeypatch, capsys):
    shutil.copy(project.source(NAME), project.source("00_broken"))
    edit(project, "notebooks/00_broken.py", "needs:", "need:")
    assert main([], project) == 1
    output = capsys.readouterr()
    assert "00_broken: unknown header key 'need'" in output.err
    assert f"{NAME}: outputs reused" in output.out


def test_reasons_to_run_is_empty_when_current(project):
    chapter = read_chapter(project.source(NAME))
    assert reasons_to_run(chapter, project) == []
    stored = json.loads(project.built("zh", NAME).read_text("utf-8"))
    del stored["metadata"]["vlmlearn"]
    project.built("zh", NAME).write_text(json.dumps(stored), "utf-8")
    assert reasons_to_run(chapter, project) == ["everything, it was never run or has other cells now"]
