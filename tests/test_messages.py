"""Messages speak the chosen language, carry both, and cost nothing to import."""

import os
import subprocess
import sys

import jaxtyping
import pytest
from IPython.core.interactiveshell import InteractiveShell

from vlmlearn import get_language, set_language
from vlmlearn.messages import METADATA_KEY, Message, show

SHAPE = Message(zh="形状不对", en="wrong shape", html_zh="<b>形状</b>不对", html_en="wrong <b>shape</b>")


@pytest.fixture(autouse=True)
def english_again():
    yield
    set_language("en")


def run_fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_english_unless_told_otherwise():
    assert run_fresh("import vlmlearn; print(vlmlearn.get_language())") == "en\n"


def test_text_follows_the_language():
    set_language("zh")
    assert (get_language(), str(SHAPE)) == ("zh", "形状不对")
    set_language("en")
    assert (get_language(), str(SHAPE)) == ("en", "wrong shape")
    assert SHAPE.text("zh") == "形状不对"


@pytest.mark.parametrize("language", ["fr", "ZH", "", "zh-CN"])
def test_unknown_language_is_refused_and_changes_nothing(language):
    set_language("zh")
    with pytest.raises(ValueError, match="'zh', 'en'"):
        set_language(language)
    with pytest.raises(ValueError, match="'zh', 'en'"):
        SHAPE.text(language)
    assert get_language() == "zh"


@pytest.mark.skipif(os.environ.get("VLMLEARN_TYPECHECK") == "0", reason="they are switched off")
def test_type_checks_are_on():
    with pytest.raises(jaxtyping.TypeCheckError):
        set_language(3)


@pytest.mark.bad_input
def test_a_test_of_bad_input_meets_our_error():
    with pytest.raises(ValueError, match="unknown language 3"):
        set_language(3)


def test_a_message_needs_both_languages():
    with pytest.raises(ValueError, match="no text for 'en'"):
        Message(zh="只有中文", en=" ")
    with pytest.raises(ValueError, match="html_zh but no html_en"):
        Message(zh="一", en="one", html_zh="<b>一</b>")
    with pytest.raises(ValueError, match="html_en but no html_zh"):
        Message(zh="一", en="one", html_en="<b>one</b>")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_notebook_output_shows_one_language_and_keeps_both(language):
    set_language(language)
    data, metadata = InteractiveShell.instance().display_formatter.format(SHAPE)
    both = {
        "zh": {"text/plain": "形状不对", "text/html": "<b>形状</b>不对"},
        "en": {"text/plain": "wrong shape", "text/html": "wrong <b>shape</b>"},
    }
    InteractiveShell.clear_instance()
    assert data == both[language]
    assert metadata == {METADATA_KEY: both}


def test_without_markup_only_plain_text():
    assert Message(zh="一", en="one")._repr_mimebundle_()[0] == {"text/plain": "one"}


def test_show_prints_in_a_terminal(capsys):
    show(SHAPE)
    assert capsys.readouterr().out == "wrong shape\n"


def test_show_displays_in_a_notebook(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", shown.append)
    show(SHAPE)
    assert shown == [SHAPE]


def test_loads_nothing_heavy():
    code = "import sys; from vlmlearn.messages import Message, show; show(Message(zh='一', en='one'));"
    code += "print(sorted({'torch', 'numpy', 'matplotlib', 'IPython'} & set(sys.modules)))"
    assert run_fresh(code) == "one\n[]\n"
