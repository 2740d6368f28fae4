"""Muon's updates are about orthogonal and equal PyTorch's; every parameter has one optimizer, the right one."""

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vlmlearn.models import CLIP, CLIPConfig
from vlmlearn.training import Muon, make_optimizers
from vlmlearn.training.optimizers import orthogonalize


def with_singular_values(values, rows, columns, generator):
    """A matrix with the given singular values and random directions."""
    left = torch.linalg.qr(torch.randn(rows, rows, generator=generator))[0][:, : len(values)]
    right = torch.linalg.qr(torch.randn(columns, columns, generator=generator))[0][:, : len(values)]
    return left @ torch.diag(values) @ right.T


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24), st.floats(1e-4, 1e4), st.integers(0, 2**31))
def test_singular_values_come_close_to_one(rows, columns, scale, seed):
    """Spread over a factor of 50, at any scale, tall or wide."""
    generator = torch.Generator().manual_seed(seed)
    values = 0.02 + 0.98 * torch.rand(min(rows, columns), generator=generator)
    values = values.clamp(min=0.011 * values.norm())  # what the iteration promises starts at 1% of the norm
    matrix = scale * with_singular_values(values, rows, columns, generator)
    after = torch.linalg.svdvals(orthogonalize(matrix[None])[0])
    assert after.min() > 0.6 and after.max() < 1.25


def test_every_singular_value_above_one_percent_lands_near_one():
    """All starting points, one by one: a diagonal matrix keeps its directions."""
    start = torch.linspace(0.01, 1, 2000, dtype=torch.float64)
    rest = (1 - start**2).sqrt()
    after = orthogonalize(torch.diag_embed(torch.stack([start, rest], -1)))[:, 0, 0]
    assert after.min() > 0.6 and after.max() < 1.25
    small = torch.linspace(0, 0.01, 500, dtype=torch.float64)
    after = orthogonalize(torch.diag_embed(torch.stack([small, (1 - small**2).sqrt()], -1)))[:, 0, 0]
    assert after.min() >= 0 and after.max() < 1.25


def test_directions_are_kept():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(12, 7, generator=generator, dtype=torch.float64)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    core = left.T @ orthogonalize(matrix[None])[0] @ right.T
    assert (core - core.diagonal().diag()).abs().max() < 1e-8


def test_a_batch_is_its_matrices_one_by_one_and_tall_is_wide_turned():
    matrices = torch.randn(3, 5, 9)
    together = orthogonalize(matrices)
    for k in range(3):
        torch.testing.assert_close(together[k], orthogonalize(matrices[k : k + 1])[0])
    torch.testing.assert_close(orthogonalize(matrices.mT), together.mT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_zero_stays_zero(dtype):
    assert (orthogonalize(torch.zeros(2, 4, 3, dtype=dtype)) == 0).all()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this version of torch has no Muon")
@pytest.mark.parametrize("shape", [(8, 8), (24, 8), (8, 24)])
def test_agrees_with_torch(shape):
    """Ten steps with momentum and decay. Theirs iterates in bfloat16, so its updates differ by some percent."""
    torch.manual_seed(0)
    start = torch.randn(shape)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    settings = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1}
    one = Muon([ours], **settings)
    other = torch.optim.Muon([theirs], **settings, adjust_lr_fn="original")
    for _ in range(10):
        before = theirs.detach().clone()
        ours.data.copy_(before)
        ours.grad = torch.randn(shape)
        theirs.grad = ours.grad.clone()
        one.step()
        other.step()
        update = theirs - before
        assert update.norm() > 0.02
        assert (ours - theirs).norm() / update.norm() < 0.03
        torch.testing.assert_close(one.state[ours]["mean"], other.state[theirs]["momentum_buffer"])


def test_a_step_by_hand():
    """Nesterov's mean, orthogonal, longer for tall matrices; decay apart from the gradient."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(12, 3))
    before, mean = weight.detach().clone(), torch.zeros(12, 3)
    muon = Muon([weight], lr=0.1, momentum=0.8, weight_decay=0.5)
    for _ in range(3):
        weight.grad = torch.randn(12, 3)
        mean = 0.8 * mean + 0.2 * weight.grad
        ahead = 0.8 * mean + 0.2 * weight.grad
        before = before * (1 - 0.1 * 0.5) - 0.1 * 2 * orthogonalize(ahead[None])[0]  # 2 = √(12 / 3)
        muon.step()
        torch.testing.assert_close(weight.detach(), before)


def test_a_convolution_is_a_matrix_in_any_memory_layout():
    torch.manual_seed(0)
    start, gradient = torch.randn(10, 3, 2, 2), torch.randn(10, 3, 2, 2)
    flat = nn.Parameter(start.flatten(1).clone())
    flat.grad = gradient.flatten(1)
    Muon([flat]).step()
    for layout in (torch.contiguous_format, torch.channels_last):
        weight = nn.Parameter(start.clone(memory_format=layout))
        weight.grad = gradient.clone(memory_format=layout)
        Muon([weight]).step()
        torch.testing.assert_close(weight.detach().flatten(1), flat.detach())


def test_weights_of_one_shape_do_not_mix():
    """They are updated in one go, each as if alone; a weight without a gradient stays as it is."""
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.randn(4, 6)) for _ in range(3)]
    twins = [nn.Parameter(w.detach().clone()) for w in weights]
    for weight, twin in zip(weights[:2], twins[:2], strict=True):
        weight.grad = torch.randn(4, 6)
        twin.grad = weight.grad.clone()
        Muon([twin], weight_decay=0.1).step()
    Muon(weights, weight_decay=0.1).step()
    for weight, twin in zip(weights, twins, strict=True):
        torch.testing.assert_close(weight, twin)
    assert torch.equal(weights[2], twins[2])


def test_the_closure_is_used():
    weight = nn.Parameter(torch.eye(3))
    muon = Muon([weight], lr=0.1)

    def closure() -> float:
        muon.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss.item()

    assert muon.step(closure) == 3.0 and weight.square().sum() < 3 and muon.step() is None


def test_muon_survives_its_state_dict():
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.ones(3, 3)) for _ in range(2)]
    optimizers = [Muon([w], lr=0.1) for w in weights]
    gradients = torch.randn(2, 3, 3)
    weights[0].grad = gradients[0].clone()
    optimizers[0].step()
    weights[1].data.copy_(weights[0].data)
    optimizers[1].load_state_dict(deepcopy(optimizers[0].state_dict()))
    for weight, optimizer in zip(weights, optimizers, strict=True):
        weight.grad = gradients[1].clone()
        optimizer.step()
    assert torch.equal(*weights)


def test_muon_wants_matrices():
    with pytest.raises(ValueError, match=r"shape \(3,\), expected a matrix: give vectors to AdamW"):
        Muon([nn.Parameter(torch.zeros(3, 3)), nn.Parameter(torch.zeros(3))])


class Small(nn.Module):
    """A bit of everything: an embedding tied to an output layer, a norm, a convolution, a scale, a frozen layer."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(7, 4)
        self.norm, self.patches = nn.LayerNorm(4), nn.Conv2d(3, 4, 2)
        self.positions = nn.Parameter(torch.zeros(5, 4))
        self.log_scale = nn.Parameter(torch.tensor(1.0))
        self.shared = nn.Linear(4, 4)
        self.again = self.shared
        self.output = nn.Linear(4, 7)
        self.output.weight = self.words.weight
        self.frozen = nn.Linear(4, 4).requires_grad_(False)


def names_by_group(model, **changes):
    options = {"learning_rate": 1e-3, "matrix_learning_rate": 0.02, "weight_decay": 0.1, **changes}
    names = {id(p): name for name, p in model.named_parameters()}
    groups = {}
    for optimizer in make_optimizers(model, **options):
        for group in optimizer.param_groups:
            found = groups.setdefault((type(optimizer).__name__, group["weight_decay"]), [])
            found += [names[id(p)] for p in group["params"]]
    return {key: sorted(found) for key, found in groups.items()}


def test_who_gets_which_optimizer():
    assert names_by_group(Small()) == {
        ("Muon", 0.1): ["patches.weight", "shared.weight"],
        ("AdamW", 0.1): ["positions", "words.weight"],
        ("AdamW", 0.0): [
            "log_scale",
            "norm.bias",
            "norm.weight",
            "output.bias",
            "patches.bias",
            "shared.bias",
        ],
    }


def test_without_a_matrix_learning_rate_adamw_takes_all():
    groups = names_by_group(Small(), matrix_learning_rate=None)
    assert groups["AdamW", 0.1] == ["patches.weight", "positions", "shared.weight", "words.weight"]
    assert set(groups) == {("AdamW", 0.1), ("AdamW", 0.0)}


@pytest.mark.parametrize("matrix_learning_rate", [None, 0.02])
@pytest.mark.parametrize("changes", [{}, {"image_tower": "vit"}, {"text_tower": "bag"}])
def test_no_parameter_is_lost_or_twice(changes, matrix_learning_rate):
    model = CLIP(CLIPConfig.tiny(20, image_side=16, **changes))
    model.image_tower.norm.requires_grad_(False)
    model.image_tower.projection.requires_grad_(False)
    groups = names_by_group(model, matrix_learning_rate=matrix_learning_rate)
    found = sorted(name for names in groups.values() for name in names)
    assert found == sorted(name for name, p in model.named_parameters() if p.requires_grad)
    assert "text_tower.words.weight" in groups["AdamW", 0.1] and "log_scale" in groups["AdamW", 0.0]


def test_learning_rates_arrive():
    muon, adamw = make_optimizers(Small(), learning_rate=1e-3, matrix_learning_rate=0.02, weight_decay=0.1)
    assert {g["lr"] for g in muon.param_groups} == {0.02} and {g["lr"] for g in adamw.param_groups} == {1e-3}


@pytest.mark.parametrize("model", [nn.ReLU(), nn.Linear(2, 2).requires_grad_(False)])
def test_nothing_to_train(model):
    with pytest.raises(ValueError, match="no trainable parameter"):
        make_optimizers(model, learning_rate=1e-3, matrix_learning_rate=0.02, weight_decay=0.1)
