"""Outputs change language, and what would not repeat or could not be read aloud is refused."""

import pytest

from book.outputs import check_outputs, in_language, normalised
from book.project import BuildError
from book.source import Code

BOTH = {"zh": "一条线", "en": "a line"}
STRICT = Code("x", {}, (), "01_toy, cell 3 ('x')")
LIVE = Code("x", {}, ("live",), "01_toy, cell 3 ('x')")
PLOT = Code("plt.show()", BOTH, (), "01_toy, cell 3 ('plt.show()')")


def printed(text: str, name: str = "stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": text}


def shown(metadata: dict | None = None, **data: str) -> dict:
    mime = {kind.replace("_", "/"): content for kind, content in data.items()}
    return {"output_type": "display_data", "data": mime, "metadata": metadata or {}}


def test_neighbouring_prints_are_one_output():
    picture = shown(image_png="AAAA")
    assert normalised(
        [printed("a\n"), printed("b\n"), picture, printed("c\n"), printed("d\n", "stderr")]
    ) == [
        printed("a\nb\n"),
        picture,
        printed("c\n"),
        printed("d\n", "stderr"),
    ]


def test_messages_change_language_there_and_back():
    both = {"zh": {"text/plain": "好"}, "en": {"text/plain": "good", "text/html": "<b>good</b>"}}
    chinese = [printed("1\n"), shown({"vlmlearn": both}, text_plain="好")]
    english = in_language(chinese, "en", {})
    assert english[1]["data"] == both["en"]
    assert english[0] == chinese[0]
    assert in_language(english, "zh", {}) == chinese


def test_alt_text_stands_in_the_metadata_of_the_picture():
    output = shown({"image/png": {"width": 3, "alt": "old"}}, image_png="AAAA")
    assert in_language([output], "zh", BOTH)[0]["metadata"] == {"image/png": {"width": 3, "alt": "一条线"}}
    check_outputs(PLOT, [output])


@pytest.mark.parametrize(
    "text",
    [
        "took 3.2 s",
        "20 ms per step",
        "took 5 seconds",
        "2 minutes",
        "用时 3 秒",
        "用时 5 分钟",
        "120 images/s",
        "at 12:30:05",
        "2024-05-01",
        "<__main__.A object at 0x7f3b1c2d>",
        "saved to /home/me/x.png",
        "/tmp/a",
        "C:\\Users",
        "~/x",
        "file://x",
        "0.1235",
        "1.2345e-05",
        "tensor([0.1000, 0.2000])",
    ],
)
def test_what_does_not_repeat_is_refused_in_strict_cells_only(text):
    for output in (printed(f"first\n{text}\n"), shown(text_plain=text), shown(text_html=f"<p>{text}</p>")):
        if text.startswith("<") and "text/html" in output.get("data", {}):
            continue  # an unescaped < is markup, which a reader does not see
        with pytest.raises(BuildError, match=r"01_toy, cell 3 .*its output holds"):
            check_outputs(STRICT, [output])
        check_outputs(LIVE, [output])


@pytest.mark.parametrize(
    "text",
    [
        "loss 0.123",
        "1.234e-05",
        "shape (64, 3, 64, 64)",
        "torch.Size([2, 3])",
        "2.13.0",
        "3 shapes, 8 colours and/or 2 sizes",
        "max 3 min 1",
        "1/2/3",
        "vlmlearn/results/01.json",
        "https://example.org/a/b",
        "<Figure size 640x480 with 1 Axes>",
        "第 3 步，5 分",
        "red square / blue circle",
    ],
)
def test_what_repeats_passes(text):
    check_outputs(STRICT, [printed(text), shown(text_plain=text)])


def test_markup_is_not_text():
    html = '<style>p {top: 0.12345em}</style><img alt="" src="data:image/png;base64,a+/tmp/b/c"><td>a</td>/<td>b</td>'
    check_outputs(STRICT, [shown(text_html=html, text_plain="<IPython.core.display.HTML object>")])


def test_both_languages_of_a_message_are_checked():
    both = {"zh": {"text/plain": "好"}, "en": {"text/plain": "took 3 s"}}
    with pytest.raises(BuildError, match="a timing, 'took 3 s'"):
        check_outputs(STRICT, [shown({"vlmlearn": both}, text_plain="好")])


@pytest.mark.parametrize("code", [STRICT, LIVE])
def test_warnings_and_errors_are_refused_everywhere(code):
    with pytest.raises(BuildError, match=r"cell 3 .*wrote to stderr: careful"):
        check_outputs(code, [printed("careful\n", "stderr")])
    with pytest.raises(BuildError, match=r"cell 3 .*raised KeyError: 'a'"):
        check_outputs(code, [{"output_type": "error", "ename": "KeyError", "evalue": "'a'", "traceback": []}])


@pytest.mark.parametrize("kind", ["image_png", "image_jpeg"])
@pytest.mark.parametrize("missing", ["zh", "en"])
def test_a_picture_needs_alt_text_in_both_languages(kind, missing):
    alt = {language: text for language, text in BOTH.items() if language != missing}
    with pytest.raises(BuildError, match=rf"cell 3 .*alt-{missing}: "):
        check_outputs(Code("x", alt, ("live",), LIVE.where), [shown(**{kind: "AAAA"})])


def test_alt_text_without_a_picture_is_refused():
    with pytest.raises(BuildError, match="shows no picture"):
        check_outputs(PLOT, [printed("1")])


def test_html_pictures_need_alt():
    check_outputs(STRICT, [shown(text_html='<img src="x" alt="a cat">')])
    with pytest.raises(BuildError, match="without alt="):
        check_outputs(LIVE, [shown(text_html='<img alt="a cat" src="x"><IMG src="y">')])
