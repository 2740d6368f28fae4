"""What a picture holds: task heads on an encoder's feature maps or tokens, and the decoding of what they say."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["decoding"],
    submod_attrs={},
)
