"""Our ALIGN against Hugging Face's ``AlignModel``: features, loss, every gradient, running statistics.

Nothing is downloaded: the models are made from small configurations, and both sides get the same random weights.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

import pytest
import torch
from torch import nn
from transformers import AlignConfig as UpstreamConfig
from transformers import AlignModel

from tests.equality import assert_equal, shaken
from vlmlearn.hub.align import config_from_upstream, rename
from vlmlearn.losses import align_loss, clip_loss
from vlmlearn.models import ALIGN, AlignConfig

WORDS, LENGTH, BATCH = 40, 9, 8
VISION = {
    "width_coefficient": 0.5,
    "depth_coefficient": 1.4,
    "kernel_sizes": [3, 5, 3],
    "in_channels": [32, 16, 24],
    "out_channels": [16, 24, 40],
    "strides": [1, 2, 2],
    "num_block_repeats": [1, 1, 2],
    "expand_ratios": [1, 6, 4],
    "hidden_dim": 640,  # nothing but the side of upstream's mean over the grid
    "drop_connect_rate": 0.0,
}
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 28,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "vocab_size": WORDS,
    "max_position_embeddings": 12,
    "hidden_dropout_prob": 0.0,  # so that training mode can be compared, too
    "attention_probs_dropout_prob": 0.0,
}
MOMENTUM = 0.99  # upstream's; see EfficientNet


def twins(dtype=torch.float32) -> tuple[ALIGN, AlignModel]:
    torch.manual_seed(0)
    found = {"vision_config": VISION, "text_config": TEXT, "projection_dim": 24}
    theirs = shaken(AlignModel(UpstreamConfig(**found)))
    for module in theirs.vision_model.modules():
        if isinstance(module, nn.Conv2d):  # theirs start so small that nothing arrives at the end
            nn.init.normal_(module.weight, std=0.4)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    for _ in range(20):  # running statistics of their own, so that evaluation is no other world
        theirs.train().vision_model(torch.randn(8, 3, 32, 32))
    nn.init.constant_(theirs.temperature, 0.05)  # at 1 a loss of cosines hardly moves
    theirs = theirs.eval().to(dtype)
    # What is published is config.json and tensors: ours is made from those.
    ours = ALIGN(config_from_upstream(theirs.config.to_dict())).eval().to(dtype)
    ours.load_state_dict(rename(theirs.state_dict()))
    return ours, theirs


def inputs(dtype=torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, and texts of several lengths, PAD after them."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(BATCH, 3, 32, 32, generator=generator, dtype=dtype)
    ids = torch.zeros(BATCH, LENGTH, dtype=torch.long)
    for row, length in zip(ids, (2, LENGTH, 5, 1, 7, 3, 4, 6), strict=True):
        row[:length] = torch.randint(4, WORDS, (length,), generator=generator)
    return images, ids


def no_gradient(name: str, mode: str) -> bool:
    """Zero up to rounding: the keys' bias adds the same to all scores of a query; in training a batch norm takes away
    the bias before it."""
    taken_away = [f"image_tower.blocks.{k}.narrow.norm.bias" for k in (1, 2, 3)]
    return name.endswith("key.bias") or (mode == "train" and name in taken_away)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_features_loss_and_gradients(mode):
    ours, theirs = twins()
    for model in (ours, theirs):
        model.train(mode == "train")
    images, ids = inputs()
    mine = ours(images, ids)
    official = theirs(input_ids=ids, pixel_values=images, attention_mask=(ids != 0).long(), return_loss=True)
    assert_equal(mine.image_features, official.image_embeds, "image features")
    assert_equal(mine.text_features, official.text_embeds, "text features")
    assert_equal(
        mine.logit_scale * mine.image_features @ mine.text_features.T, official.logits_per_image, "logits"
    )
    loss = align_loss(*mine)
    assert_equal(loss, official.loss, "loss")
    assert abs(clip_loss(*mine) - official.loss) > 1e-3 * official.loss  # the softened labels are seen
    loss.backward()
    official.loss.backward()
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    reference = rename(gradients)
    assert {*reference} == {name for name, _ in ours.named_parameters()}
    assert gradients["text_model.pooler.dense.weight"] is None  # no part of the model but in name
    for name, parameter in ours.named_parameters():
        if no_gradient(name, mode):
            scale = 1e-4 * ours.get_parameter(name.replace("bias", "weight")).grad.norm()
            assert parameter.grad.norm() < scale and reference[name].norm() < scale
        else:
            assert_equal(parameter.grad, reference[name], name)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_loss_and_gradients_in_double_precision(mode, monkeypatch):
    ours, theirs = twins(torch.float64)
    # Upstream computes this softmax in single precision whatever comes in: 1e-8 of difference, and no more.
    monkeypatch.setattr(nn.functional, "softmax", lambda scores, dim, dtype: torch.softmax(scores, dim))
    for model in (ours, theirs):
        model.train(mode == "train")
    images, ids = inputs(torch.float64)
    mask = (ids != 0).long()
    official = theirs(input_ids=ids, pixel_values=images, attention_mask=mask, return_loss=True).loss
    loss = align_loss(*ours(images, ids))
    assert official > 0.1 and abs(loss - official) <= 1e-10
    loss.backward()
    official.backward()
    reference = rename({name: parameter.grad for name, parameter in theirs.named_parameters()})
    for name, parameter in ours.named_parameters():
        if not no_gradient(name, mode):
            assert (parameter.grad - reference[name]).norm() <= 1e-10 * reference[name].norm(), name


def test_features_of_other_lengths():
    """Before they are normalised, and of the images alone (of two sizes) and the texts alone."""
    ours, theirs = twins()
    images, ids = inputs()
    official = theirs.get_text_features(ids, attention_mask=(ids != 0).long()).pooler_output
    assert_equal(ours.encode_text(ids, normalize=False), official, "text")
    for some in (images, images[:, :, :27]):
        official = theirs.get_image_features(some).pooler_output
        assert_equal(ours.encode_image(some, normalize=False), official, "image")


def test_running_statistics_after_training():
    ours, theirs = twins()
    for name, module in ours.named_modules():
        if isinstance(module, nn.BatchNorm2d):  # upstream forgets its momentum where a block widens
            module.momentum = 0.1 if ".widen." in name else MOMENTUM
    images, ids = inputs()
    for k in range(1, 4):
        ours.train()(images * k, ids)
        theirs.train()(input_ids=ids, pixel_values=images * k)
    assert theirs.config.vision_config.batch_norm_momentum == MOMENTUM
    assert ours.config.image.momentum == pytest.approx(1 - MOMENTUM)
    buffers, reference = dict(ours.named_buffers()), rename(dict(theirs.named_buffers()))
    assert len(buffers) == 3 * 20
    for name, value in buffers.items():
        assert_equal(value.float(), reference[name].float(), name)


def test_the_preset_is_the_published_model():
    read = config_from_upstream({"model_type": "align", "projection_dim": 640})
    assert read == AlignConfig.base()
    with torch.device("meta"):
        ours, theirs = ALIGN(read), AlignModel(UpstreamConfig())
    shapes = {name: value.shape for name, value in rename(theirs.state_dict()).items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes
