"""Photographs: where they come from is written down, and a scene alone says which part of one it stands on."""

import re
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from vlmlearn.world import photo_backgrounds, photographs, render, sample_scenes
from vlmlearn.world.backgrounds import FILE, GROUPS, PHOTOS, SIDE, Photo, _stored
from vlmlearn.world.photos.build import build, cut

LICENSES = (FILE.parent / "LICENSES.md").read_text(encoding="utf-8")


def test_every_photograph_has_its_licence_and_every_licence_its_photograph():
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", LICENSES, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(PHOTOS) and set(_stored(FILE)) == set(PHOTOS)
    for name, text in sections.items():
        assert "Author: " in text, name
        quoted = " ".join(re.findall(r"^> (.*)$", text, re.MULTILINE))
        assert re.search(r"CC0|public domain", quoted), name


def test_the_table_of_squares_is_the_one_that_was_cut():
    rows = re.findall(r"^\| (\w+) \| (\w+) \| `([\w.]+)` \| [^|]+ \| ([\d, ]+) \|$", LICENSES, re.MULTILINE)
    written = {name: (group, file, *map(int, square.split(", "))) for name, group, file, square in rows}
    assert written == {
        n: (p.group, p.file, p.left, p.top, SIDE * p.factor, p.factor) for n, p in PHOTOS.items()
    }


def test_the_groups_share_no_photograph_and_both_mix_colour_and_grey():
    files = [{p.file for p in PHOTOS.values() if p.group == group} for group in GROUPS]
    assert not files[0] & files[1]
    for group in GROUPS:
        pictures = photographs(group)
        grey = [bool((p[0] == p[1]).all() and (p[1] == p[2]).all()) for p in pictures.values()]
        assert len(pictures) >= 4 and any(grey) and not all(grey)
        for name, picture in pictures.items():
            assert picture.shape == (3, SIDE, SIDE) and picture.std() > 10, name
    assert photographs("train").keys().isdisjoint(photographs("test"))


def test_the_file_is_small():
    assert FILE.stat().st_size < 600_000


def test_a_caller_may_write_into_what_it_got():
    photographs("train")["grass"][:] = 0
    assert photographs("train")["grass"].mean() > 50


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**40),
    st.sampled_from(GROUPS),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=8),
    st.sampled_from([1, 32, 64, 128]),
    st.data(),
)
def test_a_background_depends_on_its_scene_alone(seed, group, indices, side, data):
    together = photo_backgrounds(sample_scenes(indices, seed=seed), group, side)
    order = data.draw(st.permutations(range(len(indices))))
    shuffled = photo_backgrounds(sample_scenes([indices[k] for k in order], seed=seed), group, side)
    np.testing.assert_array_equal(together[order], shuffled)


def test_a_background_is_a_window_of_one_photograph_mirrored_or_not():
    grounds = photo_backgrounds(sample_scenes(60), "test", 100)
    seen = set()
    for ground in grounds:
        for name, picture in photographs("test").items():
            windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 100, 100))[0]
            for mirrored, candidate in ((False, ground), (True, ground[:, :, ::-1])):
                corner = (windows[:, :, :, 0, 0] == candidate[:, 0, 0]).all(-1)
                found = [(y, x) for y, x in np.argwhere(corner) if (windows[y, x] == candidate).all()]
                seen |= {(name, mirrored)} if found else set()
                if found:
                    break
            if found:
                break
        assert found
    assert seen == {(name, mirrored) for name in photographs("test") for mirrored in (False, True)}


def test_photographs_and_windows_are_drawn_evenly():
    scenes = sample_scenes(4000)
    draws = scenes.draws("photo background")
    counts = np.bincount(draws.integers("photo", 4))
    assert counts.min() > 900
    assert len(np.unique(photo_backgrounds(scenes, "test").reshape(4000, -1), axis=0)) > 3600


def test_no_scenes_no_backgrounds():
    assert photo_backgrounds(sample_scenes(0), "train").shape == (0, 3, 64, 64)


def test_splits_and_seeds_have_their_own_backgrounds():
    one = photo_backgrounds(sample_scenes(20), "train")
    for other in (sample_scenes(20, seed=1), sample_scenes(20, split="test")):
        assert (photo_backgrounds(other, "train") != one).any((1, 2, 3)).sum() > 15


def test_objects_and_labels_do_not_see_the_ground():
    """Away from its outline an object looks as it does on the texture, and every label is the same."""
    scenes = sample_scenes(200)
    texture, photo = render(scenes), render(scenes, backgrounds=photo_backgrounds(scenes, "train"))
    for f in fields(texture):
        if f.name != "images":
            np.testing.assert_array_equal(getattr(texture, f.name), getattr(photo, f.name))
    same = (texture.images == photo.images).all(1)
    owner = np.pad(texture.instances, ((0, 0), (1, 1), (1, 1)))  # the border counts as an outline
    inner = texture.instances > 0
    for dy in range(3):
        for dx in range(3):
            inner &= owner[:, dy : dy + 64, dx : dx + 64] == texture.instances
    assert inner.mean() > 0.04 and same[inner].all()
    assert same[texture.instances == 0].mean() < 0.02


def test_objects_show_against_photographs():
    """The mean colour of an object differs from that of the ground around it."""
    scenes = sample_scenes(300)
    for group in GROUPS:
        pictures = render(scenes, backgrounds=photo_backgrounds(scenes, group))
        difference = []
        for k in range(len(scenes)):
            ground = pictures.images[k][:, pictures.instances[k] == 0].mean(1)
            for slot in range(scenes.count[k]):
                color = pictures.images[k][:, pictures.instances[k] == slot + 1].mean(1)
                difference.append(np.abs(color - ground).max())
        assert np.quantile(difference, 0.01) > 20


def test_a_block_of_pixels_becomes_its_mean():
    original = np.random.default_rng(0).integers(0, 256, (300, 270, 3), dtype=np.uint8)
    picture = cut(original, Photo("train", "x.png", 10, 20, 2))
    square = original[20:276, 10:266].astype(float)
    mean = square.reshape(128, 2, 128, 2, 3).mean((1, 3)).transpose(2, 0, 1)
    np.testing.assert_array_equal(picture, np.floor(mean + 0.5))


def test_the_builder_reads_pictures_and_writes_what_the_loader_takes(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    random = np.random.default_rng(0)
    for photo in PHOTOS.values():
        length = SIDE * photo.factor
        size = (photo.top + length, photo.left + length, *([3] if photo.file.endswith(".jpg") else []))
        name = photo.file.replace(".jpg", ".png")  # written without loss, read by its contents
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(tmp_path / name)
        (tmp_path / name).rename(tmp_path / photo.file)
    build(tmp_path, tmp_path / "photos.safetensors")
    assert _stored(tmp_path / "photos.safetensors").keys() == PHOTOS.keys()


@pytest.mark.bad_input
class TestBadInput:
    @pytest.mark.parametrize("group", ["validation", "", None])
    def test_unknown_groups_are_told_the_known_ones(self, group):
        for call in (photographs, lambda g: photo_backgrounds(sample_scenes(1), g)):
            with pytest.raises(ValueError, match=f"unknown group of photographs {group!r}.*train, test"):
                call(group)

    @pytest.mark.parametrize("side", [0, -64, 129, 256])
    def test_sides_beyond_a_photograph(self, side):
        with pytest.raises(ValueError, match=f"side is {side}, but a photograph has 128 pixels"):
            photo_backgrounds(sample_scenes(1), "train", side)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"photos.safetensors is missing.*install vlmlearn again"):
            _stored(tmp_path / "photos.safetensors")

    def test_a_damaged_file(self, tmp_path):
        path = tmp_path / "photos.safetensors"
        path.write_bytes(FILE.read_bytes()[:1000])
        with pytest.raises(ValueError, match=r"cannot be read.*install vlmlearn again"):
            _stored(path)

    @pytest.mark.parametrize(
        "wrong",
        [{}, {"extra": np.zeros((3, 128, 128), np.uint8)}, {"cat": np.zeros((3, 64, 64), np.uint8)}],
    )
    def test_a_file_with_other_photographs(self, tmp_path, wrong):
        path = tmp_path / "photos.safetensors"
        save_file({**({} if wrong == {} else _stored(FILE)), **wrong}, path)
        with pytest.raises(ValueError, match="does not hold the photographs it should"):
            _stored(path)

    def test_a_square_beyond_the_original(self):
        with pytest.raises(ValueError, match="reaches beyond an original of 200 × 300 pixels"):
            cut(np.zeros((300, 200, 3), np.uint8), Photo("train", "x.png", 0, 0, 2))
