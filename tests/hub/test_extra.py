"""The error of someone who has not installed the extra."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("PIL", "ImageProcessor"),
        ("tokenizers", "TextTokenizer"),
        ("tokenizers", "load"),
        ("sentencepiece", "load"),
    ],
)
def test_it_says_what_to_install(package, name):
    code = (
        f"import sys; sys.modules[{package!r}] = None; import vlmlearn.hub; from vlmlearn.hub import {name}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: published checkpoints need the package")
    assert last.endswith('pip install "vlmlearn[hub]"')
