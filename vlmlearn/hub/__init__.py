"""Published checkpoints (extra ``hub``) and the package's own small trained models, in its own classes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checkpoint": ["Checkpoint", "load"],
        "files": ["Source"],
        "images": ["ImageProcessor"],
        "naflex": ["NaFlexProcessor"],
        "shipped": ["Shipped", "load_shipped", "save_shipped"],
        "text": ["Piece", "TextBatch", "TextTokenizer"],
    },
)
