"""Weights of tasks against formulas by hand, two tasks whose balance is known, and the training loop."""

import math
import warnings

import pytest
import torch
from torch import nn

from vlmlearn.losses import FixedWeights, GradNorm, UncertaintyWeights
from vlmlearn.losses.multi_task import gradient_norms
from vlmlearn.training import TrainConfig, fit


def scalars(**values) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(float(value)) for name, value in values.items()}


# ---------------------------------------------------------------- fixed


def test_fixed_weights():
    losses = scalars(a=3, b=5)
    losses["a"].requires_grad_()
    found = FixedWeights({"b": 1, "a": 0.5})(losses)
    assert found["loss"] == 6.5 and {*found} == {"loss", "a", "b"} and found["a"] is losses["a"]
    found["loss"].backward()
    assert losses["a"].grad == 0.5


def test_precision():
    losses = {"a": torch.tensor(1.5).bfloat16(), "b": torch.tensor(2.5, dtype=torch.float64)}
    for balance in (FixedWeights({"a": 1, "b": 1}), GradNorm(["a", "b"]).eval()):
        assert balance(losses)["loss"] == 4 and balance(losses)["loss"].dtype == torch.float64
    half = UncertaintyWeights({"a": "regression"})({"a": losses["a"]})["loss"]
    assert half == 0.75 and half.dtype == torch.float32


# ---------------------------------------------------------------- uncertainty


def test_uncertainty_by_hand():
    balance = UncertaintyWeights({"depth": "regression", "classes": "classification"})
    with torch.no_grad():
        balance.log_variances.copy_(torch.tensor([math.log(4), math.log(0.5)]))
    losses = scalars(classes=3, depth=2)  # in another order
    losses["depth"].requires_grad_()
    found = balance(losses)
    # 2 / (2 · 4) + log 2, and 3 / 0.5 + log √0.5
    assert found["loss"].item() == pytest.approx(0.25 + math.log(2) + 6 - math.log(2) / 2)
    assert found["weight_depth"] == 1 / 8 and found["weight_classes"] == 2
    assert list(found) == ["loss", "classes", "depth", "weight_depth", "weight_classes"]
    found["loss"].backward()
    assert losses["depth"].grad == 1 / 8
    assert balance.log_variances.grad.tolist() == pytest.approx([0.5 - 0.25, 0.5 - 6])


def test_the_best_log_variance_is_the_logarithm_of_the_loss():
    balance = UncertaintyWeights({"a": "regression", "b": "regression", "c": "classification"}).double()
    losses = {name: value.double() for name, value in scalars(a=0.01, b=20, c=0.7).items()}
    optimizer = torch.optim.LBFGS(balance.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = balance(losses)["loss"]
        loss.backward()
        return loss

    optimizer.step(closure)
    best = [math.log(0.01), math.log(20), math.log(2 * 0.7)]
    assert balance.log_variances.tolist() == pytest.approx(best, abs=1e-4)
    # There, each task's part is ½ + ½ log L: what is minimised is the logarithm of every loss, whatever its unit.
    assert balance(losses)["loss"].item() == pytest.approx(sum(0.5 + s / 2 for s in best))


def test_a_gaussian_finds_its_spread():
    """e^{−s} d² / 2 + s / 2 is the negative log likelihood of a Gaussian, but for a constant."""
    balance = UncertaintyWeights({"a": "regression"})
    with torch.no_grad():
        balance.log_variances.fill_(math.log(3))
    gaussian = torch.distributions.Normal(0.0, math.sqrt(3)).log_prob(torch.tensor(1.7))
    expected = -gaussian - math.log(2 * math.pi) / 2
    torch.testing.assert_close(balance(scalars(a=1.7**2))["loss"], expected)


# ---------------------------------------------------------------- GradNorm


class TwoTasks(nn.Module):
    """Two regressions from one hidden number pair; the targets of b are ``factor`` times as large."""

    def __init__(self, factor=1.0, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.factor = factor
        self.shared = nn.Linear(3, 4)
        self.a, self.b = nn.Linear(4, 1), nn.Linear(4, 1)

    def losses(self, x) -> dict[str, torch.Tensor]:
        hidden = self.shared(x).tanh()
        aim = torch.stack([x.sum(1), x[:, 0] - x[:, 1]], dim=1)
        return {
            "a": (self.a(hidden)[:, 0] - aim[:, 0]).square().mean(),
            "b": (self.factor * (self.b(hidden)[:, 0] - aim[:, 1])).square().mean(),
        }


X = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))


def test_gradient_norms():
    model = TwoTasks()
    norms = gradient_norms(model.losses(X), model.shared.weight)
    for name, norm in zip("ab", norms, strict=True):
        (gradient,) = torch.autograd.grad(model.losses(X)[name], model.shared.weight)
        torch.testing.assert_close(norm, gradient.norm())


@pytest.mark.parametrize("alpha", [0, 0.12, 1.5])
def test_a_step_is_down_the_papers_loss(alpha):
    """Σ |‖∇ w_i L_i‖ − mean · r_i^α|, differentiated by autograd through the norms, the target held fixed."""
    model = TwoTasks(factor=3.0).double()
    x = X.double()
    balance = GradNorm(["a", "b"], alpha=alpha, learning_rate=0.1).double()
    balance.first.copy_(torch.tensor([2.0, 5.0]))
    balance.weights.copy_(torch.tensor([0.5, 1.5]))

    log_w = balance.weights.clone().log().requires_grad_()
    losses = model.losses(x)
    pulls = torch.stack(
        [
            torch.autograd.grad(w * losses[name], model.shared.weight, create_graph=True)[0].norm()
            for w, name in zip(log_w.exp(), "ab", strict=True)
        ]
    )
    rates = torch.stack([losses["a"] / 2, losses["b"] / 5]).detach()
    target = pulls.mean().detach() * (rates / rates.mean()) ** alpha
    (slope,) = torch.autograd.grad((pulls - target).abs().sum(), log_w)
    expected = (log_w - 0.1 * slope / pulls.mean()).exp().detach()
    expected = 2 * expected / expected.sum()

    found = balance(losses, model.shared.weight)
    torch.testing.assert_close(
        found["loss"], 0.5 * losses["a"] + 1.5 * losses["b"]
    )  # this batch: the old weights
    assert (found["weight_a"], found["weight_b"]) == (0.5, 1.5)
    torch.testing.assert_close(balance.weights, expected)
    assert (balance.weights - torch.tensor([0.5, 1.5])).abs().max() > 1e-3
    found["loss"].backward()  # the graphs are still there
    assert model.shared.weight.grad.any()


def balanced(model, steps=150, **options) -> tuple[GradNorm, torch.Tensor]:
    """The weights and the gradients' lengths after some steps in which the model itself stays as it is."""
    balance = GradNorm(["a", "b"], learning_rate=0.05, **options)
    if options.get("alpha"):
        balance.first.copy_(torch.tensor([1.0, 1.0]))
    for _ in range(steps):
        balance(model.losses(X), model.shared.weight)
    return balance, balance.weights * gradient_norms(model.losses(X), model.shared.weight)


@pytest.mark.parametrize("factor", [0.01, 1.0, 10.0])
def test_alpha_0_makes_the_gradients_equal_whatever_the_unit(factor):
    balance, pulls = balanced(TwoTasks(factor), steps=300, alpha=0)
    assert balance.weights.sum().item() == pytest.approx(2) and (balance.weights > 0).all()
    assert (pulls[0] / pulls[1]).item() == pytest.approx(1, abs=0.15)


def test_who_lags_behind_pulls_harder():
    model = TwoTasks(3.0)  # both losses began at 1, so b has fallen less, or risen more
    losses = model.losses(X)
    assert losses["b"] > 1.5 * losses["a"]
    _, pulls = balanced(model, alpha=1)  # where the targets' mean is that of the gradients, so all can be met
    expected = losses["b"] / losses["a"]
    assert (pulls[1] / pulls[0]).item() == pytest.approx(expected.item(), rel=0.15)


def test_evaluation_changes_nothing():
    model, balance = TwoTasks(), GradNorm(["a", "b"])
    for change in (balance.eval, torch.no_grad):
        balance.train()
        with torch.no_grad() if change is torch.no_grad else torch.enable_grad():
            if change is not torch.no_grad:
                change()
            found = balance(model.losses(X))  # and needs no shared weights
        assert balance.weights.tolist() == [1, 1] and not balance.first.any()
        torch.testing.assert_close(found["loss"], found["a"] + found["b"])


def test_the_state_is_saved():
    model, balance, other = TwoTasks(), GradNorm(["a", "b"]), GradNorm(["a", "b"])
    balance(model.losses(X), model.shared.weight)
    other.load_state_dict(balance.state_dict())
    assert other.first.all() and torch.equal(other.weights, balance.weights)
    assert not [*balance.parameters()]


def test_tasks_without_labels():
    model, balance = TwoTasks(), GradNorm(["a", "b"])

    def without(*names):
        return {k: v * 0 if k in names else v for k, v in model.losses(X).items()}

    for names in ("ab", "a"):  # until each task has begun, the weights stay 1
        balance(without(*names), model.shared.weight)
        assert balance.weights.tolist() == [1, 1] and balance.first[0] == 0
    balance(model.losses(X), model.shared.weight)
    weights = balance.weights.clone()
    assert weights.tolist() != [1, 1] and balance.first.all()
    balance(without("a", "b"), model.shared.weight)
    assert torch.equal(balance.weights, weights)
    for _ in range(100):
        balance(without("a"), model.shared.weight)
    assert balance.weights.isfinite().all() and balance.weights.sum().item() == pytest.approx(2)


# ---------------------------------------------------------------- the loop

BALANCES = {
    "fixed": lambda: FixedWeights({"a": 1, "b": 0.1}),
    "uncertainty": lambda: UncertaintyWeights({"a": "regression", "b": "regression"}),
    "GradNorm": lambda: GradNorm(["a", "b"]),
}


@pytest.mark.parametrize("name", BALANCES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_in_the_training_loop(name, precision):
    model = TwoTasks(3.0)
    model.balance = BALANCES[name]()

    def loss(model, batch):
        shared = (model.shared.weight,) if name == "GradNorm" else ()
        return model.balance(model.losses(batch), *shared)

    config = TrainConfig(steps=40, learning_rate=0.05, warmup=0.0, precision=precision, log_every=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = fit(model, iter([X] * 40), loss, config)
    assert {"loss", "a", "b"} <= {*history.values}
    for task in "ab":
        assert history.values[task][-1] < 0.7 * history.values[task][0]
    if name != "fixed":
        assert history.values["weight_b"][-1] < history.values["weight_a"][-1]


# ---------------------------------------------------------------- bad input


@pytest.mark.bad_input
def test_bad_tasks():
    with pytest.raises(ValueError, match="the weight of 'a' is -1, expected 0 to"):
        FixedWeights({"a": -1})
    with pytest.raises(ValueError, match=r"the kind of 'a' is 'regresion', .* did you mean 'regression'"):
        UncertaintyWeights({"a": "regresion"})
    for tasks in ([], ["a", "a"], ["a", "loss"], ["weight_a"]):
        with pytest.raises(ValueError, match="expected at least one, each once, and none named 'loss'"):
            GradNorm(tasks)
    with pytest.raises(ValueError, match=r"the tasks are the text 'depth', .* pass \['depth'\]"):
        GradNorm("depth")
    with pytest.raises(ValueError, match="alpha is -1, expected 0 to 100"):
        GradNorm(["a"], alpha=-1)
    with pytest.raises(ValueError, match="learning_rate is 2, expected 0 to 1"):
        GradNorm(["a"], learning_rate=2)


@pytest.mark.bad_input
@pytest.mark.parametrize("name", BALANCES)
def test_bad_losses(name):
    balance = BALANCES[name]().eval()
    with pytest.raises(ValueError, match=r"losses of \['a'\] came, expected \['a', 'b'\]: return every task"):
        balance(scalars(a=1))
    with pytest.raises(ValueError, match=r"the loss of 'b' is of shape \(2,\), expected a scalar tensor"):
        balance(scalars(a=1) | {"b": torch.ones(2)})
    with pytest.raises(ValueError, match="the loss of 'b' is a float, expected a scalar tensor"):
        balance(scalars(a=1) | {"b": 1.0})
    with pytest.raises(ValueError, match="the loss of 'b' is nan, expected"):
        balance(scalars(a=1, b=math.nan))
    if name != "fixed":
        with pytest.raises(ValueError, match=r"the loss of 'a' is -1.0, expected 0 to .* swapped sign"):
            balance(scalars(a=-1, b=1))


@pytest.mark.bad_input
def test_a_log_variance_that_ran_away():
    balance = UncertaintyWeights({"a": "regression"})
    with torch.no_grad():
        balance.log_variances.fill_(-51)
    with pytest.raises(ValueError, match=r"the log-variance of 'a' is -51.0, expected -50 to 50: leave out"):
        balance(scalars(a=0))


@pytest.mark.bad_input
def test_bad_shared_weights():
    model, balance = TwoTasks(), GradNorm(["a", "b"])
    with pytest.raises(ValueError, match="shared is None, expected the trainable weight of the last layer"):
        balance(model.losses(X))
    with pytest.raises(ValueError, match="shared is frozen"):
        balance(model.losses(X), model.shared.weight.detach())
    with pytest.raises(ValueError, match="the loss of 'b' does not depend on the shared weights: pass"):
        balance(model.losses(X), model.a.weight)
    with pytest.raises(ValueError, match="the loss of 'a' does not depend on the shared weights: pass"):
        balance(scalars(a=1, b=1), model.shared.weight)
