"""Losses: what each model minimises, one family a file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "align": ["align_loss"],
        "boxes": [
            "box_area",
            "box_iou",
            "generalized_box_iou",
            "giou_loss",
            "iou_loss",
            "paired_box_iou",
            "paired_generalized_box_iou",
        ],
        "contrastive": ["clip_loss"],
        "dense": ["cross_entropy_loss", "dice_loss", "heatmap_mse_loss", "mask_dice_loss", "silog_loss"],
        "distributed": ["gathered_clip_loss", "ring_siglip_loss"],
        "focal": ["heatmap_focal_loss", "sigmoid_focal_loss"],
        "laplace": ["laplace_depth_loss"],
        "multi_task": ["FixedWeights", "GradNorm", "UncertaintyWeights"],
        "regression": ["smooth_l1_loss"],
        "sigmoid": ["siglip_loss"],
    },
)
