"""open_clip's own ``modified_resnet.py``, loaded by path: importing the package would need torchvision.

``pip install --no-deps open_clip_torch`` is enough.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

NAME = "open_clip_by_path"


def load_open_clip_resnet() -> ModuleType | None:
    """open_clip's module of CLIP's ResNet, or None where the package is not installed."""
    package = importlib.util.find_spec("open_clip")  # finds a top-level package without importing it
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0], "modified_resnet.py")
    spec = importlib.util.spec_from_file_location(f"{NAME}.modified_resnet", path)
    if not path.exists() or spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    # What it takes from its neighbour, which needs torchvision, serves frozen and intermediate layers only.
    neighbour = ModuleType(f"{NAME}.utils")
    neighbour.__dict__.update(freeze_batch_norm_2d=None, feature_take_indices=None)
    with patch.dict(sys.modules, {NAME: ModuleType(NAME), f"{NAME}.utils": neighbour}):
        spec.loader.exec_module(module)
    return module
