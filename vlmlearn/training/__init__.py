"""Training: one loop, its schedule and optimizers, and the recipes behind every recorded result."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batches": ["shuffled_batches"],
        "distributed": ["fit_together"],
        "loop": ["History", "TrainConfig", "fit"],
        "optimizers": ["Muon", "make_optimizers"],
        "processes": ["run_processes"],
        "ring": ["RingReport", "ring_demo"],
        "schedules": ["warmup_cosine"],
    },
)
