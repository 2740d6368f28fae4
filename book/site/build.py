"""Put the sources of both languages together and let Jupyter Book turn them into one site.

    sources/zh  sources/en   notebooks, pages, _config.yml and _toc.yml, gathered by ``gather``
    site/index.html          the landing page, picks the reader's language
    site/zh  site/en         the two books, same file names in both

Nothing is run: outputs are those stored in the notebooks. A warning of Sphinx fails the build.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from book.project import HERE, LANGUAGES, BuildError, Project
from book.site import api, pages
from book.site.contents import parts

SITE = Path(__file__).parent
DEFAULT_OUT = HERE / "book" / "_build" / "site"
ABOUT = {"zh": "关于课程", "en": "About the course"}
TITLE = {"zh": "亲手造出视觉语言模型", "en": "Build vision–language models yourself"}
AUTHOR = {"zh": "vlmlearn 的贡献者", "en": "the contributors of vlmlearn"}
LOCALE = {"zh": "zh_CN", "en": "en"}


def build(out: Path, project: Project, *, address: str = "") -> None:
    """Build the site of ``project`` into ``out``; a site that is already there is replaced.

    Args:
        address: where the site will be served, for links that must name it in full; empty for relative ones.

    Raises:
        BuildError: ``out`` holds something else than a site, a notebook is not built in both languages, or
            Jupyter Book warns or fails; the site of the earlier build then stays.
    """
    if out.exists() and any(out.iterdir()) and not (out / ".nojekyll").exists():
        raise BuildError(
            f"{out} holds something else than a site: choose an empty or a new folder with --out"
        )
    with tempfile.TemporaryDirectory(prefix="vlmlearn-site-") as folder:
        work = Path(folder)
        for language in LANGUAGES:
            gather(work / "sources" / language, language, project, address=address)
        _run_jupyter_book(work)
        site = work / "site"
        for language in LANGUAGES:
            shutil.move(work / "built" / language / "_build" / "html", site / language)
        shutil.copy2(SITE / "landing.html", site / "index.html")
        (site / ".nojekyll").touch()  # GitHub Pages would otherwise hide the folders that start with _
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(site, out)


def gather(target: Path, language: str, project: Project, *, address: str = "") -> None:
    """Write everything that Jupyter Book reads for the book of one language into ``target``."""
    chapters = notebooks(project)
    shutil.copytree(SITE / "pages" / language, target)
    for name in chapters:
        shutil.copy2(project.built(language, name), target)
    generated = pages.generated(language, chapters) | api.pages(language, project)
    for name, text in generated.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text, "utf-8")
    for file, content in {
        "_config.yml": configuration(language, project, address),
        "_toc.yml": table_of_contents(language, project),
    }.items():
        (target / file).write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")


def notebooks(project: Project) -> list[str]:
    """The chapters built in both languages, in reading order.

    Raises:
        BuildError: a chapter is built in one language only, or none is built at all.
    """
    found = {
        code: {path.stem for path in project.built(code, "").parent.glob("*.ipynb")} for code in LANGUAGES
    }
    if alone := found["zh"] ^ found["en"]:
        raise BuildError(f"{min(alone)} is built in one language only: run python -m book.notebooks")
    if not found["zh"]:
        raise BuildError("no chapter is built: run python -m book.notebooks")
    return sorted(found["zh"])


def configuration(language: str, project: Project, address: str = "") -> dict[str, Any]:
    """``config.yml`` with what differs between the languages filled in."""
    config: dict[str, Any] = yaml.safe_load((SITE / "config.yml").read_text(encoding="utf-8"))
    config |= {"title": TITLE[language], "author": AUTHOR[language]}
    repository = {"url": project.repository(), "path_to_book": f"notebooks/{language}", "branch": "main"}
    config["repository"] = repository
    config["sphinx"]["config"] |= {
        "language": LOCALE[language],
        "html_favicon": str(SITE / "static" / "icon.svg"),
        "html_static_path": [str(SITE / "static")],
        "templates_path": [str(SITE / "templates")],
        "vlmlearn_address": address.rstrip("/"),
    }
    return config


def table_of_contents(language: str, project: Project) -> dict[str, Any]:
    """``_toc.yml``: the built chapters by part, then the pages about the course."""
    chapters = notebooks(project)
    grouped = []
    for part in parts():
        files = [{"file": name} for name in chapters if name.split("_")[0] in part.chapters]
        if files:
            grouped.append({"caption": part.title[language], "chapters": files})
    reference = {"file": "api/index", "sections": [{"file": name} for name in api.names(project)]}
    about = [{"file": name} for name in ("learners", "teachers", "glossary")]
    grouped.append({"caption": ABOUT[language], "chapters": [*about, reference]})
    return {"format": "jb-book", "root": "index", "parts": grouped}


def _run_jupyter_book(work: Path) -> None:
    """Both languages at the same time, each in a process of its own."""
    search = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(search)}
    code = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", code, "build", "-q", "-W", "--keep-going"]
    processes = {
        language: subprocess.Popen(
            [*command, work / "sources" / language, "--path-output", work / "built" / language],
            cwd=work,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for language in LANGUAGES
    }
    printed = {language: process.communicate()[0] for language, process in processes.items()}
    failed = [language for language, process in processes.items() if process.returncode]
    if failed:
        raise BuildError(
            "\n".join(f"{language}: Jupyter Book failed\n{printed[language]}" for language in failed)
        )
