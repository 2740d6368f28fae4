"""Every repair: honest ones pass, the planted fault and every listed mistake is named, the session stays as it was."""

import itertools
import random
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vlmlearn.exercises import check, registry
from vlmlearn.exercises.diagnose import diagnose
from vlmlearn.exercises.exercise import Mistake
from vlmlearn.exercises.repair import Repair, Trial, run
from vlmlearn.exercises.rerun import _trial, alike, own_session
from vlmlearn.losses import clip_loss, siglip_loss
from vlmlearn.messages import Message
from vlmlearn.world import Tokenizer

REPAIRS = [e for e in map(registry.find, registry.names()) if isinstance(e, Repair)]
every_repair = pytest.mark.parametrize("repair", REPAIRS, ids=lambda repair: repair.name)
every_mistake = pytest.mark.parametrize(
    ("repair", "mistake"),
    [(r, m) for r in REPAIRS for m in r.mistakes],
    ids=[m.name for r in REPAIRS for m in r.mistakes],
)


def score(found) -> int:
    return int(re.search(r": (\d+)\. As handed out", found.message.en)[1])


# A toy that trains in milliseconds: on which side of a line is a point?


def toy_right(model, points, sides, steps):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(points), sides)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def toy_planted(model, points, sides, steps):
    return toy_right(model, points, 1 - sides, steps)


def toy_trial(function, seed, brief):
    points = torch.randn(60, 2)
    sides = (points.sum(1) > 0).long()
    model = nn.Linear(2, 2)
    losses = run(function, model, points, sides, steps=2 if brief else 40)
    with torch.no_grad():
        answers = model(points)
    return Trial(100 * (answers.argmax(1) == sides).double().mean().item(), answers, losses)


TOY = Repair(
    "toy",
    toy_right,
    planted=toy_planted,
    trial=toy_trial,
    measure=Message("正确率", "accuracy"),
    bound=90,
    before=5,
    guess=50,
    symptom=Message("比瞎猜还差。", "Worse than guessing."),
    mistakes=(
        Mistake("constant", lambda m, p, s, n: toy_right(m, p, 0 * s, n), zh="全是零。", en="All zero."),
    ),
    hints=(Message("一", "1"), Message("二", "2"), Message("三", "3")),
    minutes=1,
    mark="🔧",
)


def noise(model, points, sides, steps):
    return toy_right(model, torch.randn_like(points), sides, steps)


def blows_up(model, points, sides, steps):
    losses = toy_right(model, points, sides, steps)
    with torch.no_grad():
        model.weight.fill_(float("nan"))
    return [*losses, float("nan")]


def raises(model, points, sides, steps):
    return model(points.T)  # my line


def forgets_the_losses(model, points, sides, steps):
    toy_right(model, points, 0.9 * F.one_hot(1 - sides).float(), steps)


def endless(model, points, sides, steps):
    while True:
        pass


def two_optimizers(model, points, sides, steps):
    first, second = torch.optim.SGD([model.weight], lr=0.3), torch.optim.Adam([model.bias], lr=0.1)
    for _ in range(steps):
        first.zero_grad(), second.zero_grad()
        (-model(points).log_softmax(1).gather(1, sides[:, None])).mean().backward()
        first.step(), second.step()


TOLD = [
    (toy_right, "passed", ["the fault is gone", "As handed out it was about 5, guessing gives 50"]),
    (two_optimizers, "passed", []),
    (toy_planted, "not_attempted", ["still there", "Worse than guessing"]),
    (TOY.mistakes[0].function, "mistake", ["All zero.", "accuracy: "]),
    (lambda model, points, sides, steps: None, "untrained", ["did not change"]),
    (lambda m, p, s, n: toy_right(m, p, 1 - s, 5 * n), "steps", ["too many steps"]),
    (blows_up, "nan", ["no longer finite"]),
    (raises, "raised", ["return model(points.T)  # my line"]),
    (noise, "score", ["loss"]),
    (forgets_the_losses, "score", ["in a list"]),
    (endless, "time", ["stopped after 0.5 s"]),
    (lambda model, points: None, "parameters", ["toy(model, points, sides, steps)"]),
    (3, "not_a_function", []),
]


@pytest.mark.parametrize(("function", "kind", "words"), TOLD, ids=[f"{i}-{t[1]}" for i, t in enumerate(TOLD)])
def test_what_is_told(function, kind, words):
    found = diagnose(TOY, function, seconds=0.5 if kind == "time" else None)
    assert found.kind == kind, found.message.en
    assert found.attempted == (kind != "not_attempted")
    assert all(word in found.message.en for word in words), found.message.en
    assert any("一" <= c <= "鿿" for c in found.message.zh) and not any(
        "一" <= c <= "鿿" for c in found.message.en
    )


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([4.16] * 40, "nearly flat: 4.16 → 4.16"),
        ([2 - i / 40 for i in range(40)], "falls: 1.96 → 1.06"),
        ([1 + i for i in range(40)], "rises"),
        ([1.0] * 7 + [float("nan")] * 9, "At step 7"),
        ("no losses", "in a list"),
    ],
)
def test_the_shape_of_the_curve(losses, words):
    def trains_and_returns(model, points, sides, steps):
        noise(model, points, sides, steps)
        return losses

    assert words in diagnose(TOY, trains_and_returns).message.en


@pytest.mark.bad_input  # the type checks themselves draw random numbers
def test_the_learners_session_stays_as_it_was():
    def meddles(model, points, sides, steps):
        torch.manual_seed(3)
        random.seed(3)
        np.random.seed(3)
        torch.set_num_threads(1)
        return toy_right(model, points, sides, steps)

    def state():
        return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for function in (meddles, raises, endless, toy_planted):
            before = state()
            with torch.no_grad():
                diagnose(TOY, function, seconds=2.0)
            assert state() == before
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


# The real ones


@every_repair
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_reference_passes(repair, seed):
    found = diagnose(repair, repair.reference, seed=seed)
    assert found.passed, str(found.message)


@every_repair
def test_the_planted_fault_is_told_quietly_and_without_digits(repair):
    found = check(repair.name, repair.planted)
    assert (found.passed, found.attempted) == (False, False)
    assert repair.symptom.en in found.message.en and not re.search(r"\d", found.message.zh + found.message.en)


@every_repair
def test_the_planted_fault_leaves_what_is_said_of_it(repair):
    with own_session():
        found = _trial(repair, repair.planted, 0, brief=False).score
    assert abs(found - repair.before) <= 10 and found < repair.bound - 20


@every_repair
def test_known_runs_are_told_apart(repair):
    functions = {m.name: m.function for m in repair.mistakes}
    functions |= {"reference": repair.reference, "planted": repair.planted, "nothing": lambda *_: None}
    with own_session():
        runs = {name: _trial(repair, function, 7, brief=True) for name, function in functions.items()}
    start = runs.pop("nothing")
    pairs = itertools.permutations(runs, 2)
    assert [(a, b) for a, b in pairs if alike(runs[a], runs[b], start)] == []
    assert len(runs) == len(repair.mistakes) + 2 and len(repair.mistakes) >= 4


@every_mistake
def test_every_mistake_is_named_and_scores_too_little(repair, mistake):
    found = diagnose(repair, mistake.function, seed=1)
    assert (found.kind, found.mistake) == ("mistake", mistake.name), str(found.message)
    assert mistake.en in found.message.en and mistake.zh in found.message.zh
    assert score(found) < repair.bound


def loop(loss_of, *, optimizer=None, size=64):
    """A training loop written otherwise: batches go through a permutation."""

    def train(model, inputs, targets, steps):
        chosen = optimizer(model.parameters())
        order, losses = torch.randperm(len(inputs)), []
        for step in range(steps):
            rows = order[torch.arange(step * size, (step + 1) * size) % len(order)]
            loss = loss_of(model, inputs[rows], targets[rows])
            chosen.zero_grad(set_to_none=False)
            loss.backward()
            chosen.step()
            losses.append(loss.detach())
        return torch.stack(losses)

    return train


def log_of_probabilities(model, images, labels):
    return F.nll_loss(model(images).softmax(1).clamp_min(1e-12).log(), labels)


def by_hand(model, images, labels):
    scores = model(images)
    return (scores.logsumexp(1) - scores.gather(1, labels[:, None])[:, 0]).mean()


def causal(model, digits, answers):
    place = torch.arange(digits.shape[1])
    scores = model(digits, place[:, None] >= place)
    return F.cross_entropy(scores.transpose(1, 2), answers)


def one_direction(model, images, ids):
    image, text, scale = model(images, ids)
    return F.cross_entropy(scale * image @ text.T, torch.arange(len(image)))


def contrast(model, images, ids):
    return clip_loss(*model(images, ids))


def mirrored_with_words(model, images, ids):
    """The ambitious repair: the words move with the picture."""
    words = Tokenizer()
    table = torch.arange(len(words))
    left, right = (words.words.index(word) for word in ("left", "right"))
    table[[left, right]] = table[[right, left]]
    rows = torch.rand(len(images)) < 0.5
    images[rows], ids[rows] = images[rows].flip(-1), table[ids[rows]]
    return contrast(model, images, ids)


def sigmoid(model, images, ids):
    return siglip_loss(*model(images, ids))


def yes_or_no(model, images, ids):
    image, text, scale, bias = model(images, ids)
    return F.binary_cross_entropy_with_logits(scale * image @ text.T + bias, torch.eye(len(image)))


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.02, momentum=0.9)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=3e-3)


def boxes_moved_along(model, images, boxes):
    """The ambitious repair: the whole batch is mirrored or not, and its boxes with it."""
    if torch.rand(()) < 0.5:
        images, boxes = images.flip(-1), torch.tensor([32, 0, 32, 0]) - boxes[:, [2, 1, 0, 3]]
        boxes = boxes * torch.tensor([1, -1, 1, -1])
    return F.l1_loss(model(images), boxes)


def boxes_as_given(model, images, boxes):
    return F.smooth_l1_loss(model(images), boxes, beta=0.5)


HONEST = {
    "train_classifier": [
        loop(log_of_probabilities, optimizer=sgd),
        loop(by_hand, optimizer=lambda p: torch.optim.Adam(p, lr=1e-3)),
    ],
    "train_reader": [
        loop(causal, optimizer=lambda p: torch.optim.Adam(p, lr=0.01)),
        loop(causal, optimizer=adamw, size=128),
    ],
    "train_pairs": [loop(contrast, optimizer=adamw), loop(one_direction, optimizer=adamw)],
    "train_places": [loop(contrast, optimizer=adamw), loop(mirrored_with_words, optimizer=adamw)],
    "train_boxes": [loop(boxes_moved_along, optimizer=adamw), loop(boxes_as_given, optimizer=adamw)],
    "train_siglip": [loop(sigmoid, optimizer=adamw), loop(yes_or_no, optimizer=adamw)],
}


@pytest.mark.parametrize(("name", "function"), [(name, f) for name, some in HONEST.items() for f in some])
def test_honest_repairs_written_differently_pass(name, function):
    found = check(name, function)
    assert found.passed, str(found.message)


def test_every_repair_has_two_honest_variants():
    assert set(HONEST) == {repair.name for repair in REPAIRS}
    assert all(len(some) >= 2 for some in HONEST.values())


@every_repair
def test_texts_are_complete_in_both_languages(repair):
    texts = [m.message for m in repair.mistakes] + [*repair.hints, repair.measure, repair.symptom]
    for message in texts:
        assert any("一" <= character <= "鿿" for character in message.zh), message
        assert not any("一" <= character <= "鿿" for character in message.en), message
