"""Every figure style and picture helper the notebooks use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "arrays": ["side_by_side"],
        "curves": ["recorded_spread", "training_curve"],
        "gap": ["modality_gap_map"],
        "labels": ["pair_table", "scene_labels"],
        "ledger": ["bit_ledger"],
        "pictures": ["Html", "matching_game", "picture_grid", "retrieval_panel", "search_panel"],
        "similarity": ["similarity_heatmap"],
        "style": ["COLORS", "figure"],
    },
)
