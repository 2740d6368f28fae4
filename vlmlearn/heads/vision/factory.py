"""Heads by name, and configurations that are a good start."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from vlmlearn.heads.vision.classification import ClassificationHead
from vlmlearn.heads.vision.depth import DepthEstimationHead
from vlmlearn.heads.vision.detection import DetectionHead
from vlmlearn.heads.vision.head import VisionHead
from vlmlearn.heads.vision.instances import InstanceSegmentationHead
from vlmlearn.heads.vision.keypoints import KeypointHead
from vlmlearn.heads.vision.options import HeadConfig, nearest
from vlmlearn.heads.vision.segmentation import SegmentationHead


class TaskType(StrEnum):
    """What a head is for; the value is the name in a JSON file."""

    CLASSIFICATION = "classification"
    DETECTION = "detection"
    SEGMENTATION = "segmentation"
    DEPTH_ESTIMATION = "depth_estimation"
    INSTANCE_SEGMENTATION = "instance_segmentation"
    KEYPOINT_DETECTION = "keypoint_detection"


HEADS: dict[TaskType, type[VisionHead]] = {
    TaskType.CLASSIFICATION: ClassificationHead,
    TaskType.DETECTION: DetectionHead,
    TaskType.SEGMENTATION: SegmentationHead,
    TaskType.DEPTH_ESTIMATION: DepthEstimationHead,
    TaskType.INSTANCE_SEGMENTATION: InstanceSegmentationHead,
    TaskType.KEYPOINT_DETECTION: KeypointHead,
}


def create_vision_head(
    task_type: TaskType | str, in_channels: int | Sequence[int], **options: Any
) -> VisionHead:
    """The head for a task.

        create_vision_head(TaskType.DETECTION, in_channels=64, num_classes=6, num_anchors=1)
        create_vision_head("detection", 64, **HeadConfiguration.get_efficient_config("detection"))

    Args:
        task_type: a ``TaskType`` or its value.
        in_channels: the encoder's channels; for a list of scales one number each, the finest first.
        options: the fields of the head's config.

    Raises:
        ValueError: an unknown task or option, or one out of its range; the nearest name is offered.
    """
    return HEADS[task_named(task_type)](in_channels, **options)


def task_named(task_type: TaskType | str) -> TaskType:
    """The task of that value; ``ValueError`` that offers the nearest for any other."""
    known = [task.value for task in TaskType]
    if task_type not in known:
        raise ValueError(
            f"task_type is {task_type!r}{nearest(task_type, known)}; expected one of {', '.join(known)}"
        )
    return TaskType(task_type)


class HeadConfiguration:
    """Three ready configurations for each task; ``dataclasses.replace`` or further options change them.

    create_vision_head(task, 64, **dict(HeadConfiguration.get_default_config(task), num_classes=6))
    """

    @staticmethod
    def get_default_config(task_type: TaskType | str) -> HeadConfig:
        """256 channels; neither attention nor feed-forward network."""
        return HEADS[task_named(task_type)].config_class()

    @staticmethod
    def get_efficient_config(task_type: TaskType | str) -> HeadConfig:
        """128 channels, a GLU network twice as wide, no attention."""
        default = HeadConfiguration.get_default_config(task_type)
        return replace(default, hidden_dim=128, use_ffn=True, ffn_type="glu", ffn_expansion_factor=2)

    @staticmethod
    def get_high_performance_config(task_type: TaskType | str) -> HeadConfig:
        """512 channels, differential attention, a SwiGLU network eight times as wide, dropout 0.2."""
        return replace(
            HeadConfiguration.get_default_config(task_type),
            hidden_dim=512,
            use_attention=True,
            attention_type="differential",
            use_ffn=True,
            ffn_type="swiglu",
            ffn_expansion_factor=8,
            dropout_rate=0.2,
        )
