"""An index on disk: there and back, whole after every kind of accident."""

import json
import os

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlmlearn.heads.retrieval import ImageIndex, store


def make(size=5, seed=0, model="ab" * 16):
    features = torch.randn(size, 4, generator=torch.Generator().manual_seed(seed))
    return ImageIndex(features, [f"图 {k}" for k in range(size)], model=model)


def equal(one, other):
    return torch.equal(one.vectors, other.vectors) and (one.keys, one.model) == (other.keys, other.model)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 2**31),
    st.lists(st.text(min_size=1).filter(lambda t: t.isprintable()), min_size=1, max_size=8, unique=True),
    st.sampled_from([None, "0" * 32]),
)
def test_there_and_back(tmp_path, seed, keys, model):
    features = torch.randn(len(keys), 3, generator=torch.Generator().manual_seed(seed))
    index = ImageIndex(features, keys, model=model)
    index.save(tmp_path / "index")
    assert equal(index, ImageIndex.load(str(tmp_path / "index")))
    assert len(os.listdir(tmp_path / "index")) == 2


def test_saved_over_an_older_one_and_over_itself(tmp_path):
    make(seed=1).save(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        make(7).save(tmp_path)
        assert equal(ImageIndex.load(tmp_path), make(7))
    assert len(os.listdir(tmp_path)) == 3


@pytest.mark.parametrize("step", range(1, 7))
@pytest.mark.parametrize("there", [True, False])
def test_an_interrupted_save_leaves_the_old_index_whole(tmp_path, monkeypatch, step, there):
    """Stopped before each of the writes, forced writes and replacements in turn."""
    if there:
        make(seed=1).save(tmp_path)
    before = sorted(os.listdir(tmp_path))
    calls = 0

    def stop(real):
        def instead(*args):
            nonlocal calls
            calls += 1
            if calls == step:
                raise KeyboardInterrupt
            return real(*args)

        return instead

    monkeypatch.setattr(store.os, "fsync", stop(os.fsync))
    monkeypatch.setattr(store.os, "replace", stop(os.replace))
    if step > 4:  # two files, each forced and replaced: there is no fifth step to stop
        make(7).save(tmp_path)
        assert calls == 4 and equal(ImageIndex.load(tmp_path), make(7))
        return
    with pytest.raises(KeyboardInterrupt):
        make(7).save(tmp_path)
    monkeypatch.undo()
    if there:
        assert equal(ImageIndex.load(tmp_path), make(seed=1))
    else:
        with pytest.raises(FileNotFoundError):
            ImageIndex.load(tmp_path)
    left = set(os.listdir(tmp_path)) - set(before)
    assert not [name for name in left if name.endswith(".new")] and len(left) <= 1
    make(7).save(tmp_path)
    assert equal(ImageIndex.load(tmp_path), make(7))


def test_a_full_disk(tmp_path, monkeypatch):
    make(seed=1).save(tmp_path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        make(7).save(tmp_path)
    assert equal(ImageIndex.load(tmp_path), make(seed=1)) and len(os.listdir(tmp_path)) == 2


class TestDamage:
    @pytest.fixture
    def folder(self, tmp_path):
        make().save(tmp_path)
        return tmp_path

    @pytest.fixture
    def vectors(self, folder):
        (file,) = folder.glob("*.safetensors")
        return file

    def change(self, folder, **fields):
        table = json.loads((folder / "index.json").read_text("utf-8"))
        (folder / "index.json").write_text(json.dumps(table | fields))

    def test_nothing_there(self, tmp_path):
        for folder in (tmp_path, tmp_path / "none"):
            with pytest.raises(FileNotFoundError, match=r"holds no index\.json: save an index there first"):
                ImageIndex.load(folder)

    def test_vectors_that_changed_by_one_bit(self, folder, vectors):
        data = bytearray(vectors.read_bytes())
        data[-1] ^= 1
        vectors.write_bytes(data)
        with pytest.raises(ValueError, match="is damaged: build the index again"):
            ImageIndex.load(folder)

    @pytest.mark.parametrize("length", [0, 5, 100])
    def test_vectors_cut_off(self, folder, vectors, length):
        vectors.write_bytes(vectors.read_bytes()[:length])
        with pytest.raises(ValueError, match=r"is damaged|is missing"):
            ImageIndex.load(folder)

    def test_vectors_gone(self, folder, vectors):
        vectors.unlink()
        with pytest.raises(ValueError, match="is missing: build the index again"):
            ImageIndex.load(folder)

    @pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", "\udcff"])
    def test_a_table_that_is_none(self, folder, text):
        (folder / "index.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(ValueError, match="is damaged"):
            ImageIndex.load(folder)

    @pytest.mark.parametrize(
        "fields",
        [
            {"keys": "abcde"},
            {"keys": [1, 2, 3, 4, 5]},
            {"model": 7},
            {"vectors": "../other.safetensors"},
            {"vectors": None},
        ],
    )
    def test_fields_of_other_kinds(self, folder, fields):
        self.change(folder, **fields)
        with pytest.raises(ValueError, match="is damaged"):
            ImageIndex.load(folder)

    def test_another_number_of_keys(self, folder):
        self.change(folder, keys=["one"])
        with pytest.raises(ValueError, match=r"1 keys and vectors of shape \(5, 4\)"):
            ImageIndex.load(folder)

    def test_keys_that_repeat(self, folder):
        self.change(folder, keys=["a"] * 5)
        with pytest.raises(ValueError, match="key 'a' is there already"):
            ImageIndex.load(folder)

    def test_another_format(self, folder):
        self.change(folder, format=2)
        with pytest.raises(ValueError, match="has format 2, expected 1"):
            ImageIndex.load(folder)

    def test_a_damaged_index_can_be_saved_over(self, folder):
        (folder / "index.json").write_text("{")
        make(7).save(folder)
        assert equal(ImageIndex.load(folder), make(7))

    def test_a_file_in_place_of_the_folder(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ValueError, match="is a file, expected the name of a folder"):
            make().save(tmp_path / "file")
