"""Published checkpoints, by name or from a folder, in the classes of this package. Needs ``vlmlearn[hub]``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checkpoint": ["Checkpoint", "load"],
        "files": ["Source"],
        "images": ["ImageProcessor"],
        "text": ["Piece", "TextBatch", "TextTokenizer"],
    },
)
