"""Dual encoders small enough for tests."""

import pytest
import torch

from vlmlearn.models import CLIP, CLIPConfig
from vlmlearn.world import Tokenizer, render, sample_scenes

TINY = {"image_width": 8, "text_width": 16, "text_layers": 1, "embedding": 12, "heads": 2}


@pytest.fixture(scope="session")
def tokenizer():
    return Tokenizer()


@pytest.fixture
def make_clip(tokenizer):
    """seed → a CLIP that has seen nothing."""

    def make(seed=0):
        torch.manual_seed(seed)
        return CLIP(CLIPConfig.tiny(len(tokenizer), **TINY)).train()

    return make


@pytest.fixture(scope="session")
def images():
    return torch.from_numpy(render(sample_scenes(6)).images)
