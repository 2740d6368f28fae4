"""Folders and names, against a Hub on this machine."""

import socket
from pathlib import Path

import pytest

from vlmlearn.hub.files import Source, find, read_json

NAME = "someone/tiny-clip"
KNOWN = ("config.json", "model.safetensors", "tokenizer.json", "vocab.txt")


@pytest.fixture
def saved(tmp_path) -> Path:
    """A folder with the names of a checkpoint's files; what is in them does not matter here."""
    folder = tmp_path / "saved"
    folder.mkdir()
    for name in KNOWN:
        (folder / name).write_text("{}")
    return folder


class TestFind:
    def test_a_folder_is_taken_as_it_is(self, saved):
        assert find(saved) == find(str(saved)) == Source(str(saved), saved)
        assert str(find(saved)) == str(saved)

    def test_a_name_is_fetched(self, hub, saved):
        commit = hub.publish(NAME, saved)
        source = find(NAME)
        assert (source.id, source.commit, str(source)) == (NAME, commit, f"{NAME} @ {commit}")
        assert sorted(path.name for path in source.folder.iterdir()) == sorted(KNOWN)

    def test_nothing_but_known_files_is_fetched(self, hub, saved):
        for name in ("pytorch_model.bin", "modeling_clip.py", "README.md"):
            (saved / name).write_text("x")
        hub.publish(NAME, saved)
        assert sorted(path.name for path in find(NAME).folder.iterdir()) == sorted(KNOWN)

    def test_a_pickle_is_left_where_it_is_if_nobody_converted_it(self, hub, saved):
        (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
        hub.publish(NAME, saved)
        hub.offer(NAME, 9, "a-stranger", "Adding `safetensors` variant of this model")
        assert not {"model.safetensors", "pytorch_model.bin"} & {p.name for p in find(NAME).folder.iterdir()}


def test_these_tests_reach_no_other_machine():
    with pytest.raises(OSError, match="a test asked where"):
        socket.create_connection(("huggingface.co", 443))
    with pytest.raises(OSError, match="a test tried to reach"):
        socket.socket().connect(("192.0.2.1", 443))


@pytest.mark.bad_input
class TestBadName:
    def test_a_folder_has_no_revision(self, saved):
        with pytest.raises(ValueError, match="is a folder and has no revision 'main'"):
            find(saved, revision="main")

    @pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at-all", "~/nowhere", "a/b/c", "clip", ""])
    def test_no_folder_and_no_name(self, name):
        with pytest.raises(ValueError, match="is no folder here, nor a name of the Hub"):
            find(name)

    def test_unknown_name(self, hub):
        with pytest.raises(ValueError, match="the Hub knows no 'someone/nothing': check owner and name"):
            find("someone/nothing")

    def test_impossible_name(self, hub):
        with pytest.raises(ValueError, match=r"the Hub knows no .some one/\.\.."):
            find("some one/..")

    def test_unknown_revision(self, hub, saved):
        hub.publish(NAME, saved)
        with pytest.raises(ValueError, match=f"{NAME} has no revision 'v9'"):
            find(NAME, revision="v9")

    def test_no_network(self, hub, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://no-network.example")
        with pytest.raises(
            ConnectionError, match=r"could not be fetched.*Without a network, copy its config\.json"
        ):
            find(NAME)

    def test_no_network_and_only_a_pickle_in_the_cache(self, hub, saved, monkeypatch):
        (saved / "model.safetensors").unlink()
        hub.publish(NAME, saved)
        find(NAME)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://no-network.example")
        with pytest.raises(ConnectionError, match="could not be fetched"):
            find(NAME)

    def test_switched_off(self, hub, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(ConnectionError, match="could not be fetched"):
            find(NAME)

    def test_a_full_disk_is_not_a_matter_of_the_network(self, hub, saved, monkeypatch):
        def full(*arguments, **options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("huggingface_hub.snapshot_download", full)
        with pytest.raises(OSError, match="No space left") as caught:
            find(NAME)
        assert not isinstance(caught.value, ConnectionError)

    def test_without_the_extra(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
        with pytest.raises(ModuleNotFoundError, match=r'pip install "vlmlearn\[hub\]"'):
            find(NAME)


@pytest.mark.bad_input
class TestReadJson:
    def test_settings(self, tmp_path):
        (tmp_path / "a.json").write_text('{"a": "红"}', encoding="utf-8")
        assert read_json(tmp_path / "a.json") == {"a": "红"}

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"{", "not valid JSON"), (b"\xff", "not valid JSON"), (b"[1]", "holds a list")],
    )
    def test_other_content(self, tmp_path, content, message):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_json(tmp_path / "a.json")

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"has no a\.json"):
            read_json(tmp_path / "a.json")
