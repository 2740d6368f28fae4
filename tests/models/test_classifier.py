"""The picture classifier of the on-ramp."""

import pytest
import torch

from vlmlearn.models import PictureClassifier


def test_one_logit_a_name_and_a_gradient_everywhere():
    model = PictureClassifier(48)
    logits = model(torch.rand(3, 3, 64, 64))
    assert logits.shape == (3, 48)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_any_picture_size_will_do():
    model = PictureClassifier(5, width=4).eval()
    assert model(torch.rand(2, 3, 32, 48)).shape == (2, 5)


def test_the_whole_picture_is_seen():
    model = PictureClassifier(5).eval()
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    model(images).sum().backward()
    seen = images.grad.abs().sum(1)[0] > 0
    assert seen[:8].any() and seen[-8:].any() and seen[:, :8].any() and seen[:, -8:].any()


@pytest.mark.bad_input
def test_raw_pixels_are_refused():
    with pytest.raises(ValueError, match=r"uint8.*images\.float\(\) / 255"):
        PictureClassifier(5)(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))


@pytest.mark.bad_input
def test_no_classes_are_refused():
    with pytest.raises(ValueError, match="classes is 0"):
        PictureClassifier(0)
