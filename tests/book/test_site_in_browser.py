"""The site as a reader meets it: headless Chromium, from disk and served, on a desk and on a phone."""

import functools
import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from book.project import Project
from book.site.build import notebooks

CHAPTERS = notebooks(Project())
PAGES = ["index", "learners", "teachers", "glossary", "api/index", "api/losses", *CHAPTERS]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
QUIET = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
STUCK_OUT = """
    const room = document.documentElement.clientWidth;
    return document.documentElement.scrollWidth > room
        ? [...document.querySelectorAll("article *")].filter(e => e.getBoundingClientRect().right > room + 1)
              .slice(0, 5).map(e => e.outerHTML.slice(0, 120))
        : [];
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*QUIET.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}", "--lang=zh-CN"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield Reader(driver)
    driver.quit()


class Reader:
    """A browser with a few habits: a size, a colour scheme, and a memory of what it asked the network for."""

    def __init__(self, driver) -> None:
        self.driver = driver
        self.run = driver.execute_script

    def open(self, address: str, *, width: int = 1280) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(address)

    def wait(self, condition: str, seconds: float = 15) -> None:
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, seconds, 0.1).until(lambda _: self.run(f"return {condition}"), condition)

    def requests(self) -> list[str]:
        """Addresses that pages asked for since the last call; the browser's own start page is not one."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = (e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent")
        return [address for address in sent if not address.startswith("chrome:")]

    def errors(self) -> list[str]:
        """What the console complained about since the last call."""
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]

    def search(self, site: Path, language: str, words: str) -> list[str]:
        """Search from disk; the names of the pages found."""
        self.open(f"{(site / language / 'search.html').as_uri()}?q={quote(words)}")
        self.wait("document.querySelector('#search-results .search-summary')?.innerText")
        found = "[...document.querySelectorAll('#search-results li a')].map(a => a.getAttribute('href'))"
        return [address.split(".html")[0] for address in self.run(f"return {found}")]


@pytest.fixture(scope="module")
def served(site) -> Iterator[str]:
    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    handler = functools.partial(Silent, directory=os.fspath(site.root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("how", ["disk", "served"])
def test_no_page_asks_for_anything_outside(browser, site, served, how):
    base = site.root.as_uri() if how == "disk" else served
    browser.requests(), browser.errors()
    for language in ("zh", "en"):
        for page in [*PAGES, "search"]:
            browser.open(f"{base}/{language}/{page}.html")
            browser.wait("document.readyState === 'complete'")
    asked = browser.requests()
    assert len(asked) > 100
    assert not [address for address in asked if not address.startswith((base, "data:", "blob:"))]
    assert not browser.errors()


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("page", PAGES)
def test_a_phone_never_scrolls_sideways(browser, site, language, page):
    browser.open((site.root / language / f"{page}.html").as_uri(), width=390)
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.run(STUCK_OUT) == []
    assert browser.run("return document.documentElement.scrollWidth") <= 390


def some_sentence_word() -> str:
    """Characters from the middle of a Chinese sentence of the first chapter."""
    notebook = json.loads(Project().built("zh", CHAPTERS[0]).read_text(encoding="utf-8"))
    text = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert "瞎猜能得几分" in text
    return "猜能得几"


def test_chinese_is_found_also_inside_a_sentence(browser, site):
    assert "glossary" in browser.search(site.root, "zh", "温度")
    assert {"index", "glossary"} & set(browser.search(site.root, "zh", "对比学习"))
    assert CHAPTERS[0] in browser.search(site.root, "zh", some_sentence_word())
    assert CHAPTERS[0] in browser.search(site.root, "zh", "rearrange 换轴")
    assert browser.search(site.root, "zh", "青铜器") == []


@pytest.mark.parametrize(("language", "words"), [("zh", some_sentence_word()), ("en", "GUESSING")])
def test_a_result_shows_the_sentence(browser, site, language, words):
    browser.search(site.root, language, words)
    browser.wait("document.querySelector('#search-results p.excerpt mark')")
    shown = browser.run("return document.querySelector('#search-results p.excerpt').innerText")
    assert words.lower() in shown.lower() and len(shown) > 2 * len(words)


def test_english_is_found(browser, site):
    assert "glossary" in browser.search(site.root, "en", "temperature")
    assert CHAPTERS[0] in browser.search(site.root, "en", "guessing")
    assert "api/losses" in browser.search(site.root, "en", "clip_loss")
    assert browser.search(site.root, "en", "archaeopteryx") == []


@pytest.mark.parametrize("page", PAGES)
def test_the_switch_lands_on_the_same_page_and_is_remembered(browser, site, page):
    browser.open((site.root / "zh" / f"{page}.html").as_uri())
    for there in ("en", "zh"):
        browser.run("document.querySelector('a.language-switch').click()")
        browser.wait(
            f"location.pathname.endsWith('/{there}/{page}.html') && document.readyState == 'complete'"
        )
        assert browser.run("return localStorage.getItem('vlmlearn-language')") == there


@pytest.mark.parametrize(
    ("spoken", "chosen", "language"),
    [
        (["zh-TW", "en"], None, "zh"),
        (["en-GB"], None, "en"),
        (["fr-FR"], None, "en"),
        (["fr-FR", "zh-CN"], None, "zh"),
        (["zh-CN"], "en", "en"),
    ],
)
def test_the_landing_page_picks_the_language(browser, site, spoken, chosen, language):
    landing = (site.root / "index.html").as_uri()
    browser.open(f"{landing}?choose")
    assert browser.run("return [...document.links].map(a => a.getAttribute('href'))") == [
        "zh/index.html",
        "en/index.html",
    ]
    browser.run(
        "localStorage.clear(); if (arguments[0]) localStorage['vlmlearn-language'] = arguments[0]", chosen
    )
    source = f"Object.defineProperty(navigator, 'languages', {{get: () => {json.dumps(spoken)}}})"
    command = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    browser.open(landing)
    browser.wait(f"location.pathname.endsWith('/{language}/index.html')")
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", command)
    browser.run("localStorage.clear()")


def luminance(color: str) -> float:
    red, green, blue = (int(part) for part in color[color.index("(") + 1 : -1].split(",")[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


def test_dark_mode_is_dark_and_charts_keep_a_light_card(browser, site):
    page = (site.root / "zh" / f"{CHAPTERS[0]}.html").as_uri()
    browser.open(page)
    browser.run("localStorage.setItem('mode', 'dark'); localStorage.setItem('theme', 'dark')")
    browser.open(page)
    style = "return getComputedStyle(arguments[0] ? document.querySelector(arguments[0]) : document.body)"
    assert luminance(browser.run(f"{style}.backgroundColor", None)) < 0.15
    assert luminance(browser.run(f"{style}.color", "article p")) > 0.7
    chart = "article div.cell_output img[src*='_images/']"
    assert luminance(browser.run(f"{style}.backgroundColor", chart)) > 0.9
    assert browser.run(f"{style}.filter", chart) == "none"
    assert luminance(browser.run(f"{style}.color", "article .text_html figcaption")) > 0.5
    browser.run("localStorage.clear()")


def test_answers_unfold_on_a_click(browser, site):
    browser.open((site.root / "en" / f"{CHAPTERS[0]}.html").as_uri())
    details = "document.querySelector('article details')"
    height = f"return {details}.getBoundingClientRect().height"
    folded = browser.run(height)
    browser.run(f"{details}.querySelector('summary').click()")
    assert browser.run(height) > folded


def test_code_has_copy_buttons(browser, site):
    browser.open((site.root / "zh" / f"{CHAPTERS[0]}.html").as_uri())
    browser.wait("document.querySelectorAll('article .cell_input button.copybtn').length > 10")


def test_formulas_are_drawn_from_disk(browser, site, tmp_path):
    """Chapter 00 has no formula: a page of the site with one put in stands for those that have."""
    shutil.copytree(site.root / "zh" / "_static", tmp_path / "_static")
    script = '<script src="_static/mathjax/tex-svg.js"></script>'
    formula = r"\(\mathcal{L} = -\tfrac{1}{N}\sum_i \log \boldsymbol{p}_{ii}\)"
    (tmp_path / "page.html").write_text(f"<!doctype html>{script}<p>{formula}</p>", encoding="utf-8")
    browser.requests()
    browser.open((tmp_path / "page.html").as_uri())
    browser.wait("document.querySelector('mjx-container svg') && !document.querySelector('mjx-merror')")
    assert not [address for address in browser.requests() if address.startswith("http")]
