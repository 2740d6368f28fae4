"""Torch data sets of the world."""

import pytest
import torch
from torch.utils.data import DataLoader

from vlmlearn.world import (
    SceneDataset,
    Tokenizer,
    caption_pairs,
    captions,
    photo_backgrounds,
    render,
    sample_scenes,
)


def test_an_item_is_the_picture_and_the_sentence_of_its_scene():
    dataset = SceneDataset(10, split="test", language="zh", variant=1)
    item, scene = dataset[3], sample_scenes([3], split="test")
    assert item["index"] == 3
    assert torch.equal(item["image"], torch.from_numpy(render(scene).images[0]))
    assert Tokenizer().decode(item["ids"][None]) == captions(scene, "zh", variant=1)


def test_negative_indices_count_from_the_end():
    dataset = SceneDataset(4)
    assert dataset[-1]["index"] == 3


def test_a_loader_gives_the_same_items_in_batches():
    dataset = SceneDataset(7)
    batches = list(DataLoader(dataset, batch_size=3))
    assert [len(b["image"]) for b in batches] == [3, 3, 1]
    assert torch.equal(torch.cat([b["image"] for b in batches])[5], dataset[5]["image"])


def test_pairs_hold_every_variant():
    pairs = caption_pairs(5, variants=3)
    assert pairs.images.shape == (5, 3, 64, 64) and pairs.ids.shape == (5, 3, 32) and len(pairs) == 5
    decode = Tokenizer().decode
    assert [decode(row) for row in pairs.ids] == [list(texts) for texts in pairs.texts]


def test_distinct_pairs_have_one_right_picture_for_each_sentence():
    pairs = caption_pairs(1000, split="test", distinct=True)
    texts = [variants[0] for variants in pairs.texts]
    assert len(set(texts)) == 1000
    everything = captions(sample_scenes(int(pairs.scenes.index.max()) + 1, split="test"))
    first = {text: index for index, text in reversed(list(enumerate(everything)))}
    assert [first[text] for text in texts] == pairs.scenes.index.tolist()


def test_a_smaller_gallery_is_the_beginning_of_a_larger_one():
    small, large = (caption_pairs(n, split="val", distinct=True) for n in (20, 300))
    assert small.scenes.index.tolist() == large.scenes.index[:20].tolist()


def test_photographs_change_the_pictures_and_nothing_else():
    plain, photos = caption_pairs(30, variants=2), caption_pairs(30, variants=2, photos="test")
    assert photos.texts == plain.texts and torch.equal(photos.ids, plain.ids)
    assert photos.scenes.index.tolist() == plain.scenes.index.tolist()
    pictures = render(plain.scenes, backgrounds=photo_backgrounds(plain.scenes, "test"))
    assert torch.equal(photos.images, torch.from_numpy(pictures.images))
    assert (photos.images != plain.images).flatten(1).any(1).all()


def test_a_share_of_the_scenes_on_photographs():
    """Every picture is one of the two, the share is about what was asked for, and a larger one only adds."""
    plain, photos = caption_pairs(500).images, caption_pairs(500, photos="train").images
    before = torch.zeros(500, dtype=torch.bool)
    for share in (0.0, 0.1, 0.5, 1.0):
        mixed = caption_pairs(500, photos="train", photo_share=share).images
        on_photo = (mixed != plain).flatten(1).any(1)
        assert torch.equal(mixed, torch.where(on_photo[:, None, None, None], photos, plain))
        assert abs(on_photo.float().mean() - share) < 0.08
        assert (on_photo | ~before).all()
        before = on_photo


def test_which_scenes_stand_on_photographs_does_not_depend_on_how_many_there_are():
    few, many = (caption_pairs(n, photos="train", photo_share=0.5).images for n in (40, 200))
    assert torch.equal(few, many[:40])


def test_an_item_stands_on_the_same_photograph_as_the_pair_of_its_scene():
    options = {"photos": "train", "photo_share": 0.5, "side": 32}
    dataset, pairs = SceneDataset(12, **options), caption_pairs(12, **options)
    assert torch.equal(torch.stack([dataset[k]["image"] for k in range(12)]), pairs.images)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: SceneDataset(0), ValueError, "size is 0"),
        (lambda: SceneDataset(5, split="dev"), ValueError, "'dev'"),
        (lambda: SceneDataset(5, language="fr"), ValueError, "fr"),
        (lambda: SceneDataset(5, side=30), ValueError, "side is 30"),
        (lambda: SceneDataset(5, context_length=4), ValueError, "4"),
        (lambda: SceneDataset(5)[5], IndexError, "0 to 4"),
        (lambda: SceneDataset(5)[-6], IndexError, "0 to 4"),
        (lambda: caption_pairs(0), ValueError, "size is 0"),
        (lambda: caption_pairs(3, variants=0), ValueError, "variants 0"),
        (lambda: caption_pairs(3, split="held-out"), ValueError, "compositional"),
        (lambda: caption_pairs(3, photos="val"), ValueError, "'val', expected one of train, test"),
        (lambda: caption_pairs(3, photos="train", photo_share=1.1), ValueError, "photo_share is 1.1"),
        (
            lambda: caption_pairs(3, photos="train", photo_share=float("nan")),
            ValueError,
            "photo_share is nan",
        ),
        (lambda: caption_pairs(3, photo_share=0.5), ValueError, "photos is None: name a group"),
        (lambda: caption_pairs(3, photos="train", side=132), ValueError, "a photograph has 128 pixels"),
        (lambda: SceneDataset(5, photos="val"), ValueError, "expected one of train, test"),
        (lambda: SceneDataset(5, photo_share=0.5), ValueError, "photos is None"),
    ],
)
def test_bad_input(make, error, says):
    with pytest.raises(error, match=says):
        make()
