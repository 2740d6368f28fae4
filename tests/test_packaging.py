"""The package as others get it: what importing costs, what the wheel holds, which versions it takes."""

import importlib.util
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import vlmlearn
from book.project import Project

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DATA = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "vlmlearn").rglob("*")
    if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")
)
GENERATED = re.compile(r"\[\[\[cog.*?\[\[\[end\]\]\]", re.DOTALL)
PACKAGES = ["vlmlearn", *(m.name for m in pkgutil.walk_packages(vlmlearn.__path__, "vlmlearn.") if m.ispkg)]


def python(code: str, path: Path = ROOT, cwd: Path = ROOT) -> str:
    """Run ``code`` in a Python of its own that finds ``vlmlearn`` in ``path``; what it prints."""
    environment = os.environ | {"PYTHONPATH": str(path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_heavy():
    heavy = "{'torch', 'matplotlib', 'numpy', 'einops', 'jaxtyping', 'tqdm', 'safetensors', 'IPython'}"
    assert python(f"import sys, vlmlearn; print(sorted({heavy} & set(sys.modules)))") == "[]"


def test_every_package_is_lazy():
    heavy = "{'torch', 'matplotlib'}"
    assert python(f"import sys, {', '.join(PACKAGES)}; print(sorted({heavy} & set(sys.modules)))") == "[]"


def test_every_name_a_package_offers_can_be_loaded():
    python(
        f"import importlib\n"
        f"for package in map(importlib.import_module, {PACKAGES}):\n"
        f"    for name in getattr(package, '__all__', []):\n"
        f"        getattr(package, name)"
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built without network from a copy of the tree."""
    tree = tmp_path_factory.mktemp("tree") / "vlmlearn"
    unwanted = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "__pycache__", "_build")
    shutil.copytree(ROOT, tree, ignore=unwanted)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tree / "dist")]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (tree / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder with the wheel's contents: what ``pip install`` puts into site-packages."""
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(site)
    return site


def test_the_wheel_is_loaded_from_where_it_was_installed(installed):
    code = "from importlib.metadata import version; import vlmlearn as v; "
    code += "print(v.__file__, v.__version__, version('vlmlearn'))"
    file, version, recorded = python(code, installed, installed).split()
    assert Path(file).is_relative_to(installed)
    assert version == recorded == vlmlearn.__version__


def test_the_wheel_computes(installed):
    code = "import torch, vlmlearn.losses as l; print(l.clip_loss(torch.eye(3), torch.eye(3), 100.0).item())"
    assert float(python(code, installed, installed)) < 1e-6


def test_the_wheel_holds_the_data(installed):
    assert DATA, "no data in the tree: nothing was compared"
    assert not [path for path in DATA if not (installed / path).exists()]
    code = "from vlmlearn.training.recipes.record import load_results; print(load_results('01')['chapter'])"
    assert python(code, installed, installed) == "01"


def test_the_wheel_holds_nothing_else(installed):
    tops = {path.name for path in installed.iterdir()}
    assert tops == {"vlmlearn", f"vlmlearn-{vlmlearn.__version__}.dist-info"}
    licenses = {path.name for path in installed.glob("*.dist-info/licenses/*")}
    assert licenses == {"LICENSE", "LICENSE-prose"}


def requirements() -> list[Requirement]:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [r for group in groups for r in map(Requirement, group) if r.name != "vlmlearn"]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line.split("#")[0].strip().split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pinned}


def test_what_is_asked_for_is_pinned_and_the_pin_is_allowed():
    known = pins()
    missing = [r.name for r in requirements() if canonicalize_name(r.name) not in known]
    assert not missing, f"add to constraints.txt: {missing}"
    assert not [str(r) for r in requirements() if known[canonicalize_name(r.name)] not in r.specifier]


def test_versions_have_lower_bounds_only():
    """But for Jupyter Book, whose version 2 is another program."""
    bounded = [r for r in requirements() if r.name != "jupyter-book"]
    assert not [str(r) for r in bounded if [s.operator for s in r.specifier] != [">="]]


def test_torch_is_pinned_for_every_build_of_it_and_torchvision_is_not_wanted():
    assert "+" not in pins()["torch"]
    assert "torchvision" not in {*pins(), *(r.name for r in requirements())}


def test_the_tools_of_the_tests_are_those_that_are_installed():
    names = ["build", "cogapp", "hypothesis", "nbval", "importlinter", "mypy", "ruff", "yaml"]
    assert not [name for name in names if importlib.util.find_spec(name) is None]


def test_the_address_of_the_repository_stands_once():
    """In pyproject.toml; what is generated from there (READMEs in part, built notebooks) may repeat it."""
    address = Project().repository().split("//")[1]
    slug = address.split("/", 1)[1]
    folders = ("vlmlearn", "book", "notebooks", "tests", ".ci")
    files = [*ROOT.glob("*.*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    texts = {".py", ".md", ".toml", ".yml", ".txt", ".svg", ".css", ".html", ".js", ".json", ""}
    found = []
    for path in files:
        if path.is_file() and path.suffix in texts and "_build" not in path.parts:
            written = re.sub(
                r"\[\[\[cog.*?\[\[\[end\]\]\]", "", path.read_text(encoding="utf-8"), flags=re.DOTALL
            )
            found += [path.relative_to(ROOT).as_posix()] * len(
                re.findall(f"github(?:[.]com)?/{slug}", written)
            )
    assert found == ["pyproject.toml"]
