"""open_clip's own ``loss.py``, loaded by path: importing the package would need torchvision.

``pip install --no-deps open_clip_torch`` is enough.
"""

import importlib.util
from pathlib import Path
from types import ModuleType


def load_open_clip_loss() -> ModuleType | None:
    """open_clip's module of losses, or None where the package is not installed."""
    package = importlib.util.find_spec("open_clip")  # finds a top-level package without importing it
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0], "loss.py")
    spec = importlib.util.spec_from_file_location("open_clip_loss_by_path", path)
    if not path.exists() or spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
