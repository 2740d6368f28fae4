"""Progress is remembered in the kernel, kept in a file, and a verdict looks right wherever it is shown."""

import json

import pytest

from vlmlearn.exercises import check, progress, record, registry
from vlmlearn.exercises.verdict import verdict
from vlmlearn.messages import Message


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(record, "_done", {})


def right(name):
    return registry.find(name).reference


def test_nothing_tried(capsys):
    progress()
    assert capsys.readouterr().out == "No exercise tried yet.\n"


def test_what_passed_stays_passed(capsys):
    check("similarity", right("similarity"))
    check("similarity", lambda image, text: image @ text.T)
    check("recall_at_k", lambda similarity, k: 3.0)
    check("clip_loss", lambda image, text, scale: None)
    capsys.readouterr()
    progress()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 of 6 done"
    assert [line[0] for line in lines[1:]] == ["✓", "○", "○", "○", "✗", "○"]


def test_kept_between_kernels(tmp_path, monkeypatch, capsys):
    path = tmp_path / "progress.json"
    check("similarity", right("similarity"))
    progress(save=path)
    monkeypatch.setattr(record, "_done", {})
    check("to_channels_last", right("to_channels_last"))
    progress(save=str(path))
    assert json.loads(path.read_text()) == {"similarity": "passed", "to_channels_last": "passed"}
    assert "2 of 8 done" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["progress.json"]


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 3}', "\x00"])
def test_a_file_that_is_something_else_is_left_alone(tmp_path, content):
    path = tmp_path / "thesis.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="is left as it is"):
        progress(save=path)
    assert path.read_text() == content


def test_a_verdict_escapes_what_the_learner_wrote():
    title = Message("出错", "wrong")
    found = verdict(
        "clip_loss", "raised", title, Message("看 `a < b`。", "See `a < b`."), Message("<b>", "<script>x")
    )
    html = found.message.mime_data("en")["text/html"]
    assert "<script>" not in html and "&lt;script&gt;x" in html and "<code>a &lt; b</code>" in html
    assert found.message.zh == "✗ clip_loss：出错\n看 `a < b`。\n    <b>"
    assert "✗" in html and "background" not in html
    assert repr(found) == "Verdict('clip_loss', 'raised')"


def test_a_verdict_at_the_end_of_a_cell_is_not_shown_twice():
    from IPython.core.interactiveshell import InteractiveShell

    found = verdict("clip_loss", "passed", Message("好", "good"))
    assert InteractiveShell.instance().display_formatter.format(found) == ({}, {})
    InteractiveShell.clear_instance()
