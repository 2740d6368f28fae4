"""Our contrastive losses against open_clip's: values, and the gradient of each input."""

import pytest
import torch
import torch.nn.functional as F

from tests.open_clip_loss import load_open_clip_loss
from vlmlearn.losses import clip_loss, siglip_loss

open_clip = load_open_clip_loss()
if open_clip is None:
    pytest.skip("open_clip is not installed: pip install --no-deps open_clip_torch", allow_module_level=True)


def inputs(batch: int, scale: float, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """Unit vectors and the scale. Captions lean to the next picture: a wrong model has large gradients."""
    image, noise = torch.randn(
        2, batch, 32, generator=torch.Generator().manual_seed(batch), dtype=torch.float64
    )
    text = image.roll(1, dims=0) + 2 * noise
    features = (F.normalize(image, dim=1).to(dtype), F.normalize(text, dim=1).to(dtype))
    return tuple(tensor.requires_grad_() for tensor in (*features, torch.tensor(scale, dtype=dtype)))


def value_and_gradients(loss_function, arguments, **kwargs):
    loss = loss_function(*arguments, **kwargs)
    return loss.detach(), torch.autograd.grad(loss, arguments)


@pytest.mark.parametrize("chunk_size", [None, 1, 5, 16, 1000])
@pytest.mark.parametrize("scale", [1.0, 14.3, 50.0, 100.0])
@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_clip_loss(batch, scale, chunk_size):
    arguments = inputs(batch, scale, torch.float32)
    _, expected = value_and_gradients(open_clip.ClipLoss(), arguments)
    _, ours = value_and_gradients(clip_loss, arguments, chunk_size=chunk_size)
    for gradient, reference in zip(ours, expected, strict=True):
        if batch == 1:  # one pair is always right: nothing to learn
            assert (gradient == 0).all() and (reference == 0).all()
        else:
            assert reference.norm() > 1e-2
            assert (gradient - reference).norm() <= 1e-5 * reference.norm()

    arguments = inputs(batch, scale, torch.float64)
    expected_loss, _ = value_and_gradients(open_clip.ClipLoss(), arguments)
    loss, _ = value_and_gradients(clip_loss, arguments, chunk_size=chunk_size)
    assert abs(loss - expected_loss) <= 1e-10


@pytest.mark.parametrize("chunk_size", [None, 1, 5, 16, 1000])
@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (10.0, -10.0), (100.0, -60.0)])
@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_siglip_loss(batch, scale, bias, chunk_size):
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-10)):
        arguments = (*inputs(batch, scale, dtype), torch.tensor(bias, dtype=dtype, requires_grad=True))
        expected_loss, expected = value_and_gradients(open_clip.SigLipLoss(), arguments)
        loss, ours = value_and_gradients(siglip_loss, arguments, chunk_size=chunk_size)
        assert abs(loss - expected_loss) <= tolerance * max(1, expected_loss)
        for gradient, reference in zip(ours, expected, strict=True):
            assert reference.norm() > 1e-7  # few pairs may all be nearly certain
            assert (gradient - reference).norm() <= tolerance * reference.norm()
