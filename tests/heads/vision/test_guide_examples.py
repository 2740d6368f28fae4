"""What a user does with vision heads: every encoder, every task, training, and what comes after, in miniature.

Encoders are the package's own, small and untrained; pictures are noise. What a head says in numbers is tested with the
head; here it is that the pieces fit.
"""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint

from tests.heads.vision.tiny import filled, numbers, some
from vlmlearn.heads.vision import (
    DepthEstimationHead,
    DetectionHead,
    HeadConfiguration,
    InstanceSegmentationHead,
    SegmentationHead,
    TaskType,
    create_multi_task_head,
    create_vision_head,
)
from vlmlearn.heads.vision.decoding import anchor_boxes, assign_anchors, decode_deltas, encode_deltas
from vlmlearn.layers import EfficientNet, EfficientNetConfig, ResNetConfig, ResNetTower, VisionTransformer
from vlmlearn.losses import (
    cross_entropy_loss,
    laplace_depth_loss,
    sigmoid_focal_loss,
    silog_loss,
    smooth_l1_loss,
)
from vlmlearn.losses.multi_task import FixedWeights


class Model(nn.Module):
    """An encoder and a head: what all examples build."""

    def __init__(self, encoder: nn.Module, head: nn.Module):
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images, **options):
        return self.head(self.encoder(images), **options)


class Pyramid(nn.Module):
    """The stages of a ResNet: each half as fine as the one before, and twice as wide."""

    channels = (16, 32, 64, 128)  # strides 4, 8, 16, 32

    def __init__(self, first: int = 0):
        super().__init__()
        tower = ResNetTower(ResNetConfig(image_side=64, width=4, blocks=(1, 1, 1, 1), heads=4))
        self.stem, self.stages, self.first = tower.stem, tower.stages, first

    def forward(self, images):
        x, scales = self.stem(images), []
        for stage in self.stages:
            x = stage(x)
            scales.append(x)
        return scales[self.first :]


def vit(side=32, patch=8, **options):
    return VisionTransformer(side, patch, width=16, layers=1, heads=2, **options)


def images(batch=2, side=64):
    return some(batch, 3, side, side)


# The six integrations


def test_vit_tokens_to_classes():
    head = create_vision_head(
        TaskType.CLASSIFICATION,
        in_channels=16,
        num_classes=10,
        hidden_dim=16,
        use_global_pooling=True,
        pooling_type="avg",
        use_attention=True,
        attention_type="multi_head",
    )
    answer = Model(vit(), head)(images(side=32))
    assert answer["logits"].shape == answer["probabilities"].shape == (2, 10)
    torch.testing.assert_close(answer["probabilities"].sum(1), torch.ones(2))


def test_resnet_scales_to_boxes():
    head = DetectionHead(
        Pyramid.channels[1:],
        num_classes=8,
        num_anchors=9,
        bbox_dims=4,
        hidden_dim=16,
        use_ffn=True,
        ffn_type="swiglu",
    )
    answer = Model(Pyramid(first=1), head)(images())
    assert answer["classifications"].shape == (2, 8 * 8 * 9, 8)
    assert answer["regressions"].shape == (2, 8 * 8 * 9, 4)


def test_dino_patches_to_a_segmentation():
    """14-pixel patches and a class token, which is the caller's to leave out."""
    encoder = vit(side=42, patch=14, class_token=True)
    head = SegmentationHead(
        16,
        num_classes=21,
        upsampling_factor=14,
        use_skip_connections=True,
        hidden_dim=16,
        use_attention=True,
        attention_type="cbam",
    )
    tokens = encoder(images(side=42))
    answer = head(tokens[:, 1:])
    assert answer["masks"].shape == answer["logits"].shape == (2, 21, 42, 42)
    torch.testing.assert_close(answer["masks"].sum(1), torch.ones(2, 42, 42))


def test_efficientnet_to_depth():
    encoder = EfficientNet(EfficientNetConfig(width_factor=0.25, depth_factor=0.3))
    head = DepthEstimationHead(
        encoder.config.width,
        output_channels=1,
        min_depth=0.1,
        max_depth=100.0,
        use_log_depth=True,
        hidden_dim=16,
        use_attention=False,
        upsampling_factor=32,
    )
    answer = Model(encoder, head)(images())
    assert answer["depth"].shape == answer["confidence"].shape == (2, 1, 64, 64)
    assert answer["depth"].min() >= 0.1 and answer["depth"].max() <= 100
    other = Model(encoder, head)(images(), output_size=(50, 70))
    assert other["depth"].shape == (2, 1, 50, 70)


SEVERAL = {
    "detection": {"task_type": TaskType.DETECTION, "num_classes": 8, "num_anchors": 3},
    "segmentation": {"task_type": TaskType.SEGMENTATION, "num_classes": 8, "upsampling_factor": 4},
    "depth": {"task_type": TaskType.DEPTH_ESTIMATION, "min_depth": 0.1, "max_depth": 50.0},
}


def test_several_tasks_at_once():
    head = create_multi_task_head(SEVERAL, shared_backbone_dim=128, use_task_specific_attention=True)
    _, _, coarsest = Pyramid(first=1)(images())
    answers = head(coarsest, output_size=(64, 64))
    assert answers["detection"]["classifications"].shape == (2, 2 * 2 * 3, 8)
    assert answers["segmentation"]["masks"].shape == (2, 8, 64, 64)
    assert answers["depth"]["depth"].shape == (2, 1, 64, 64)
    assert all(len(one.trunk.body) == 1 for one in head.heads.values())


def test_instances():
    head = InstanceSegmentationHead(
        128,
        num_classes=8,
        num_instances=20,
        mask_size=(28, 28),
        hidden_dim=16,
        use_attention=True,
        attention_type="cbam",
    )
    answer = head(Pyramid()(images())[-1])
    assert answer["classifications"].shape == (2, 36, 8) and answer["regressions"].shape == (2, 36, 4)
    large = F.interpolate(answer["instance_masks"], scale_factor=16)
    assert large.shape == (2, 20, 448, 448)


# Options


@pytest.mark.parametrize(
    ("task", "options", "key"),
    [
        (TaskType.SEGMENTATION, {"num_classes": 150, "attention_type": "cbam"}, "masks"),
        (TaskType.CLASSIFICATION, {"num_classes": 1000, "attention_type": "multi_head"}, "logits"),
        (TaskType.KEYPOINT_DETECTION, {"num_classes": 17, "attention_type": "differential"}, "heatmaps"),
    ],
)
def test_attention_for_a_task(task, options, key):
    head = create_vision_head(task, 16, hidden_dim=16, use_attention=True, **options)
    assert head(vit()(images(side=32)))[key].shape[1] == options["num_classes"]


@pytest.mark.parametrize(("ffn", "factor"), [("swiglu", 8), ("glu", 2)])
def test_feed_forward_networks(ffn, factor):
    head = create_vision_head(
        "detection",
        16,
        num_classes=80,
        hidden_dim=16,
        use_ffn=True,
        ffn_type=ffn,
        ffn_expansion_factor=factor,
    )
    assert head.trunk.body[0].inside.widen.out_features == 16 * factor


@pytest.mark.parametrize("norm", ["layer_norm", "batch_norm", "rms_norm"])
@pytest.mark.parametrize("task", list(TaskType))
def test_norms(task, norm):
    options = {"num_instances": 20} if task is TaskType.INSTANCE_SEGMENTATION else {}
    head = create_vision_head(task, 16, hidden_dim=16, normalization_type=norm, **options)
    assert numbers(head(some(2, 16, 4, 4))).isfinite().all()


def test_presets():
    config = HeadConfiguration.get_default_config(TaskType.DETECTION)
    assert config.num_classes == 80 and config.num_anchors == 9 and config.bbox_dims == 4
    sizes = []
    for config in (
        HeadConfiguration.get_efficient_config(TaskType.DETECTION),
        HeadConfiguration.get_default_config(TaskType.DETECTION),
        HeadConfiguration.get_high_performance_config(TaskType.DETECTION),
    ):
        head = create_vision_head(TaskType.DETECTION, 16, **config)
        assert head(some(1, 16, 2, 2))["classifications"].shape == (1, 36, 80)
        sizes.append(sum(p.numel() for p in head.parameters()))
    assert sizes == sorted(sizes)


def test_all_scales_of_an_encoder():
    head = SegmentationHead(Pyramid.channels, num_classes=19, use_skip_connections=True, hidden_dim=16)
    assert Model(Pyramid(), head)(images())["masks"].shape == (2, 19, 64, 64)


# Training


def step_lowers(loss_of, module, steps=8):
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def detection_loss(answer, anchors, boxes, classes):
    """Focal loss for every anchor, smooth L1 for those that answer for an object."""
    assigned = assign_anchors(anchors, boxes)
    positive, counted = assigned >= 0, assigned > -2
    target = torch.zeros(answer["classifications"].shape[1:])
    target[positive, classes[assigned[positive]]] = 1
    focal = sigmoid_focal_loss(answer["classifications"][0, counted], target[counted], reduction="sum")
    deltas = encode_deltas(boxes[assigned[positive]], anchors[positive])
    return focal / positive.sum() + smooth_l1_loss(answer["regressions"][0, positive], deltas)


def test_a_detector_learns_with_anchors():
    torch.manual_seed(0)
    sizes, ratios = (12, 20), (0.5, 1.0, 2.0)
    head = DetectionHead(8, num_classes=3, num_anchors=len(sizes) * len(ratios), hidden_dim=16)
    anchors = anchor_boxes(8, 8, 8, sizes, ratios)
    features = some(1, 8, 8, 8)
    boxes, classes = torch.tensor([[10.0, 12.0, 24.0, 30.0], [40.0, 30.0, 60.0, 50.0]]), torch.tensor([2, 0])
    step_lowers(lambda: detection_loss(head(features), anchors, boxes, classes), head)
    assert decode_deltas(head(features)["regressions"][0].detach(), anchors).shape == (8 * 8 * 6, 4)


def test_a_segmentation_learns_with_class_weights():
    torch.manual_seed(0)
    head = SegmentationHead(8, num_classes=3, hidden_dim=16, upsampling_factor=2)
    labels = torch.randint(3, (2, 8, 8))
    share = torch.bincount(labels.flatten(), minlength=3) / labels.numel()
    step_lowers(lambda: cross_entropy_loss(head(some(2, 8, 4, 4))["logits"], labels, weight=1 / share), head)


def test_depth_learns_with_either_loss():
    torch.manual_seed(0)
    head = DepthEstimationHead(8, hidden_dim=16, upsampling_factor=2, max_depth=10.0)
    target = 1 + 8 * torch.rand(2, 1, 8, 8)

    def both():
        answer = head(some(2, 8, 4, 4))
        return silog_loss(answer["depth"], target) + laplace_depth_loss(
            answer["depth"], answer["log_scale"], target
        )

    step_lowers(both, head)


def test_several_losses_become_one():
    torch.manual_seed(0)
    head = create_multi_task_head({k: v | {"hidden_dim": 16} for k, v in SEVERAL.items()}, 16)
    anchors = anchor_boxes(4, 4, 16, [16])
    boxes, classes = torch.tensor([[8.0, 8.0, 24.0, 24.0]]), torch.tensor([5])
    labels, target = torch.randint(8, (1, 16, 16)), 1 + 8 * torch.rand(1, 1, 16, 16)
    weighted = FixedWeights({"detection": 1.0, "segmentation": 1.0, "depth": 0.5})

    def loss():
        answer = head(some(1, 16, 4, 4))
        return weighted(
            {
                "detection": detection_loss(answer["detection"], anchors, boxes, classes),
                "segmentation": cross_entropy_loss(answer["segmentation"]["logits"], labels),
                "depth": silog_loss(answer["depth"]["depth"], target),
            }
        )["loss"]

    step_lowers(loss, head)


# Speed, memory, size, export


@pytest.mark.parametrize("task", list(TaskType))
def test_mixed_precision_answers_in_float32(task):
    options = {"num_instances": 20} if task is TaskType.INSTANCE_SEGMENTATION else {}
    head = create_vision_head(task, 16, hidden_dim=16, use_attention=True, use_ffn=True, **options)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = head(some(2, 16, 4, 4))
    for name, value in answer.items():
        assert value.dtype == torch.float32 or not value.is_floating_point(), name
    sum(value.sum() for value in answer.values() if value.is_floating_point()).backward()
    assert all(p.grad.isfinite().all() for p in head.parameters())


def test_checkpointing_computes_the_same_gradients():
    """The head is computed again on the way back instead of remembered."""
    head = filled(SegmentationHead(8, num_classes=3, hidden_dim=16, use_attention=True))
    again = copy.deepcopy(head)
    features = some(2, 8, 4, 4)
    head(features)["logits"].square().sum().backward()
    checkpoint(again, features, use_reentrant=False)["logits"].square().sum().backward()
    for one, other in zip(head.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_pruning_leaves_a_head_that_works():
    head = filled(DetectionHead(8, num_classes=3, hidden_dim=16))
    before = head(some(1, 8, 4, 4))["classifications"]
    layers = [(m, "weight") for m in head.modules() if isinstance(m, nn.Conv2d)]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.5)
    for layer, name in layers:
        prune.remove(layer, name)
    zeros = sum(int((layer.weight == 0).sum()) for layer, _ in layers)
    assert zeros == pytest.approx(0.5 * sum(layer.weight.numel() for layer, _ in layers), abs=1)
    after = head(some(1, 8, 4, 4))["classifications"]
    assert after.shape == before.shape and not torch.equal(after, before)


@pytest.mark.bad_input  # an export traces through our code, not through the checks of types
@pytest.mark.parametrize("task", list(TaskType))
def test_export_says_the_same(task):
    """The exported program is what converters to ONNX and TensorRT read."""
    options = {"num_instances": 9} if task is TaskType.INSTANCE_SEGMENTATION else {}
    head = filled(
        create_vision_head(task, 8, hidden_dim=8, num_heads=2, use_attention=True, **options)
    ).eval()
    program = torch.export.export(head, (some(1, 8, 3, 3),)).module()
    features = some(1, 8, 3, 3, seed=4)
    for name, value in head(features).items():
        torch.testing.assert_close(program(features)[name], value)


# Troubles and their cures


@pytest.mark.bad_input
def test_channels_that_do_not_match():
    encoder = vit()
    with pytest.raises(
        ValueError, match=r"expected 256 channels .* make the head with the encoder's in_channels"
    ):
        create_vision_head("classification", 256)(encoder(images(side=32)))
    head = create_vision_head("classification", encoder.width, hidden_dim=encoder.width)
    assert head(encoder(images(side=32)))["logits"].shape == (2, 1000)


@pytest.mark.parametrize(("side", "first", "stride"), [(64, 0, 4), (64, 1, 8), (64, 2, 16), (64, 3, 32)])
def test_the_factor_is_the_encoders_stride(side, first, stride):
    head = SegmentationHead(Pyramid.channels[first:], num_classes=21, hidden_dim=8, upsampling_factor=stride)
    assert Model(Pyramid(first), head)(images(side=side))["masks"].shape == (2, 21, side, side)


@pytest.mark.bad_input
def test_one_scale_or_a_list_of_one():
    x = some(2, 8, 4, 4)
    for skips in (True, False):
        head = SegmentationHead(8, num_classes=21, hidden_dim=8, use_skip_connections=skips)
        assert torch.equal(head(x)["masks"], head([x])["masks"])
    with pytest.raises(ValueError, match=r"features are 1 scale\(s\), expected 2"):
        SegmentationHead((8, 8), num_classes=21, hidden_dim=8)(x)


def test_as_many_anchors_as_the_generator_makes():
    sizes, ratios = (8, 16, 32), (0.5, 1.0, 2.0)
    head = DetectionHead(8, num_anchors=len(sizes) * len(ratios), num_classes=2, hidden_dim=8)
    answer = head(some(1, 8, 4, 6))
    assert answer["regressions"].shape[1] == len(anchor_boxes(4, 6, 16, sizes, ratios))
