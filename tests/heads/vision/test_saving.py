"""What is saved is loaded: the same options, the same answers."""

import json

import pytest
import torch

from tests.heads.vision.tiny import CHANNELS, KINDS, SMALL, features
from vlmlearn.heads.vision import TaskType, create_multi_task_head, create_vision_head, load_head, save_head

FEW = {
    TaskType.CLASSIFICATION: {"num_classes": 3},
    TaskType.DETECTION: {"num_classes": 3, "num_anchors": 2},
    TaskType.SEGMENTATION: {"num_classes": 3, "use_skip_connections": True},
    TaskType.DEPTH_ESTIMATION: {"max_depth": 9.5},
    TaskType.INSTANCE_SEGMENTATION: {"num_classes": 3, "num_instances": 4, "mask_size": (4, 5)},
    TaskType.KEYPOINT_DETECTION: {"num_classes": 3, "upsampling_factor": 3},
}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", list(TaskType))
def test_the_same_answers(task, kind, tmp_path):
    head = create_vision_head(
        task,
        CHANNELS[kind],
        **SMALL,
        **FEW[task],
        normalization_type="batch_norm",
        use_attention=True,
        attention_type="differential",
        dropout_rate=0.1,
    )
    head(features(kind))  # batch norm remembers what it saw
    save_head(head.eval(), tmp_path / "new" / "folder")
    again = load_head(tmp_path / "new" / "folder")
    assert type(again) is type(head) and again.config == head.config and not again.training
    assert again.in_channels == head.in_channels
    assert_same(again(features(kind)), head(features(kind)))


def test_several_tasks(tmp_path):
    tasks = {str(task.value): {"task_type": task, **SMALL, **FEW[task]} for task in TaskType}
    head = create_multi_task_head(tasks, 8, in_channels=6, use_ffn=True, ffn_type="glu")
    save_head(head.eval(), tmp_path)
    again = load_head(tmp_path)
    assert again.config == head.config
    for task, answer in head(features("map")).items():
        assert_same(again(features("map"))[task], answer)


def test_saving_again_replaces(tmp_path):
    for classes in (3, 4):
        save_head(create_vision_head("classification", 6, num_classes=classes, **SMALL), tmp_path)
    assert load_head(tmp_path).config.num_classes == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["head.json", "head.safetensors"]


@pytest.mark.bad_input
def test_bad_input(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"head\.json"):
        load_head(tmp_path)
    save_head(create_vision_head("classification", 6, num_classes=3, **SMALL), tmp_path)
    described = json.loads((tmp_path / "head.json").read_text())

    def with_json(content):
        (tmp_path / "head.json").write_text(json.dumps(content))

    with_json(described | {"options": described["options"] | {"num_classes": 4}})
    with pytest.raises(
        ValueError, match=r"2 tensors differ, first 'classify\.bias', whose shape is \(3,\) there"
    ):
        load_head(tmp_path)
    with_json(described | {"options": described["options"] | {"use_ffn": True}})
    with pytest.raises(ValueError, match="is missing there and"):
        load_head(tmp_path)
    with_json({"in_channels": [6], "options": {}})
    with pytest.raises(ValueError, match=r"head\.json describes no head: KeyError 'task_type'"):
        load_head(tmp_path)
    with_json([1, 2])
    with pytest.raises(ValueError, match="describes no head: TypeError"):
        load_head(tmp_path)
    with_json(described)
    (tmp_path / "head.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="save_head writes it"):
        load_head(tmp_path)
