"""Losses: what each model minimises, one family a file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "align": ["align_loss"],
        "contrastive": ["clip_loss"],
        "distributed": ["gathered_clip_loss", "ring_siglip_loss"],
        "sigmoid": ["siglip_loss"],
    },
)
