"""What our book adds to Sphinx: language switch, links between the languages, Chinese search, local MathJax."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from book.site.search import SearchChinese

OTHER = {"zh": "en", "en": "zh"}
MATHJAX = ("tex-svg.js", "input/tex/extensions")  # SVG needs no fonts, which browsers may refuse to file://


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_config_value("vlmlearn_address", "", "html")
    app.add_search_language(SearchChinese)
    app.connect("html-page-context", add_languages)
    app.connect("html-page-context", drop_thebe)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", write_texts)
    app.config.mathjax_path = f"mathjax/{MATHJAX[0]}"
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_languages(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Tell templates and search engines where the same page stands in the other language."""
    language = (app.config.language or "en")[:2]
    site = f"{context['content_root']}.."  # from this page to the folder that holds both books
    context["reader_language"] = language
    context["other_language"] = OTHER[language]
    context["other_page"] = f"{site}/{OTHER[language]}/{page}.html"
    root = app.config.vlmlearn_address or site
    addresses = {code: f"{root}/{code}/{page}.html" for code in ("zh", "en")}
    addresses["x-default"] = f"{root}/index.html" if page == "index" else addresses["en"]
    context["metatags"] = context.get("metatags", "") + "".join(
        f'<link rel="alternate" hreflang="{code}" href="{address}">\n' for code, address in addresses.items()
    )


def drop_thebe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Leave out the scripts for running cells on a server, which Jupyter Book adds to every page unasked."""
    scripts = context["script_files"]
    context["script_files"] = [s for s in scripts if "thebe" not in f"{s.filename}{s.attributes}".lower()]


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Put the MathJax of the package sphinx-mathjax-offline, as far as we use it, beside the pages."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if error is not None or spec is None or spec.origin is None:
        return
    source = Path(spec.origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source / MATHJAX[0], target)
    shutil.copytree(source / MATHJAX[1], target / MATHJAX[1], dirs_exist_ok=True)


def write_texts(app: Sphinx, error: Exception | None) -> None:
    """Write the prose of every page into one script, from which the search page shows the found sentences."""
    if error is not None:
        return
    texts = {}
    for page in sorted(app.env.found_docs):
        prose = app.env.get_doctree(page).findall(lambda n: isinstance(n, nodes.title | nodes.paragraph))
        texts[page] = " ".join(" ".join(node.astext().split()) for node in prose)
    script = f"const PAGE_TEXTS = {json.dumps(texts, ensure_ascii=False)};\n"
    (Path(app.outdir) / "_static" / "texts.js").write_text(script, "utf-8")
