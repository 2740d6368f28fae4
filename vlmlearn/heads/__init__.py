"""What is put on top of encoders: one room a family of tasks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["retrieval", "vision"])
