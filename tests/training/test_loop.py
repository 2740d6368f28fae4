"""The loop learns, repeats itself exactly, records what happened, and stops with a clear word when it cannot go on."""

import math
from collections import namedtuple
from itertools import count, pairwise, repeat

import pytest
import torch
from torch import nn

from vlmlearn.training import History, TrainConfig, fit, shuffled_batches, warmup_cosine

FAST = {"learning_rate": 0.01, "matrix_learning_rate": 0.05, "weight_decay": 0.0, "log_every": 10}


def toy(seed=0):
    """A network, and data that it can learn: is the sum of two inputs positive?"""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    x = torch.randn(256, 2, generator=torch.Generator().manual_seed(1))
    return model, shuffled_batches(x, (x.sum(1) > 0).long(), batch_size=32, seed=seed)


def entropy(model, batch):
    x, target = batch
    return nn.functional.cross_entropy(model(x), target)


def line(value=1.0):
    """A model of one number and a loss that is that number times ``value``."""
    model = nn.Linear(1, 1, bias=False)
    return model, lambda model, batch: model.weight.sum() * value


def run(seed=0, **changes):
    model, batches = toy(seed)
    history = fit(model, batches, entropy, TrainConfig(steps=60, **FAST | changes))
    return model, history


@pytest.mark.parametrize("changes", [{}, {"matrix_learning_rate": None}, {"precision": "bfloat16"}])
def test_it_learns(changes):
    model, history = run(**changes)
    assert history.values["loss"][0] > 0.5 and history.last(count=1) < 0.3
    assert history.steps == [0, 10, 20, 30, 40, 50, 59]
    assert history.seconds > 0 and not model.training
    assert all(p.dtype == torch.float32 for p in model.parameters())  # autocast keeps the weights precise


def test_shuffled_labels_teach_nothing():
    """What the test above measures is learning: with targets that mean nothing, the loss stays near log 2."""
    model, _ = toy()
    x = torch.randn(4096, 2, generator=torch.Generator().manual_seed(1))
    noise = torch.randint(0, 2, (4096,), generator=torch.Generator().manual_seed(2))
    history = fit(model, shuffled_batches(x, noise, batch_size=32, seed=0), entropy, TrainConfig(60, **FAST))
    assert history.last(count=3) > 0.6


def test_the_same_seed_gives_the_same_history_to_the_last_bit():
    (first, one), (second, same), (_, other) = run(), run(), run(seed=1)
    assert one.values == same.values and one.steps == same.steps and one.values != other.values
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_every_scalar_of_the_dict_is_recorded():
    model, batches = toy()

    def loss(model, batch):
        value = entropy(model, batch)
        return {
            "loss": value,
            "twice": 2 * value,
            "accuracy": (model(batch[0]).argmax(1) == batch[1]).float().mean(),
        }

    history = fit(model, batches, loss, TrainConfig(steps=21, **FAST))
    assert history.steps == [0, 10, 20] and set(history.values) == {"loss", "twice", "accuracy"}
    assert history.values["twice"] == pytest.approx([2 * v for v in history.values["loss"]])
    assert all(isinstance(v, float) for v in history.values["accuracy"])


@pytest.mark.parametrize(
    ("steps", "every", "expected"), [(1, 10, [0]), (5, 2, [0, 2, 4]), (4, 3, [0, 3]), (6, 4, [0, 4, 5])]
)
def test_records_come_every_so_often_and_at_the_end(steps, every, expected):
    model, loss = line()
    assert fit(model, repeat(0), loss, TrainConfig(steps, log_every=every)).steps == expected


def test_after_step_follows_every_step():
    model, loss = line()
    calls, weights = count(), []

    def after() -> None:
        next(calls)
        weights.append(model.weight.item())

    fit(model, repeat(0), loss, TrainConfig(steps=7), after_step=after)
    assert next(calls) == 7 and weights == sorted(
        weights, reverse=True
    )  # each time the weight had just moved down
    clamped, loss = line()
    with torch.no_grad():
        clamped.weight.fill_(0.5)
    fit(clamped, repeat(0), loss, TrainConfig(7), after_step=lambda: clamped.weight.data.clamp_(min=0.49))
    assert clamped.weight.item() == pytest.approx(0.49)


def test_the_learning_rates_follow_the_schedule():
    """With AdamW and one gradient again and again, a step's length is the learning rate."""
    model, loss = line()
    weights = [model.weight.item()]
    config = TrainConfig(20, learning_rate=0.1, matrix_learning_rate=None, weight_decay=0.0, warmup=0.2)
    fit(model, repeat(0), loss, config, after_step=lambda: weights.append(model.weight.item()))
    lengths = [a - b for a, b in pairwise(weights)]
    assert lengths == pytest.approx([0.1 * warmup_cosine(k, 20, 0.2) for k in range(20)], rel=1e-2)


def test_gradients_are_shortened_only_if_asked():
    seen = []
    for limit in (0.5, None):
        model, loss = line(100.0)
        fit(
            model,
            repeat(0),
            loss,
            TrainConfig(1, max_grad_norm=limit),
            after_step=lambda m=model: seen.append(m.weight.grad.norm()),
        )
    assert seen == pytest.approx([0.5, 100.0], rel=1e-4)


def test_frozen_parameters_stay():
    model, batches = toy()
    model[0].requires_grad_(False)
    before = [p.detach().clone() for p in model.parameters()]
    fit(model, batches, entropy, TrainConfig(steps=5, **FAST))
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert moved == [False, False, True, True]


def test_the_model_trains_in_training_mode():
    model, modes = nn.Sequential(nn.Linear(1, 1), nn.Dropout()), []
    model.eval()
    fit(model, repeat(torch.ones(4, 1)), lambda m, x: modes.append(m.training) or m(x).mean(), TrainConfig(2))
    assert modes == [True, True] and not model.training


Pair = namedtuple("Pair", "x extra")


@pytest.mark.parametrize(
    "batch",
    [
        torch.ones(2, 1),
        (torch.ones(2, 1), "a caption"),
        [torch.ones(2, 1)],
        {"x": torch.ones(2, 1), "inner": [torch.ones(1), None]},
        Pair(torch.ones(2, 1), torch.ones(1)),
    ],
)
def test_batches_keep_their_kind_and_go_to_the_device(batch):
    """The "meta" device stands in for a GPU: it computes nothing, but knows where everything is."""
    seen = []

    def loss(model, given):
        seen.append(given)
        x = given if isinstance(given, torch.Tensor) else given["x"] if isinstance(given, dict) else given[0]
        return model(x).mean()

    fit(nn.Linear(1, 1), repeat(batch), loss, TrainConfig(1), device="cpu")
    assert type(seen[0]) is type(batch)
    moved = {}

    def meta_loss(model, given):
        x = given if isinstance(given, torch.Tensor) else given["x"] if isinstance(given, dict) else given[0]
        moved["devices"] = {x.device.type, model.weight.device.type}
        raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(nn.Linear(1, 1), repeat(batch), meta_loss, TrainConfig(1), device=torch.device("meta"))
    assert moved["devices"] == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_learns_on_a_gpu(precision):
    model, batches = toy()
    history = fit(model, batches, entropy, TrainConfig(steps=60, precision=precision, **FAST), device="cuda")
    assert history.last(count=1) < 0.3 and next(model.parameters()).is_cuda


def test_bfloat16_is_what_the_model_computes_in():
    dtypes = []
    for precision in ("float32", "bfloat16"):
        model = nn.Linear(2, 2)
        model.register_forward_hook(lambda module, inputs, output: dtypes.append(output.dtype))
        fit(
            model,
            repeat(torch.ones(1, 2)),
            lambda m, x: m(x).float().mean(),
            TrainConfig(1, precision=precision),
        )
    assert dtypes == [torch.float32, torch.bfloat16]


def test_the_batches_run_out():
    model, loss = line()
    with pytest.raises(ValueError, match="ran out after 3 of 5 steps: pass an endless iterator"):
        fit(model, [0, 0, 0], loss, TrainConfig(5))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_before_it_harms_the_weights(bad):
    """At the very step, recorded or not: after one update with NaN, nothing of the model is left."""
    model, _ = line()
    values = iter([1.0, 1.0, 1.0, bad])
    with pytest.raises(ValueError, match=f"the loss is {bad} at step 3: lower the learning rates"):
        fit(model, repeat(0), lambda m, b: m.weight.sum() * 0 + next(values), TrainConfig(9))
    assert model.weight.isfinite().all()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda m, b: m.weight.expand(1, 3), r"'loss' of shape \(1, 3\), expected a scalar tensor"),
        (lambda m, b: {"accuracy": m.weight.sum()}, r"only \['accuracy'\], expected a scalar, or a dict"),
        (lambda m, b: {"loss": m.weight.sum(), "all": torch.ones(2)}, r"'all' of shape \(2,\)"),
        (lambda m, b: {"loss": m.weight.sum(), "one": 1.0}, "'one' a float, expected a scalar tensor"),
        (lambda m, b: {"loss": 1.0}, "'loss' a float"),
        (lambda m, b: m.weight.sum().detach(), "step 0 does not depend on a trainable parameter"),
    ],
)
def test_losses_of_the_wrong_kind(loss, message):
    with pytest.raises(ValueError, match=message):
        fit(line()[0], repeat(0), loss, TrainConfig(3))


def test_names_must_be_the_same_at_every_record():
    model, _ = line()
    steps = count()

    def loss(model, batch):
        value = {"loss": model.weight.sum()}
        return value if next(steps) < 2 else value | {"late": value["loss"]}

    with pytest.raises(ValueError, match=r"step 2 has \['late', 'loss'\], the steps before \['loss'\]"):
        fit(model, repeat(0), loss, TrainConfig(5, log_every=1))


@pytest.mark.parametrize("model", [nn.ReLU(), nn.Linear(2, 2).requires_grad_(False)])
def test_nothing_to_train(model):
    with pytest.raises(ValueError, match="no trainable parameter"):
        fit(model, repeat(0), lambda m, b: torch.tensor(0.0), TrainConfig(3))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"log_every": 0}, "log_every 0"),
        ({"precision": "float16"}, "'float16', expected one of float32, bfloat16"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"matrix_learning_rate": math.inf}, "matrix_learning_rate is inf"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"warmup": 100.0}, "warmup is 100.0, expected a fraction"),
        ({"max_grad_norm": 0.0}, "max_grad_norm is 0.0"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**{"steps": 10} | changes)


def test_last_is_the_mean_of_the_last_records():
    history = History([0, 1, 2], {"loss": [3.0, 2.0, 1.0]})
    assert (history.last(), history.last(count=2), history.last("loss", 1)) == (2.0, 1.5, 1.0)
    with pytest.raises(ValueError, match="'accuracy' was not recorded, expected one of loss"):
        history.last("accuracy")
    for number in (0, -1):
        with pytest.raises(ValueError, match=f"count is {number}, expected at least 1"):
            history.last(count=number)
