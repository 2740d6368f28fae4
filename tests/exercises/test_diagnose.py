"""Bad answers of every kind get a short verdict in words, never a stack of ours."""

import contextlib
import sys
import threading
import time

import pytest
import torch
import torch.nn.functional as F

from vlmlearn import set_language
from vlmlearn.exercises import check, registry
from vlmlearn.exercises.checking import diagnose
from vlmlearn.exercises.limits import OutOfTime, time_limit


def unit(x):
    return F.normalize(x, dim=-1)


def cosine(image, text):
    return unit(image) @ unit(text).T


def stub(image, text):
    """Cosines."""
    ...


def refuses(image, text):
    raise NotImplementedError


def forever(image, text):
    while True:
        with contextlib.suppress(Exception):
            pass


def sleeps(image, text):
    time.sleep(60)


def itself(image, text):
    return itself(image, text)


def prints(image, text):
    print("hello " * 1_000_000)
    return image @ text.T


def in_place(image, text):
    image /= image.norm(dim=-1, keepdim=True)
    text = text / text.norm(dim=-1, keepdim=True)
    return image @ text.T


def yields(image, text):
    yield image @ text.T


async def waits(image, text):
    return image @ text.T


def raises(image, text):
    return image @ text  # my line


def leaves(image, text):
    sys.exit(3)


def no_gradient(image, text):
    with torch.no_grad():
        return cosine(image, text)


def constant_text(image, text):
    return cosine(image, text.detach())


def half_gradient(image, text):
    right = cosine(image, text)
    return 0.5 * right + 0.5 * right.detach()


def nan(image, text):
    return cosine(image, text) * float("nan")


def say(name, function, **options):
    return diagnose(registry.find(name), function, **options)


CASES = [
    (stub, "not_attempted", ["not written yet"]),
    (refuses, "not_attempted", ["not written yet"]),
    (lambda image, text: None, "not_attempted", ["return"]),
    (lambda image, text: ..., "not_attempted", []),
    (raises, "raised", ["return image @ text  # my line", "RuntimeError", "as many columns"]),
    (leaves, "raised", ["sys.exit(3)", "SystemExit"]),
    (itself, "raised", ["calls itself without end"]),
    (in_place, "changed_input", ["`image`"]),
    (yields, "not_a_function", ["generator"]),
    (waits, "not_a_function", ["coroutine"]),
    (dict, "not_a_function", ["class"]),
    (torch.eye(3), "not_a_function", ["`Tensor`", "without brackets"]),
    (None, "not_a_function", ["`NoneType`"]),
    (lambda image: image, "parameters", ["similarity(image, text)", "similarity(image)"]),
    (lambda text, image: cosine(image, text), "parameters", ["(text, image)"]),
    (lambda image, text: cosine(image, text).numpy(), "type", ["array (1, 1)"]),
    (lambda image, text: 3.0, "type", ["float 3.0"]),
    (lambda image, text: cosine(image, text).sum(0), "shape", ["tensor (1,)"]),
    (lambda image, text: cosine(image, text).float(), "dtype", ["float32"]),
    (lambda image, text: cosine(image, text).to("meta"), "device", ["meta"]),
    (no_gradient, "lost_gradient", ["`image`, `text`", "`.item()`"]),
    (constant_text, "lost_gradient", ["at `text`"]),
    (half_gradient, "gradient", ["The gradient of `image`, `text`"]),
    (nan, "nan", ["A single pair", "image = "]),
    (
        lambda image, text: 1.5 * cosine(image, text),
        "property",
        ["cosine 1 with itself", "expected", "returned"],
    ),
    (prints, "mistake", ["hello hello", "characters in all"]),
]


@pytest.mark.parametrize(
    ("function", "kind", "words"), CASES, ids=[f"{i}-{c[1]}" for i, c in enumerate(CASES)]
)
def test_bad_answers(function, kind, words, capsys):
    found = say("similarity", function)
    assert found.kind == kind, found.message.en
    assert not found.passed and found.attempted == (kind != "not_attempted")
    for word in words:
        assert word in found.message.en
    assert any("一" <= c <= "鿿" for c in found.message.zh)
    assert len(found.message.en) < 1500
    for text in found.message.mime_data("en").values():
        assert "vlmlearn/exercises" not in text and "Traceback" not in text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("function", [forever, sleeps])
def test_what_takes_too_long_is_stopped(function):
    start = time.monotonic()
    assert say("similarity", function, seconds=0.3).kind == "time"
    assert time.monotonic() - start < 5


def test_an_endless_loop_is_stopped_outside_of_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(say("similarity", forever, seconds=0.3)))
    thread.start()
    thread.join(20)
    assert found and found[0].kind == "time"


def test_the_limit_leaves_no_alarm_behind():
    with time_limit(0.2):
        pass
    time.sleep(0.4)
    with pytest.raises(OutOfTime), time_limit(0.1):
        time.sleep(3)


def test_another_exercises_answer():
    loss = registry.find("clip_loss").reference
    assert say("similarity", loss).kind == "other_exercise"
    found = say("recall_at_k", registry.find("streaming_logsumexp").reference)
    assert found.kind in ("type", "other_exercise")


def test_unknown_name_offers_the_nearest(capsys):
    found = check("cliploss", cosine)
    assert (found.kind, found.passed) == ("unknown", False)
    assert "`clip_loss`" in capsys.readouterr().out


def test_a_wrong_answer_that_no_list_holds_is_refused_with_a_case():
    found = say(
        "clip_loss",
        lambda image, text, scale: registry.find("clip_loss").reference(image, text, scale) + 0.01,
    )
    assert found.kind in ("property", "values")
    assert "expected" in found.message.en


def test_strict_mode_raises_on_anything_but_a_pass(monkeypatch):
    monkeypatch.setenv("VLMLEARN_STRICT", "1")
    assert check("similarity", cosine).passed
    for function in (stub, raises, torch.matmul):
        with pytest.raises(AssertionError, match="similarity"):
            check("similarity", function)
    with pytest.raises(AssertionError, match="clip_loss"):
        check("cliploss", cosine)


def test_check_shows_its_verdict_in_the_readers_language(capsys):
    set_language("zh")
    try:
        check("similarity", stub)
        assert "还没有写" in capsys.readouterr().out
    finally:
        set_language("en")
    assert "passed" in str(check("similarity", cosine).message)


def test_right_results_do_not_pass_where_the_work_should_be_done_in_chunks():
    found = check("streaming_logsumexp", lambda x, chunk: x.logsumexp(-1))
    assert found.attempted and not found.passed and "chunk" in found.message.en
