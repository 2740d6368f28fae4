"""How well it went."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bits": ["carried_bits", "retrieval_bits"],
        "gap": ["ModalityGap", "modality_gap"],
        "ranking": ["average_precision", "mean_average_precision"],
        "retrieval": ["recall_at_k"],
    },
)
