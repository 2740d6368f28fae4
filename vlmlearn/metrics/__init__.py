"""How well it went."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bits": ["carried_bits", "retrieval_bits"],
        "boxes": ["box_average_precision"],
        "dense": ["DepthErrors", "MeanIoU", "confusion_matrix", "depth_errors", "mean_iou"],
        "detection": ["AveragePrecision"],
        "gap": ["ModalityGap", "modality_gap"],
        "instances": ["Annotations", "Detections"],
        "keypoints": [
            "CorrectKeypoints",
            "correct_keypoints",
            "keypoint_average_precision",
            "object_keypoint_similarity",
        ],
        "masks": ["mask_average_precision"],
        "ranking": ["average_precision", "mean_average_precision"],
        "retrieval": ["recall_at_k"],
    },
)
