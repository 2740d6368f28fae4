"""What a picture holds: task heads on an encoder's feature maps or tokens, and the decoding of what they say."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["decoding"],
    submod_attrs={
        "classification": ["ClassificationConfig", "ClassificationHead"],
        "depth": ["DepthEstimationConfig", "DepthEstimationHead"],
        "detection": ["DetectionConfig", "DetectionHead"],
        "factory": ["HeadConfiguration", "TaskType", "create_vision_head"],
        "instances": [
            "InstanceSegmentationConfig",
            "InstanceSegmentationHead",
            "coefficients_of",
            "mask_logits",
        ],
        "keypoints": ["KeypointConfig", "KeypointHead"],
        "multi_task": ["MultiTaskHead", "create_multi_task_head"],
        "options": ["HeadConfig"],
        "reading": ["boxes_at", "masks_at", "peaks_of", "rows_at"],
        "saving": ["load_head", "save_head"],
        "segmentation": ["SegmentationConfig", "SegmentationHead"],
    },
)
