"""Training: one loop, its schedule and optimizers, and the recipes behind every recorded result."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batches": ["shuffled_batches"],
        "loop": ["History", "TrainConfig", "fit"],
        "optimizers": ["Muon", "make_optimizers"],
        "schedules": ["warmup_cosine"],
    },
)
