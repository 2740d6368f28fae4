"""SigLIP's loss by hand, beside big_vision's formula, its streaming form, its memory, and inputs at the edge."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from vlmlearn.losses import siglip_loss

CHUNKS = [None, 1, 3, 100]  # 100 is above every batch that uses this list


def pairs(batch: int, dim: int = 8, dtype: torch.dtype = torch.float64, seed: int = 0) -> list[torch.Tensor]:
    """Unit vectors that agree a little, so that neither the loss nor its gradient is trivial."""
    image, noise = torch.randn(
        2, batch, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return [F.normalize(rows, dim=1).to(dtype).requires_grad_() for rows in (image, image + 2 * noise)]


def value_and_gradients(image, text, scale, bias, chunk_size, weight=1.0):
    precise = torch.promote_types(image.dtype, torch.float32)
    learnt = [torch.tensor(value, dtype=precise, requires_grad=True) for value in (scale, bias)]
    loss = siglip_loss(image, text, *learnt, chunk_size=chunk_size)
    return loss, *torch.autograd.grad(weight * loss, (image, text, *learnt))


def assert_same(ours, reference, tolerance):
    for mine, expected in zip(ours, reference, strict=True):
        assert mine.dtype == expected.dtype
        assert (mine - expected).norm() <= tolerance * expected.norm()


# ---------------------------------------------------------------- the value


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_two_pairs_by_hand(chunk_size):
    image = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    text = torch.tensor([[1.0, 0.0], [1.0, 0.0]])  # both captions fit the first picture
    softplus = lambda x: math.log(1 + math.exp(x))  # noqa: E731
    # Logits 5·1 − 2 and 5·0 − 2: yes at (0, 0) and (1, 1), no at (0, 1) and (1, 0).
    expected = (softplus(-3) + softplus(3) + softplus(-2) + softplus(2)) / 2
    loss = siglip_loss(image, text, 5.0, -2.0, chunk_size=chunk_size)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("chunk_size", CHUNKS)
@pytest.mark.parametrize(("scale", "bias"), [(10.0, -10.0), (3.0, 0.0), (100.0, 5.0)])
def test_the_formula_of_big_vision(scale, bias, chunk_size):
    image, text = pairs(7)
    ours = value_and_gradients(image, text, scale, bias, chunk_size)
    t, b = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (scale, bias))
    logits = torch.einsum("id,jd->ij", image, text) * t + b
    eye = torch.eye(7, dtype=torch.float64)
    m1_diag1 = -torch.ones_like(logits) + 2 * eye
    loglik = F.logsigmoid(m1_diag1 * logits)
    expected = (-loglik.sum(dim=-1)).mean()
    gradients = torch.autograd.grad(expected, (image, text, t, b))
    assert all(tensor.norm() > 1e-3 for tensor in (expected, *gradients))
    assert_same(ours, (expected, *gradients), 1e-10)


@pytest.mark.parametrize("chunk_size", [None, 300])
@pytest.mark.parametrize(("bias", "expected"), [(-10.0, 10.0464), (0.0, 1024 * math.log(2))])
def test_what_the_first_bias_saves(bias, expected, chunk_size):
    """Orthogonal features, N = 1024: with bias −10 only the N yeses cost much."""
    image = torch.eye(1, 4).expand(1024, -1)
    loss = siglip_loss(image, image.roll(1, dims=1), 10.0, bias, chunk_size=chunk_size)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("chunk_size", CHUNKS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_one_pair_is_one_question(dtype, chunk_size):
    image, text = pairs(1, dtype=dtype)
    loss, *gradients = value_and_gradients(image, text, 10.0, -10.0, chunk_size)
    logit = 10 * (image.double() @ text.double().T).item() - 10
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-logit)), rel=1e-5)
    assert gradients[3].item() == pytest.approx(-1 / (1 + math.exp(logit)), rel=1e-5)


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_the_two_sides_may_be_swapped_and_pairs_shuffled(chunk_size):
    image, text = pairs(7)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    loss = siglip_loss(image, text, 10.0, -5.0, chunk_size=chunk_size)
    torch.testing.assert_close(siglip_loss(text, image, 10.0, -5.0, chunk_size=chunk_size), loss)
    torch.testing.assert_close(
        siglip_loss(image[order], text[order], 10.0, -5.0, chunk_size=chunk_size), loss
    )
    assert siglip_loss(image[order], text, 10.0, -5.0, chunk_size=chunk_size) > loss + 1


# ---------------------------------------------------------------- the streaming form


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (10.0, -10.0), (100.0, -10.0)])
@pytest.mark.parametrize(
    ("batch", "chunk_size"), [(2, 1), (7, 1), (7, 3), (7, 7), (64, 16), (65, 16), (65, 1000)]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_streaming_equals_the_definition(batch, chunk_size, scale, bias, dtype, tolerance):
    image, text = pairs(batch, dtype=dtype)
    expected = value_and_gradients(image, text, scale, bias, None, weight=3.0)
    assert all(tensor.norm() > 0 for tensor in expected)
    assert_same(value_and_gradients(image, text, scale, bias, chunk_size, weight=3.0), expected, tolerance)


@settings(max_examples=50, deadline=None)
@given(
    batch=st.integers(1, 40),
    chunk_size=st.integers(1, 50),
    log_scale=st.floats(-3.0, math.log(100)),
    bias=st.floats(-30.0, 10.0),
    agreement=st.floats(-1.0, 1.0),
    seed=st.integers(0, 2**16),
)
def test_streaming_equals_the_definition_anywhere(batch, chunk_size, log_scale, bias, agreement, seed):
    noise = torch.randn(2, batch, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    image = F.normalize(noise[0], dim=1).requires_grad_()
    text = F.normalize(agreement * noise[0] + 0.1 * noise[1], dim=1).requires_grad_()
    expected = value_and_gradients(image, text, math.exp(log_scale), bias, None)
    ours = value_and_gradients(image, text, math.exp(log_scale), bias, chunk_size)
    for mine, reference in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_gradients_by_finite_differences(chunk_size):
    scale, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (9.0, -4.0))
    assert torch.autograd.gradcheck(
        lambda *inputs: siglip_loss(*inputs, chunk_size=chunk_size), (*pairs(5, dim=3), scale, bias)
    )


@pytest.mark.parametrize("needed", range(4))
def test_only_what_needs_a_gradient_gets_one(needed):
    everything = value_and_gradients(*pairs(7), 10.0, -5.0, None)[1:]
    inputs = [
        *(tensor.detach() for tensor in pairs(7)),
        torch.tensor(10.0).double(),
        torch.tensor(-5.0).double(),
    ]
    inputs[needed].requires_grad_()
    siglip_loss(*inputs, chunk_size=3).backward()
    for place, (tensor, expected) in enumerate(zip(inputs, everything, strict=True)):
        if place == needed:
            torch.testing.assert_close(tensor.grad, expected)
        else:
            assert tensor.grad is None


def test_without_gradients_nothing_is_recorded():
    expected = siglip_loss(*pairs(7), 10.0, -5.0)
    with torch.no_grad():
        loss = siglip_loss(*pairs(7), 10.0, -5.0, chunk_size=3)
    assert loss.grad_fn is None
    torch.testing.assert_close(loss, expected.detach())


def test_backward_twice_gives_the_same_twice():
    image, text = pairs(5)
    loss = siglip_loss(image, text, 10.0, -5.0, chunk_size=2)
    first = torch.autograd.grad(loss, image, retain_graph=True)
    assert torch.equal(torch.autograd.grad(loss, image)[0], first[0])


def test_numbers_and_tensors_are_the_same_scale_and_bias():
    as_tensors = siglip_loss(*pairs(7), torch.tensor(14.0), torch.tensor(-3.0), chunk_size=3)
    assert siglip_loss(*pairs(7), 14.0, -3.0, chunk_size=3) == siglip_loss(*pairs(7), 14, -3, chunk_size=3)
    assert siglip_loss(*pairs(7), 14, -3, chunk_size=3) == as_tensors


def test_gradients_of_gradients_are_refused_by_streaming_only():
    image, text = pairs(5)
    (gradient,) = torch.autograd.grad(siglip_loss(image, text, 9.0, -5.0), image, create_graph=True)
    gradient.square().sum().backward()
    with pytest.raises(RuntimeError, match="has no gradients of gradients: use chunk_size=None"):
        torch.autograd.grad(siglip_loss(image, text, 9.0, -5.0, chunk_size=2), image, create_graph=True)


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_strides_do_not_matter(chunk_size):
    image, text = pairs(7)
    expected = value_and_gradients(image, text, 10.0, -5.0, chunk_size)
    columns = image.detach().T.contiguous().T.requires_grad_()
    every_other = torch.stack([text.detach(), text.detach()], dim=1).flatten(0, 1)[::2].requires_grad_()
    assert not columns.is_contiguous() and not every_other.is_contiguous()
    assert_same(value_and_gradients(columns, every_other, 10.0, -5.0, chunk_size), expected, 1e-12)


# ---------------------------------------------------------------- precision


@pytest.mark.parametrize("chunk_size", CHUNKS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_features_are_summed_in_float32(dtype, chunk_size):
    image, text = pairs(64, dtype=dtype)
    loss, *gradients = value_and_gradients(image, text, 100.0, -10.0, chunk_size)
    assert loss.dtype == torch.float32
    assert [gradient.dtype for gradient in gradients] == [dtype, dtype, torch.float32, torch.float32]
    wide = [tensor.detach().float().requires_grad_() for tensor in (image, text)]
    expected = value_and_gradients(*wide, 100.0, -10.0, None)
    assert_same([loss, *gradients[2:]], [expected[0], *expected[3:]], 1e-5)
    assert_same(gradients[:2], [gradient.to(dtype) for gradient in expected[1:3]], torch.finfo(dtype).eps)


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_autocast_changes_nothing(chunk_size):
    image, text = pairs(64, dtype=torch.float32)
    expected = value_and_gradients(image, text, 100.0, -10.0, chunk_size)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = siglip_loss(image, text, 100.0, -10.0, chunk_size=chunk_size)
    loss.backward()
    for ours, reference in zip([loss, image.grad, text.grad], expected, strict=False):
        assert torch.equal(ours, reference)


@pytest.mark.parametrize("chunk_size", [None, 16])
def test_a_confident_model_still_learns(chunk_size):
    """1 − sigmoid near 1e-7 must not be rounded away: the sign of a yes is turned before the sigmoid."""
    image = F.normalize(torch.randn(16, 64, generator=torch.Generator().manual_seed(0)), dim=1)
    single = value_and_gradients(
        image.clone().requires_grad_(), image.clone().requires_grad_(), 40.0, -24.0, chunk_size
    )
    double = value_and_gradients(*(image.double().requires_grad_() for _ in range(2)), 40.0, -24.0, None)
    assert 0 < double[0] < 1e-5
    assert_same([tensor.double() for tensor in single], double, 1e-4)


@pytest.mark.filterwarnings("ignore:.*expected 1, so the logits are no cosines")
@pytest.mark.parametrize("chunk_size", CHUNKS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", ["zero vectors", "identical", "opposite", "long"])
@pytest.mark.parametrize(("scale", "bias"), [(100.0, -10.0), (1e4, 1e4), (1e-4, -1e4)])
def test_finite_input_never_gives_nan(scale, bias, case, dtype, chunk_size):
    image, text = (tensor.detach() for tensor in pairs(6, dtype=dtype))
    if case == "zero vectors":
        image, text = torch.zeros_like(image), torch.zeros_like(text)
    elif case == "identical":
        text = image.clone()
    elif case == "opposite":
        text = -image
    else:
        image, text = 1000 * image, 1000 * text
    loss, *gradients = value_and_gradients(
        image.requires_grad_(), text.requires_grad_(), scale, bias, chunk_size
    )
    assert loss.isfinite()
    finite = [gradient.isfinite().all() for gradient in gradients]
    assert all(finite[2:] if case == "long" and dtype == torch.float16 else finite)


# ---------------------------------------------------------------- bad input


@pytest.mark.bad_input
@pytest.mark.parametrize("chunk_size", [None, 2])
class TestBadInput:
    def call(self, chunk_size, image=None, text=None, scale=10.0, bias=-10.0):
        first, second = (tensor.detach().float() for tensor in pairs(4))
        image, text = (first if image is None else image), (second if text is None else text)
        return siglip_loss(image, text, scale, bias, chunk_size=chunk_size)

    @pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
    def test_features_that_are_not_finite(self, value, chunk_size):
        text = pairs(4, dtype=torch.float32)[1].detach()
        text[2, 5] = value
        with pytest.raises(ValueError, match=r"row 2 of text_features has norm (nan|inf), expected finite"):
            self.call(chunk_size, text=text)

    def test_features_that_do_not_match(self, chunk_size):
        image, text = (tensor.detach() for tensor in pairs(4, dtype=torch.float32))
        with pytest.raises(ValueError, match="text_features has width 6, image_features 8: project"):
            self.call(chunk_size, text=text[:, :6])
        with pytest.raises(ValueError, match="text_features has 3 rows, image_features 4"):
            self.call(chunk_size, text=text[:3])
        with pytest.raises(ValueError, match="the batch is empty"):
            self.call(chunk_size, image=image[:0], text=text[:0])
        with pytest.raises(ValueError, match=r"text_features is torch.float16, image_features torch.float32"):
            self.call(chunk_size, text=text.half())

    @pytest.mark.parametrize("scale", [0, -1.0, math.nan, math.inf, torch.tensor(-2.0)])
    def test_a_scale_that_is_not_above_zero(self, scale, chunk_size):
        with pytest.raises(ValueError, match=r"logit_scale is (0|-1|-2|nan|inf), expected a finite number"):
            self.call(chunk_size, scale=scale)

    @pytest.mark.parametrize("bias", [math.nan, -math.inf, 1e30, torch.tensor(math.nan)])
    def test_a_bias_that_is_not_finite(self, bias, chunk_size):
        with pytest.raises(
            ValueError, match=r"logit_bias is (nan|-inf|1e\+30), expected a finite number: SigLIP"
        ):
            self.call(chunk_size, bias=bias)

    @pytest.mark.parametrize("shape", [(1,), (4, 4)])
    def test_a_bias_with_dimensions(self, shape, chunk_size):
        with pytest.raises(
            ValueError, match=r"logit_bias has shape \(.*\), expected a float or a 0-d tensor"
        ):
            self.call(chunk_size, bias=torch.zeros(shape))

    @pytest.mark.parametrize("wrong", [0, -3])
    def test_chunk_size_below_one(self, wrong, chunk_size):
        with pytest.raises(ValueError, match=f"chunk_size is {wrong}, expected at least 1: try 256, or None"):
            self.call(wrong)

    def test_features_nobody_normalised_warn(self, chunk_size):
        with pytest.warns(UserWarning, match=r"text_features has norms from 3 to 3, expected 1, .*normalize"):
            self.call(chunk_size, text=3 * pairs(4, dtype=torch.float32)[1].detach())


# ---------------------------------------------------------------- memory and compilation


class LargestTensor(TorchDispatchMode):
    """Remember the largest number of elements that any operation returned."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


@pytest.mark.parametrize("chunk_size", [None, 1, 5])
def test_streaming_never_makes_the_matrix(chunk_size):
    batch, dim = 60, 4
    image, text = pairs(batch, dim)
    learnt = [torch.tensor(value, requires_grad=True) for value in (10.0, -5.0)]
    saved: list[int] = []
    keep = lambda tensor: saved.append(tensor.numel()) or tensor  # noqa: E731
    with LargestTensor() as largest, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        siglip_loss(image, text, *learnt, chunk_size=chunk_size).backward()
    if chunk_size is None:  # the measurement sees the matrix where there is one
        assert largest.elements >= batch**2 and max(saved) >= batch**2
    else:
        assert largest.elements == max(2 * chunk_size * batch, batch * dim)  # two buffers of one chunk
        assert max(saved) == batch * dim


@pytest.mark.bad_input  # compiled without the type checks
@pytest.mark.parametrize("chunk_size", [None, 10])
def test_it_compiles_without_a_graph_break(chunk_size):
    torch.compiler.reset()
    compiled = torch.compile(siglip_loss, fullgraph=True, backend="aot_eager")
    inputs = (
        *pairs(32),
        *(torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (10.0, -5.0)),
    )
    ours = torch.autograd.grad(compiled(*inputs, chunk_size=chunk_size), inputs)
    assert_same(ours, value_and_gradients(*inputs[:2], 10.0, -5.0, chunk_size)[1:], 1e-12)
