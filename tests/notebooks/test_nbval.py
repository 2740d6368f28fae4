"""Run the built notebooks again and compare what they print: strict nbval, in one language, one at a time.

By default the first two chapters and those that changed since their outputs were made;
``pytest --all-notebooks`` runs all. ``test_built.py`` shows that the other language is the same program.
"""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from book.execute import CELL_TIMEOUT, environment
from book.localise import KERNEL
from book.notebooks import reasons_to_run
from book.project import BuildError, Project
from book.source import read_chapter

PROJECT = Project()
LANGUAGE = "zh"
ALWAYS = ("00_", "01_")


def changed(name: str) -> bool:
    try:
        return bool(reasons_to_run(read_chapter(PROJECT.source(name)), PROJECT))
    except BuildError:
        return False  # which test_built.py reports, with its reason


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "chapter" in metafunc.fixturenames:
        everything = metafunc.config.getoption("--all-notebooks")
        built = [name for name in PROJECT.names() if PROJECT.built(LANGUAGE, name).exists()]
        chosen = [name for name in built if everything or name.startswith(ALWAYS) or changed(name)]
        metafunc.parametrize("chapter", chosen)


def nbval(path: Path) -> subprocess.CompletedProcess[str]:
    strict = [
        "--nbval",
        "--nbval-current-env",
        f"--nbval-cell-timeout={CELL_TIMEOUT}",
        f"--nbval-sanitize-with={Path(__file__).parent / 'sanitize.cfg'}",
        "-p",
        "no:cacheprovider",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        *strict,
        f"--rootdir={path.parent}",
        "-c",
        "/dev/null",
        str(path),
    ]
    ours = {**environment(PROJECT), "PYTEST_ADDOPTS": ""}  # options of this run are not options of that one
    return subprocess.run(command, cwd=PROJECT.root, env=ours, capture_output=True, text=True, check=False)


def test_prints_again_what_it_printed(chapter):
    result = nbval(PROJECT.built(LANGUAGE, chapter))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("program", "tags", "status"),
    [
        ("print(2)", [], 1),
        ("print(2)", ["nbval-ignore-output"], 0),
        ('print(\'<img src="data:image/png;base64,AAA=" alt="a">\')', [], 0),
        ('print(\'<img src="data:image/png;base64,AAA=" alt="b">\')', [], 1),
    ],
)
def test_nbval_compares_every_cell_but_the_live_and_all_but_pictures(tmp_path, program, tags, status):
    text = '<img src="data:image/png;base64,BBB=" alt="a">\n' if "img" in program else "1\n"
    output = nbformat.v4.new_output("stream", name="stdout", text=text)
    cell = nbformat.v4.new_code_cell(program, execution_count=1, outputs=[output], metadata={"tags": tags})
    path = tmp_path / "toy.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=KERNEL), path)
    assert nbval(path).returncode == status
