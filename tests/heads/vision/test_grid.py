"""Every combination of task, attention, feed-forward network, norm, input and factor: it runs, learns, and matters.

All heads of a row have the same weights where they have the same layers (see ``filled``), so what tells two of their
answers apart is the option.
"""

from itertools import combinations, product

import pytest
import torch

from tests.heads.vision.tiny import CHANNELS, KINDS, SMALL, features, filled, numbers, some
from vlmlearn.heads.vision import TaskType, create_vision_head
from vlmlearn.heads.vision.dense import DenseConfig
from vlmlearn.heads.vision.factory import HEADS

ATTENTIONS = ("none", "multi_head", "cbam", "differential")
FEED_FORWARDS = ("none", "mlp", "glu", "swiglu")
NORMS = ("layer_norm", "batch_norm", "rms_norm", "group_norm")
FACTORS = (1, 3, 8)
SIDE = 3  # of the finest map
FEW = {  # as few of everything as still shows that it is honoured
    TaskType.CLASSIFICATION: {"num_classes": 3},
    TaskType.DETECTION: {"num_classes": 3, "num_anchors": 2},
    TaskType.SEGMENTATION: {"num_classes": 3},
    TaskType.DEPTH_ESTIMATION: {"min_depth": 1, "max_depth": 9},
    TaskType.INSTANCE_SEGMENTATION: {
        "num_classes": 3,
        "num_anchors": 2,
        "num_instances": 4,
        "mask_size": (4, 5),
        "num_prototypes": 3,
    },
    TaskType.KEYPOINT_DETECTION: {"num_classes": 3},
}


def options_of(attention, ffn, norm):
    options = {"normalization_type": norm, "ffn_expansion_factor": 2}
    if attention != "none":
        options |= {"use_attention": True, "attention_type": attention}
    if ffn != "none":
        options |= {"use_ffn": True, "ffn_type": ffn}
    return options


def shapes_of(task, factor):
    side, anchors = SIDE * factor, SIDE * SIDE * 2
    detected = {"classifications": (2, anchors, 3), "regressions": (2, anchors, 4)}
    return {
        TaskType.CLASSIFICATION: {"logits": (2, 3), "probabilities": (2, 3)},
        TaskType.DETECTION: detected,
        TaskType.SEGMENTATION: {"logits": (2, 3, side, side), "masks": (2, 3, side, side)},
        TaskType.DEPTH_ESTIMATION: dict.fromkeys(("depth", "confidence", "log_scale"), (2, 1, side, side)),
        TaskType.INSTANCE_SEGMENTATION: detected | {"instance_masks": (2, 4, 4, 5), "instances": (2, 4)},
        TaskType.KEYPOINT_DETECTION: {"logits": (2, 3, side, side), "heatmaps": (2, 3, side, side)},
    }[task]


def check_every_parameter_learns(head, answer, name):
    weighted = [
        (value * some(*value.shape, seed=5)).sum() for value in answer.values() if value.is_floating_point()
    ]
    sum(weighted).backward()
    for parameter_name, parameter in head.named_parameters():
        if parameter_name.endswith("key.bias"):  # adds the same to all scores of a query, so nothing changes
            continue
        assert parameter.grad is not None, f"{name}: {parameter_name} is not used"
        assert parameter.grad.abs().max() > 1e-7, f"{name}: {parameter_name} does not learn"
        assert parameter.grad.isfinite().all(), f"{name}: {parameter_name}"


def factors_of(task):
    return FACTORS if issubclass(HEADS[task].config_class, DenseConfig) else (1,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", list(TaskType))
def test_every_combination(task, kind, capsys):
    count = 0
    for factor in factors_of(task):
        answers = {}
        for choice in product(ATTENTIONS, FEED_FORWARDS, NORMS):
            options = options_of(*choice) | FEW[task]
            if factors_of(task) == FACTORS:
                options["upsampling_factor"] = factor
            head = filled(create_vision_head(task, CHANNELS[kind], **SMALL, **options))
            answer = head(features(kind))
            shapes = {name: tuple(value.shape) for name, value in answer.items()}
            assert shapes.items() >= shapes_of(task, factor).items(), (choice, factor)
            check_every_parameter_learns(head, answer, f"{choice}, factor {factor}")
            answers[choice] = numbers(answer).detach()
            assert answers[choice].isfinite().all()
            count += 1
        for one, other in combinations(answers, 2):
            assert (answers[one] - answers[other]).abs().max() > 1e-4, f"{one} and {other} say the same"
    with capsys.disabled():
        print(f"{task.value} on a {kind}: {count} combinations")


@pytest.mark.parametrize("task", list(TaskType))
def test_every_option_matters(task):
    """Each option by itself, against the plain head."""
    common = {
        "hidden_dim": 12,
        "normalization_type": "rms_norm",
        "activation_type": "relu",
        "dropout_rate": 0.5,
        "use_attention": True,
        "use_ffn": True,
    }
    with_attention, with_ffn = {"use_attention": True}, {"use_ffn": True}
    changes = [({}, {name: value}) for name, value in common.items()] + [
        (with_attention, {"attention_type": "cbam"}),
        (with_attention, {"attention_type": "differential"}),
        (with_attention, {"num_heads": 4}),
        (with_ffn, {"ffn_type": "glu"}),
        (with_ffn, {"ffn_type": "swiglu"}),
        (with_ffn, {"ffn_expansion_factor": 3}),
    ]
    own = {
        "num_classes": 4,
        "num_anchors": 3,
        "bbox_dims": 5,
        "upsampling_factor": 3,
        "min_depth": 2,
        "max_depth": 8,
        "use_log_depth": False,
        "output_channels": 2,
        "num_instances": 3,
        "mask_size": (5, 4),
        "num_prototypes": 4,
        "use_global_pooling": False,
        "pooling_type": "max",
        "use_skip_connections": True,
    }
    names = HEADS[task].config_class().keys()
    changes += [({}, {name: value}) for name, value in own.items() if name in names]
    assert set(names) == {name for _, change in changes for name in change}, "an option without a test"

    def answer(options):
        head = filled(create_vision_head(task, 6, **{**SMALL, **FEW[task], **options}))
        torch.manual_seed(0)
        return numbers(head(features("map")))

    for base, change in changes:
        before, after = answer(base), answer(base | change)
        assert before.shape != after.shape or (before - after).abs().max() > 1e-4, change
