"""Encoding leaves the model as it was; fingerprints tell models apart."""

import copy

import pytest
import torch

from vlmlearn.heads.retrieval import DualEncoder, encode_images, encode_texts, fingerprint
from vlmlearn.heads.retrieval.encoding import BATCH, unit


class Lookup:
    """A dual encoder that is no module: what it is given is what it returns."""

    def encode_image(self, images):
        return images.flatten(1)

    def encode_text(self, ids):
        return ids.float()


def test_equals_the_model_itself(make_clip, tokenizer, images):
    clip = make_clip()
    ids = tokenizer.encode(["a small red star at the top left", "一个红色小星形在左上角"])
    torch.testing.assert_close(
        encode_images(clip, images), clip.eval().encode_image(images), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(encode_texts(clip, ids), clip.encode_text(ids), rtol=0, atol=1e-6)


def test_batches_and_lengths(capsys):
    features = torch.randn(BATCH * 9 + 1, 3, 1, 2, generator=torch.Generator().manual_seed(0))
    found = encode_images(Lookup(), features * torch.logspace(-20, 20, len(features))[:, None, None, None])
    torch.testing.assert_close(found, torch.nn.functional.normalize(features.flatten(1), dim=1))


def test_each_module_goes_back_to_its_mode_and_there_is_no_gradient(make_clip, images):
    clip = make_clip()
    clip.image_tower.block.eval()
    modes = [module.training for module in clip.modules()]
    seen = []
    clip.image_tower.register_forward_hook(lambda module, *_: seen.append(module.training))
    assert not encode_images(clip, images).requires_grad
    assert [module.training for module in clip.modules()] == modes and seen == [False]


@pytest.mark.bad_input
def test_modes_come_back_after_an_error(make_clip, images):
    clip = make_clip()
    with pytest.raises(ValueError, match="resize"):
        encode_images(clip, images[..., :32])
    assert all(module.training for module in clip.modules())


def test_anything_with_two_towers_is_a_dual_encoder(make_clip):
    assert isinstance(make_clip(), DualEncoder) and isinstance(Lookup(), DualEncoder)
    assert not isinstance(torch.nn.Linear(1, 1), DualEncoder)


def test_unit_keeps_directions_of_any_length_and_precision():
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        for size in (6e-5, 1.0, 6e4):
            assert unit(torch.tensor([[size, -size]], dtype=dtype), "x").tolist() == [
                pytest.approx([0.5**0.5, -(0.5**0.5)])
            ]


def test_copies_agree_and_anything_else_does_not(make_clip):
    clip = make_clip()
    mark = fingerprint(clip)
    assert mark == fingerprint(copy.deepcopy(clip).eval()) == fingerprint(make_clip()) and len(mark) == 32
    others = [make_clip(1), copy.deepcopy(clip).bfloat16(), Lookup()]
    stepped = copy.deepcopy(clip)
    with torch.no_grad():
        stepped.text_tower.words.weight[0, 0] += 1e-6
    renamed = type("Other", (type(clip),), {})(clip.config)
    renamed.load_state_dict(clip.state_dict())
    marks = {mark, *map(fingerprint, [*others, stepped, renamed])}
    assert len(marks) == 6


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(ValueError, match="no images to encode"):
        encode_images(Lookup(), torch.zeros(0, 3, 1, 1))
    with pytest.raises(ValueError, match="features of the texts hold 1 zero vectors"):
        encode_texts(Lookup(), torch.tensor([[0, 0], [1, 0]]))
    with pytest.raises(ValueError, match="features of the images contain NaN or infinity"):
        encode_images(Lookup(), torch.full((1, 3, 1, 1), torch.nan))
