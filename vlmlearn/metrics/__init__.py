"""How well it went."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bits": ["carried_bits", "retrieval_bits"],
        "retrieval": ["recall_at_k"],
    },
)
