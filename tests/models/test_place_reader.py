"""One block that reads a picture: what its variants can and cannot know."""

import pytest
import torch

from vlmlearn.models import PlaceReader


@pytest.fixture
def question():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=generator)
    return images, torch.tensor([0, 8])


def moved(images):
    """The patches of the upper half in place of those of the lower half."""
    return images.roll(32, dims=2)


@pytest.mark.parametrize("options", [{}, {"positions": False}, {"mixing": "mean"}, {"mixing": "none"}])
def test_one_logit_a_colour(question, options):
    assert PlaceReader(**options)(*question).shape == (2, 8)


def test_every_weight_learns(question):
    model = PlaceReader()
    model(*question).square().sum().backward()
    # A key's bias moves all scores of a query alike, which the softmax does not see.
    grads = {n: p.grad for n, p in model.named_parameters() if not n.endswith("key.bias")}
    assert all(g is not None and g.abs().sum() > 0 for g in grads.values())


def test_without_positions_the_order_of_patches_is_invisible(question):
    images, places = question
    torch.manual_seed(0)
    blind, sighted = PlaceReader(positions=False), PlaceReader()
    assert torch.allclose(blind(images, places), blind(moved(images), places), atol=1e-5)
    assert not torch.allclose(sighted(images, places), sighted(moved(images), places), atol=1e-2)


def test_without_mixing_the_picture_is_invisible(question):
    images, places = question
    model = PlaceReader(mixing="none")
    assert torch.equal(model(images, places), model(255 - images, places))


def test_the_word_decides_where_to_look(question):
    images, _ = question
    model = PlaceReader()
    one, other = (model.weights(images, torch.tensor([k, k])) for k in (0, 8))
    assert one.shape == (2, 4, 8, 8) and not torch.allclose(one, other)
    assert (one.sum((2, 3)) < 1).all()  # the rest stays with the word itself


@pytest.mark.bad_input
def test_unknown_mixing_and_patches_that_do_not_tile_are_refused():
    with pytest.raises(ValueError, match="mixing is 'sum', expected one of attention, mean, none"):
        PlaceReader(mixing="sum")
    with pytest.raises(ValueError, match="side is 64, patch 7"):
        PlaceReader(patch=7)
