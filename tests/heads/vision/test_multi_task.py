"""Several heads on one trunk."""

import pytest
import torch

from tests.heads.vision.tiny import CHANNELS, KINDS, SMALL, features, filled, some
from vlmlearn.heads.vision import TaskType, create_multi_task_head

TASKS = {
    "boxes": {"task_type": TaskType.DETECTION, "num_classes": 3, "num_anchors": 2, **SMALL},
    "depth": {"task_type": "depth_estimation", "upsampling_factor": 2, **SMALL},
    "kind": {"task_type": "classification", "num_classes": 4, "use_attention": False, **SMALL},
}


def make(**options):
    return filled(create_multi_task_head(TASKS, **{"shared_backbone_dim": 8, **options}))


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_answers(kind):
    answers = make(in_channels=CHANNELS[kind])(features(kind))
    shapes = {task: {n: tuple(v.shape) for n, v in answer.items()} for task, answer in answers.items()}
    assert shapes == {
        "boxes": {"classifications": (2, 18, 3), "regressions": (2, 18, 4)},
        "depth": dict.fromkeys(("depth", "confidence", "log_scale"), (2, 1, 6, 6)),
        "kind": {"logits": (2, 4), "probabilities": (2, 4)},
    }


def test_without_in_channels_the_encoder_is_as_wide_as_the_trunk():
    assert make().in_channels == (8,)
    assert make()(some(2, 8, 3, 3), output_size=(5, 7))["depth"]["depth"].shape == (2, 1, 5, 7)
    assert make()(some(2, 12, 8), grid=(3, 4))["depth"]["depth"].shape == (2, 1, 6, 8)


def test_each_task_looks_in_its_own_way():
    heads = make().heads
    assert len(heads["boxes"].trunk.body) == len(heads["depth"].trunk.body) == 1
    assert len(heads["kind"].trunk.body) == 0  # its own option goes before
    without = make(use_task_specific_attention=False).heads
    assert not any(len(head.trunk.body) for head in without.values())


def test_the_answer_is_that_of_the_head_on_the_trunks_map():
    multi = make(use_ffn=True, ffn_type="swiglu")
    shared = multi.trunk([some(2, 8, 3, 3)])
    alone = multi.heads["boxes"](shared)
    torch.testing.assert_close(multi(some(2, 8, 3, 3))["boxes"], alone)
    assert len(multi.trunk.body) == 1 and not len(make().trunk.body)


def test_every_parameter_learns_and_the_trunk_from_every_task():
    multi = make()
    for task in TASKS:
        multi.zero_grad()
        answer = multi(some(2, 8, 3, 3))[task]
        sum((value * some(*value.shape, seed=3)).sum() for value in answer.values()).backward()
        for name, parameter in multi.named_parameters():
            mine = name.startswith(("trunk.", f"heads.{task}."))
            if mine and not name.endswith("key.bias"):
                assert parameter.grad.abs().max() > 1e-7, name
            elif not mine:
                assert parameter.grad is None or not parameter.grad.any(), name


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(ValueError, match="there are no tasks"):
        create_multi_task_head({}, 8)
    with pytest.raises(ValueError, match="task 'a' has no task_type; it has num_classes"):
        create_multi_task_head({"a": {"num_classes": 3}}, 8)
    with pytest.raises(ValueError, match=r"called 'a\.b', expected a name without dots"):
        create_multi_task_head({"a.b": {"task_type": "detection"}}, 8)
    with pytest.raises(ValueError, match="did you mean 'segmentation'"):
        create_multi_task_head({"a": {"task_type": "segmentatoin"}}, 8)
    with pytest.raises(ValueError, match="no option 'num_anchor', did you mean 'num_anchors'"):
        create_multi_task_head({"a": {"task_type": "detection", "num_anchor": 3}}, 8)
    with pytest.raises(ValueError, match="hidden_dim of the shared trunk is shared_backbone_dim"):
        create_multi_task_head(TASKS, 8, hidden_dim=9)
    with pytest.raises(ValueError, match="no option 'use_fnn', did you mean 'use_ffn'"):
        create_multi_task_head(TASKS, 8, use_fnn=True)
    with pytest.raises(ValueError, match="expected 8 channels"):
        make()(some(2, 6, 3, 3))
