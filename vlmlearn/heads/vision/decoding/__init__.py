"""From what a vision head says to boxes, masks and points, and from labels to what it should say."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "anchors": ["anchor_boxes", "anchor_sides", "cell_centres", "pyramid_anchors"],
        "assign": [
            "BACKGROUND",
            "IGNORED",
            "assign_anchors",
            "centre_cells",
            "error_radius",
            "gaussian_heat_maps",
        ],
        "box_coder": ["decode_deltas", "decode_ltrb", "encode_deltas", "encode_ltrb"],
        "masks": ["inside_boxes", "paste_masks", "prototype_masks"],
        "nms": ["SoftKept", "batched_nms", "nms", "soft_nms"],
        "peaks": ["Peaks", "local_peaks", "soft_argmax", "top_peaks"],
    },
)
