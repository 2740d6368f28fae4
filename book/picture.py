"""The picture on the front page: what chapter 01's model finds, photographed from the built notebook.

``python -m book.picture`` writes ``book/images/retrieval.png``. It needs chromium; only those who rebuild
chapter 01 run it.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import nbformat

from book.project import BuildError, Project

PICTURE = Path("book/images/retrieval.png")
SIZE = (700, 230)
CELL = "plots.search_panel("
PAGE = """<!doctype html><meta charset="utf-8"><style>
body { font: 15px sans-serif; margin: 16px; background: white; overflow: hidden } p { margin: 0 0 10px }
</style>"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OFFLINE = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def main() -> None:
    """Take the picture.

    Raises:
        BuildError: chapter 01 is not built, or no browser is installed.
    """
    project = Project()
    panel = _panel(project)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise BuildError(f"no browser found, looked for {', '.join(BROWSERS)}: install chromium")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        page.write_text(PAGE + panel, "utf-8")
        size = f"--window-size={SIZE[0]},{SIZE[1]}"
        target = f"--screenshot={project.root / PICTURE}"
        profile = f"--user-data-dir={folder}/profile"
        command = [browser, *OFFLINE, profile, "--force-device-scale-factor=2", size, target, page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    print(f"wrote {PICTURE}")


def _panel(project: Project) -> str:
    """The HTML of the search panel in the English notebook, which shows both languages anyway."""
    path = project.built("en", "01_clip_loss")
    if path.exists():
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and CELL in cell.source:
                return str(
                    next(o["data"]["text/html"] for o in cell.outputs if "text/html" in o.get("data", {}))
                )
    raise BuildError(f"no search panel in {path.name}: build it with python -m book.notebooks 01_clip_loss")


if __name__ == "__main__":
    main()
