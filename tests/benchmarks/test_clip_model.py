"""Our CLIP against Hugging Face's ``CLIPModel`` at the shapes of ViT-B/32: both towers, on two threads.

Times only: both hold the same tensors, and what the allocator makes of them differs by a fifth from run to run.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.benchmarks.harness import STATUS, Step, compare, record
from vlmlearn.losses import clip_loss
from vlmlearn.models import CLIP, CLIPConfig

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not STATUS.exists(), reason="peak memory is read from /proc, which only Linux has"),
]
TIME_LIMIT = 1.0  # ours / theirs
LENGTH = 77
SIZES = {"batch": 8, "layers": 12, "vocabulary": 49408}
TINY = {"batch": 1, "layers": 1, "vocabulary": 100}


def inputs(batch: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Pictures, and texts of full length: a shorter one would cost us less, but them the same."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, vocabulary - 1, (batch, LENGTH), generator=generator)
    ids[:, -1] = vocabulary - 1
    return torch.randn(batch, 3, 224, 224, generator=generator), ids


def step_of(model: nn.Module, loss: Callable[[], Tensor], backward: bool) -> Step:
    def forward() -> None:
        with torch.inference_mode():
            loss()

    def forward_and_backward() -> None:
        model.zero_grad()
        loss().backward()

    return forward_and_backward if backward else forward


def ours(batch: int, layers: int, vocabulary: int, backward: bool) -> Step:
    images, ids = inputs(batch, vocabulary)
    config = CLIPConfig.vit_base_patch32()
    image = replace(config.image, layers=layers)
    text = replace(config.text, layers=layers, vocabulary=vocabulary, eos_id=vocabulary - 1)
    model = CLIP(replace(config, image=image, text=text)).eval()
    return step_of(model, lambda: clip_loss(*model(images, ids)), backward)


def theirs(batch: int, layers: int, vocabulary: int, backward: bool) -> Step:
    from transformers import CLIPConfig, CLIPModel

    images, ids = inputs(batch, vocabulary)
    text = {"num_hidden_layers": layers, "vocab_size": vocabulary, "eos_token_id": vocabulary - 1}
    text["bos_token_id"] = 0  # within the vocabulary; nothing reads it
    config = CLIPConfig(vision_config={"num_hidden_layers": layers}, text_config=text)
    model = CLIPModel(config).eval()
    return step_of(model, lambda: model(input_ids=ids, pixel_values=images, return_loss=True).loss, backward)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward and backward"])
def test_no_slower_than_transformers(capsys, backward, request):
    sizes = SIZES | {"backward": backward}
    comparison = compare(ours, theirs, sizes, TINY | {"backward": backward})
    name = f"CLIP ViT-B/32 against transformers, {request.node.callspec.id}"
    summary = comparison.summary(TIME_LIMIT, memory_limit=1.0)
    times = {key: value for key, value in summary.items() if "mem" not in key and "megabytes" not in key}
    text = record(name, times, sizes)
    with capsys.disabled():
        print(text)
    assert comparison.time_verdict(TIME_LIMIT) in ("met", "tie")
