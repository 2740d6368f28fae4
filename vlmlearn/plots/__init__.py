"""Every figure style and picture helper the notebooks use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "curves": ["recorded_spread", "training_curve"],
        "pictures": ["Html", "picture_grid", "retrieval_panel", "search_panel"],
        "similarity": ["similarity_heatmap"],
        "style": ["COLORS", "figure"],
    },
)
