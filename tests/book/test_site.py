"""The site as files: built without a warning, complete in both languages, nothing from elsewhere, well read."""

import ast
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from book.chapters import plan
from book.project import BuildError, Project
from book.site import api
from book.site.__main__ import main
from book.site.build import build, gather, notebooks, table_of_contents
from book.site.contents import parts
from book.site.docstring import as_markdown
from book.site.map import alt, chapter_map, wrap
from book.site.pages import glossary

PROJECT = Project()
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}


class Elements(HTMLParser):
    """All start tags of a page with their attributes, and the text of its body."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == tag]


def test_is_built_in_under_a_minute(site):
    assert site.seconds < 60


def test_both_languages_have_the_same_pages(site):
    zh, en = (
        {p.relative_to(site.root / code) for p in (site.root / code).rglob("*.html")} for code in ("zh", "en")
    )
    assert zh == en
    wanted = {"index", "learners", "teachers", "glossary", "api/index", "search", *notebooks(PROJECT)}
    assert {f"{name}.html" for name in wanted} <= {path.as_posix() for path in zh}


def test_pages_say_their_language_and_where_the_other_is(site):
    for page in site.pages():
        elements = Elements(page)
        language = page.relative_to(site.root).parts[0]
        assert elements.all("html")[0]["lang"] == {"zh": "zh-CN", "en": "en"}[language], page
        links = {a["hreflang"]: a["href"] for a in elements.all("link") if a.get("rel") == "alternate"}
        assert set(links) == {"zh", "en", "x-default"}, page
        for code in ("zh", "en"):
            inside = page.relative_to(site.root / language)
            assert (page.parent / links[code]).resolve() == (site.root / code / inside).resolve()
        assert (page.parent / links["x-default"]).exists()
        (switch,) = [a for a in elements.all("a") if "language-switch" in (a.get("class") or "")]
        other = {"zh": "en", "en": "zh"}[language]
        assert (page.parent / switch["href"]).resolve() == (site.root / other / inside).resolve()


def test_nothing_is_loaded_from_elsewhere(site):
    for page in [*site.pages(), site.root / "index.html"]:
        for tag, attributes in Elements(page).found:
            loaded = attributes.get(LOADS.get(tag, "")) or ""
            if tag == "link" and attributes.get("rel") in ("stylesheet", "preload", "icon"):
                loaded = attributes.get("href") or ""
            assert not re.match(r"(https?:)?//", loaded), f"{page}: {tag} {loaded}"
            if loaded and not loaded.startswith("data:"):
                assert (page.parent / loaded.split("?")[0]).exists(), f"{page}: {tag} {loaded}"


def test_links_between_pages_lead_somewhere(site):
    for page in site.pages():
        for link in Elements(page).all("a"):
            address = (link.get("href") or "").split("#")[0].split("?")[0]
            if address and not re.match(r"[a-z]+:", address):
                assert (page.parent / address).exists(), f"{page}: {address}"


def test_every_picture_has_an_alt_text(site):
    for page in site.pages():
        for image in Elements(page).all("img"):
            if "logo" not in (image.get("src") or ""):  # beside the word Colab, on a button with that name
                assert (image.get("alt") or "").strip() and "../" not in (image["alt"] or ""), (page, image)


def test_chapters_can_be_downloaded_and_opened_in_colab(site):
    repository = PROJECT.repository().removeprefix("https://github.com/")
    for language in ("zh", "en"):
        for name in notebooks(PROJECT):
            page = site.root / language / f"{name}.html"
            links = [link.get("href") or "" for link in Elements(page).all("a")]
            assert (
                f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{language}/{name}.ipynb"
                in links
            )
            (download,) = [link for link in links if link.endswith(".ipynb") and "://" not in link]
            stored = json.loads((page.parent / download).read_text(encoding="utf-8"))
            assert stored == json.loads(PROJECT.built(language, name).read_text(encoding="utf-8"))


def test_answers_are_folded(site):
    for language in ("zh", "en"):
        for name in notebooks(PROJECT):
            cells = json.loads(PROJECT.built(language, name).read_text(encoding="utf-8"))["cells"]
            written = sum(
                "".join(c["source"]).count("<details") for c in cells if c["cell_type"] == "markdown"
            )
            folded = Elements(site.root / language / f"{name}.html").all("details")
            assert len(folded) >= written > 0
            assert not [attributes for attributes in folded if "open" in attributes]


def test_setup_and_badge_are_left_to_the_buttons(site):
    for name in notebooks(PROJECT):
        text = (site.root / "zh" / f"{name}.html").read_text(encoding="utf-8")
        assert "colab-badge" not in text and "ModuleNotFoundError" not in text


def test_a_warning_fails_the_build_and_the_earlier_site_stays(tmp_path, monkeypatch):
    pytest.importorskip("jupyter_book")
    out = tmp_path / "site"
    out.mkdir()
    (out / ".nojekyll").touch()
    (out / "index.html").write_text("earlier", encoding="utf-8")

    def gather_with_a_mistake(target, language, project, **options):
        gather(target, language, project, **options)
        (target / "learners.md").write_text("# Learners\n\n[nowhere](missing.md)\n", encoding="utf-8")

    monkeypatch.setattr("book.site.build.gather", gather_with_a_mistake)
    with pytest.raises(BuildError, match=r"missing\.md"):
        build(out, PROJECT)
    assert (out / "index.html").read_text(encoding="utf-8") == "earlier"


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").touch()
    assert main(["--out", str(tmp_path)]) == 1
    assert "holds something else" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").exists()


def empty_project(tmp_path: Path, *built: str) -> Project:
    for name in built:
        path = tmp_path / "notebooks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Project(tmp_path)


def test_a_chapter_in_one_language_only_is_refused(tmp_path):
    with pytest.raises(BuildError, match="00_start is built in one language only"):
        notebooks(empty_project(tmp_path, "zh/00_start.ipynb"))


def test_no_chapter_is_refused(tmp_path):
    with pytest.raises(BuildError, match="no chapter is built"):
        notebooks(empty_project(tmp_path))


def test_any_number_of_chapters_fits_into_the_contents(tmp_path):
    files = [f"{chapter.number}_x" for chapter in plan()]
    shown = [f"{code}/{name}.ipynb" for code in ("zh", "en") for name in files]
    project = empty_project(tmp_path, *shown)
    for path in ("pyproject.toml", "vlmlearn"):
        (tmp_path / path).symlink_to(PROJECT.root / path)
    listed = [row["file"] for part in table_of_contents("zh", project)["parts"] for row in part["chapters"]]
    assert listed == [*files, "learners", "teachers", "glossary", "api/index"]


def test_the_parts_hold_every_chapter_once():
    assert [number for part in parts() for number in part.chapters] == [c.number for c in plan()]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("columns", [2, 4])
def test_the_map_shows_every_chapter_inside_its_card(language, columns):
    svg = chapter_map(
        language, plan(), parts(), {"00": "00_start.html"}, columns=columns, width=180 * columns
    )
    assert "\n\n" not in svg
    assert svg.count("<rect") == len(plan()) and svg.count("<a ") == 1
    for chapter in plan():
        assert f">{chapter.number}</text>" in svg
    rectangles = re.findall(
        r'<rect x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="(\d+)".*?</text></(?:a|g)>', svg
    )
    cards = re.findall(r"<rect.*?</(?:a|g)>", svg)
    for (top, height), card in zip(rectangles, cards, strict=True):
        assert all(
            float(y) < float(top) + float(height) for y in re.findall(r'<tspan x="[\d.]+" y="([\d.]+)"', card)
        )
    assert "<" not in alt(language, plan(), parts(), {}) and "Flamingo" in alt(language, plan(), parts(), {})


def test_lines_break_between_words_and_between_chinese_characters():
    assert wrap("Dual encoders at work", 8) == ["Dual encoders", "at work"]
    assert wrap("一个很小的模型", 4) == ["一个很小", "的模型"]
    assert wrap("它看见了吗？真的", 5) == ["它看见了", "吗？真的"]


def test_the_glossary_page_holds_every_term():
    terms = yaml.safe_load((PROJECT.root / "book" / "glossary.yml").read_text(encoding="utf-8"))
    for language in ("zh", "en"):
        assert (
            len([line for line in glossary(language).splitlines() if line.startswith("| ")]) == len(terms) + 1
        )


def test_the_reference_holds_every_public_name():
    pages = api.pages("en", PROJECT)
    for init in sorted((PROJECT.root / "vlmlearn").glob("*/__init__.py")):
        page = pages[f"api/{init.parent.name}.md"]
        for node in ast.walk(ast.parse(init.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "submod_attrs":
                for name in [n for names in ast.literal_eval(node.value).values() for n in names]:
                    assert f".{name}` · [source]" in page, (init, name)


def test_the_reference_is_read_in_a_moment():
    start = time.perf_counter()
    api.pages("zh", PROJECT)
    assert time.perf_counter() - start < 3


def test_docstrings_become_markdown():
    text = (
        "One line about ``x`` and a*b.\n\nArgs:\n    x, y: the sides, in\n        pixels [px].\n    **rest: more.\n\n"
        "Returns:\n    The area.\n\nCode:\n\n    area(1, 2)\n"
    )
    assert as_markdown(text, "zh") == (
        "One line about ``x`` and a\\*b.\n\n**参数**\n\n- `x`, `y`: the sides, in pixels \\[px\\].\n"
        "- `**rest`: more.\n\n**返回**\n\nThe area.\n\nCode:\n\n```text\narea(1, 2)\n```"
    )
