"""Heads by name, and the three presets."""

import pytest

from tests.heads.vision.tiny import features
from vlmlearn.heads.vision import (
    ClassificationHead,
    DepthEstimationHead,
    DetectionConfig,
    DetectionHead,
    HeadConfiguration,
    InstanceSegmentationHead,
    KeypointHead,
    SegmentationHead,
    TaskType,
    create_vision_head,
)
from vlmlearn.heads.vision.factory import HEADS

CLASSES = {
    "classification": ClassificationHead,
    "detection": DetectionHead,
    "segmentation": SegmentationHead,
    "depth_estimation": DepthEstimationHead,
    "instance_segmentation": InstanceSegmentationHead,
    "keypoint_detection": KeypointHead,
}
PRESETS = ("default", "efficient", "high_performance")


def preset(name, task):
    return getattr(HeadConfiguration, f"get_{name}_config")(task)


def test_every_task_has_its_head():
    assert {task.value: kind for task, kind in HEADS.items()} == CLASSES
    assert list(HEADS) == list(TaskType)


@pytest.mark.parametrize("task", list(TaskType))
def test_by_member_or_by_value(task):
    for name in (task, task.value):
        head = create_vision_head(name, in_channels=6, hidden_dim=8)
        assert type(head) is CLASSES[task.value] and head.in_channels == (6,) and head.config.hidden_dim == 8


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("task", list(TaskType))
def test_presets_survive_json_and_make_heads(task, name):
    config = preset(name, task)
    assert type(config).from_json(config.to_json()) == config
    smaller = dict(config, hidden_dim=16)
    if task is TaskType.INSTANCE_SEGMENTATION:
        smaller["num_instances"] = 5
    head = create_vision_head(task, 6, **smaller)
    for value in head(features("map")).values():
        assert value.isfinite().all()


@pytest.mark.parametrize("task", list(TaskType))
def test_presets_differ_as_documented(task):
    default, efficient, high = (preset(name, task) for name in PRESETS)
    assert default == HEADS[task].config_class()
    assert default.hidden_dim == 256 and not default.use_attention and not default.use_ffn
    assert dict(efficient) == dict(
        default, hidden_dim=128, use_ffn=True, ffn_type="glu", ffn_expansion_factor=2
    )
    assert not efficient.use_attention
    assert dict(high) == dict(
        default,
        hidden_dim=512,
        use_attention=True,
        attention_type="differential",
        use_ffn=True,
        ffn_type="swiglu",
        ffn_expansion_factor=8,
        dropout_rate=0.2,
    )


def test_a_preset_is_what_the_guide_prints():
    config = HeadConfiguration.get_default_config(TaskType.DETECTION)
    assert isinstance(config, DetectionConfig)
    assert (config["num_classes"], config["num_anchors"], config["bbox_dims"]) == (80, 9, 4)


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(
        ValueError, match=r"task_type is 'detect', did you mean 'detection'.* expected one of"
    ):
        create_vision_head("detect", 6)
    with pytest.raises(ValueError, match="did you mean 'depth_estimation'"):
        HeadConfiguration.get_efficient_config("depth")
    with pytest.raises(ValueError, match="no option 'num_ancors', did you mean 'num_anchors'"):
        create_vision_head("detection", 6, num_ancors=3)
    with pytest.raises(ValueError, match="no option 'num_anchors'"):
        create_vision_head("segmentation", 6, num_anchors=3)
