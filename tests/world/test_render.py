"""Pictures are the same wherever they are drawn, and their boxes, masks and visibility tell one story."""

import hashlib
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.world import SPLITS, Pictures, Scenes, depth_maps, render, sample_scenes
from vlmlearn.world.shapes import RGB


def assert_same(one: Pictures, other: Pictures) -> None:
    for f in fields(Pictures):
        np.testing.assert_array_equal(getattr(one, f.name), getattr(other, f.name), err_msg=f.name)


def chosen(pictures: Pictures, which: list[int]) -> Pictures:
    return Pictures(**{f.name: getattr(pictures, f.name)[which] for f in fields(Pictures)})


def alone(scenes: Scenes, slot: int) -> Scenes:
    """The same scenes with nothing in them but the object of one slot (each must have it)."""
    moved = {
        name: getattr(scenes, name)[:, [slot] * 4]
        for name in ("shape", "color", "size", "x", "y", "radius", "turn")
    }
    return replace(scenes, count=np.ones_like(scenes.count), **moved)


@pytest.fixture(scope="module")
def scenes():
    return sample_scenes(400)


@pytest.fixture(scope="module")
def pictures(scenes):
    return render(scenes)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**40),
    st.sampled_from(SPLITS),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=8),
    st.sampled_from([32, 64]),
    st.data(),
)
def test_a_picture_is_the_same_alone_and_in_any_batch_and_order(seed, split, indices, side, data):
    together = render(sample_scenes(indices, seed=seed, split=split), side)
    order = data.draw(st.permutations(range(len(indices))))
    shuffled = render(sample_scenes([indices[k] for k in order], seed=seed, split=split), side)
    assert_same(chosen(together, order), shuffled)
    one = data.draw(st.integers(0, len(indices) - 1))
    assert_same(chosen(together, [one]), render(sample_scenes([indices[one]], seed=seed, split=split), side))


def test_a_picture_is_the_same_across_chunks(scenes, pictures):
    """Scenes are painted 64 at a time: another place in the batch is another place in a chunk."""
    assert_same(render(scenes[37:301:7]), chosen(pictures, range(37, 301, 7)))


def test_no_scenes_no_pictures():
    nothing = render(sample_scenes(0), 32)
    assert len(nothing) == 0 and nothing.images.shape == (0, 3, 32, 32) and nothing.boxes.shape == (0, 4, 4)


@pytest.mark.parametrize("side", [32, 48, 96])
def test_other_sides_show_the_same_scene(scenes, pictures, side):
    """Boxes, as fractions of the side, agree within two pixels; every object has about the same share."""
    some = scenes[:100]
    here, there = render(some, side), chosen(pictures, range(100))
    assert here.images.shape == (100, 3, side, side) and here.instances.shape == (100, side, side)
    coarse = 1 / min(side, 64)
    assert np.abs(here.boxes / side - there.boxes / 64).max() <= 2 * coarse
    for slot in range(4):
        share = [(p.instances == slot + 1).mean((1, 2)) for p in (here, there)]
        assert np.abs(share[0] - share[1]).max() < 0.025
    assert np.abs(here.visible - there.visible).max() < 0.2


@pytest.mark.parametrize("side", range(32, 132, 4))
def test_objects_at_the_corners_stay_on_the_canvas(side):
    """Whatever the side, what is cut off at one border does not come back in at the other."""
    scene = sample_scenes(1, objects=(1, 1))
    for x in (0.13, 0.87):
        for y in (0.13, 0.87):
            place = {
                name: np.full((1, 4), value, np.float32)
                for name, value in (("x", x), ("y", y), ("radius", 0.19))
            }
            rows, columns = np.nonzero(render(replace(scene, **place), side).instances[0])
            assert len(rows) > 0.01 * side**2
            assert np.hypot(columns + 0.5 - x * side, rows + 0.5 - y * side).max() <= 0.19 * 1.25 * side + 1


def test_boxes_hold_exactly_an_objects_own_pixels(scenes, pictures):
    """The box of an object, partly hidden or not, is that of its pixels when drawn without the others."""
    for slot in range(4):
        who = np.flatnonzero(scenes.count > slot)
        masks = render(alone(scenes[who], slot)).instances == 1
        rows, columns = masks.any(2), masks.any(1)
        expected = np.stack(
            [
                columns.argmax(1),
                rows.argmax(1),
                64 - columns[:, ::-1].argmax(1),
                64 - rows[:, ::-1].argmax(1),
            ],
            1,
        )
        np.testing.assert_array_equal(pictures.boxes[who, slot], expected)
        seen = pictures.instances[who] == slot + 1
        assert not (seen & ~masks).any()  # the visible pixels are some of its own
        np.testing.assert_array_equal(pictures.boxes[scenes.count <= slot, slot], 0)


def test_visible_is_the_share_of_an_objects_pixels_that_show(scenes, pictures):
    """What the border leaves of an object, times what nearer objects leave of that."""
    for slot in range(4):
        who = np.flatnonzero(scenes.count > slot)
        single = render(alone(scenes[who], slot))
        inside_border, own = single.visible[:, 0], (single.instances == 1).sum((1, 2))
        showing = (pictures.instances[who] == slot + 1).sum((1, 2))
        np.testing.assert_allclose(pictures.visible[who, slot], inside_border * showing / own, rtol=1e-6)
        np.testing.assert_array_equal(pictures.visible[scenes.count <= slot, slot], 0)
        away = np.minimum(scenes.x, 1 - scenes.x), np.minimum(scenes.y, 1 - scenes.y)
        clear = (np.minimum(*away) > 1.25 * scenes.radius)[who, slot]
        assert (inside_border[clear] == 1).all() and clear.mean() > 0.5


def test_nearer_objects_cover_farther_ones(scenes, pictures):
    """Painter's order: a pixel that belongs to several objects shows the last of them."""
    owner = np.zeros_like(pictures.instances)
    for slot in range(4):
        who = np.flatnonzero(scenes.count > slot)
        owner[who] = np.where(render(alone(scenes[who], slot)).instances == 1, slot + 1, owner[who])
    np.testing.assert_array_equal(pictures.instances, owner)


def test_one_object_in_six_is_partly_hidden_and_none_wholly():
    scenes = sample_scenes(20_000)
    visible = render(scenes).visible[scenes.present]
    assert 0.15 < (visible < 1).mean() < 0.18
    assert visible.min() > 0.35


def test_instances_are_numbered_by_slot(scenes, pictures):
    assert pictures.instances.max() == 4
    for k in range(len(scenes)):
        assert set(np.unique(pictures.instances[k])) == set(range(scenes.count[k] + 1))


def test_objects_have_their_colours(scenes, pictures):
    """The mean colour of an object's pixels points from grey in the direction of the colour of its name."""
    right = []
    for k in range(len(scenes)):
        for slot in range(scenes.count[k]):
            color = pictures.images[k][:, pictures.instances[k] == slot + 1].mean(1) / 255
            spread = (RGB - 0.5) / np.linalg.norm(RGB - 0.5, axis=1, keepdims=True)
            right.append((spread @ (color - 0.5)).argmax() == scenes.color[k, slot])
    assert np.mean(right) > 0.9


def test_backgrounds_differ_and_use_the_range(pictures):
    assert pictures.images.dtype == np.uint8
    assert len(np.unique(pictures.images.reshape(len(pictures), -1), axis=0)) == len(pictures)
    assert 90 < pictures.images.mean() < 115 and 30 < pictures.images.std() < 45


def test_an_objects_brightness_shows_against_its_background(scenes, pictures):
    """Every object can be seen: its colour differs from the background's by more than the film grain does."""
    difference = []
    for k in range(100):
        ground = pictures.images[k][:, pictures.instances[k] == 0].mean(1)
        for slot in range(scenes.count[k]):
            color = pictures.images[k][:, pictures.instances[k] == slot + 1].mean(1)
            difference.append(np.abs(color - ground).max())
    assert np.quantile(difference, 0.01) > 20


@pytest.mark.parametrize("side", [0, 16, 28, 33, 66, -64])
def test_impossible_sides(scenes, side):
    with pytest.raises(ValueError, match=f"side is {side}, expected a multiple of 4 from 32 on"):
        render(scenes[:1], side)


def test_a_given_background_takes_the_texture_s_place_under_the_same_haze():
    """The ground shows it, lightened towards grey with depth: the lowest row not at all, the highest the most."""
    scenes = sample_scenes(80)
    black, white = (np.full((80, 3, 64, 64), value, np.uint8) for value in (0, 255))
    dark, light = (render(scenes, backgrounds=ground) for ground in (black, white))
    haze = np.clip((depth_maps(scenes, dark.instances) - 2) / 12, 0, 0.55)[:, None]
    for pictures, level in ((dark, 0.0), (light, 1.0)):
        expected = 255 * (level + haze * (0.62 - level))
        ground = np.abs(pictures.images - expected) <= 0.51
        assert ground.all(1)[dark.instances == 0].mean() > 0.9  # the rest: soft outlines of objects


def test_backgrounds_go_with_their_scenes_across_chunks():
    scenes = sample_scenes(150)
    grounds = np.random.default_rng(0).integers(0, 256, (150, 3, 32, 32), dtype=np.uint8)
    together = render(scenes, 32, backgrounds=grounds)
    some = np.arange(140, 20, -7)
    assert_same(render(scenes[some], 32, backgrounds=grounds[some]), chosen(together, some))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 3, 64, 64), np.uint8),
        np.zeros((3, 64, 64, 3), np.uint8),
        np.zeros((3, 3, 32, 32), np.uint8),
        np.zeros((3, 64, 64), np.uint8),
        np.zeros((3, 3, 64, 64), np.float32),
    ],
)
def test_impossible_backgrounds(scenes, wrong):
    said = re.escape(f"backgrounds are {wrong.dtype} {wrong.shape}, expected uint8 (3, 3, 64, 64)")
    with pytest.raises(ValueError, match=said):
        render(scenes[:3], backgrounds=wrong)


GOLDEN = {
    "train": ("6980deb1bf1bab39", "241d25b041d8dfa0"),
    "val": ("86b7cf246f6098aa", "2b4443ab2f7f785d"),
    "test": ("91f73bb993bf14fa", "2820304db64f451d"),
    "compositional": ("bdcb543c1ed8ab41", "53ddd0e9ec685bb5"),
    "all": ("e4b21c192ad33ddb", "6fb979571d41360f"),
}


@pytest.mark.parametrize("split", SPLITS)
def test_golden_pictures(split):
    """The first 64 scenes of each split, to the last bit: recorded results and notebooks are made of these.

    First what is known about a scene, then its pixels: so a failure says which of the two has changed.
    """
    scenes = sample_scenes(64, split=split)
    pictures = render(scenes)
    facts = [scenes.count, scenes.pair, pictures.boxes, pictures.instances]
    digests = ["", ""]
    for k, arrays in enumerate([facts, [pictures.images]]):
        digests[k] = hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[
            :16
        ]
    assert tuple(digests) == GOLDEN[split]
