"""CLIP's loss by hand, its streaming form against its definition, its memory, and inputs at the edge."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from vlmlearn.losses import clip_loss

CHUNKS = [None, 1, 3, 100]  # 100 is above every batch that uses this list


def pairs(batch: int, dim: int = 8, dtype: torch.dtype = torch.float64, seed: int = 0) -> list[torch.Tensor]:
    """Unit vectors that agree a little, so that neither the loss nor its gradient is trivial."""
    image, noise = torch.randn(
        2, batch, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return [F.normalize(rows, dim=1).to(dtype).requires_grad_() for rows in (image, image + 2 * noise)]


def value_and_gradients(image, text, scale, chunk_size, weight=1.0):
    scale = torch.tensor(scale, dtype=torch.promote_types(image.dtype, torch.float32), requires_grad=True)
    loss = clip_loss(image, text, scale, chunk_size=chunk_size)
    return loss, *torch.autograd.grad(weight * loss, (image, text, scale))


def assert_same(ours, reference, tolerance):
    for mine, expected in zip(ours, reference, strict=True):
        assert mine.dtype == expected.dtype
        assert (mine - expected).norm() <= tolerance * expected.norm()


# ---------------------------------------------------------------- the value


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_two_pairs_by_hand(chunk_size):
    image = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    text = torch.tensor([[1.0, 0.0], [1.0, 0.0]])  # both captions fit the first picture
    rows = (math.log(2) + math.log(2)) / 2  # no picture can choose between two equal captions
    columns = (
        math.log(1 + math.exp(-5)) + math.log(1 + math.exp(5))
    ) / 2  # the second caption picks the wrong one
    assert clip_loss(image, text, 5.0, chunk_size=chunk_size).item() == pytest.approx(
        (rows + columns) / 2, rel=1e-6
    )


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_knowing_nothing_costs_log_n(chunk_size):
    same = F.normalize(torch.ones(6, 4), dim=1).requires_grad_()
    loss = clip_loss(same, same, 100.0, chunk_size=chunk_size)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(6), rel=1e-6)
    assert same.grad.isfinite().all()


@pytest.mark.parametrize("chunk_size", CHUNKS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_one_pair_has_nothing_to_choose(dtype, chunk_size):
    loss, *gradients = value_and_gradients(*pairs(1, dtype=dtype), 100.0, chunk_size)
    assert loss.item() == 0
    assert all((gradient == 0).all() for gradient in gradients)  # NaN is not 0


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_the_two_sides_may_be_swapped_and_pairs_shuffled(chunk_size):
    image, text = pairs(7)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    loss = clip_loss(image, text, 14.3, chunk_size=chunk_size)
    torch.testing.assert_close(clip_loss(text, image, 14.3, chunk_size=chunk_size), loss)
    torch.testing.assert_close(clip_loss(image[order], text[order], 14.3, chunk_size=chunk_size), loss)
    assert clip_loss(image[order], text, 14.3, chunk_size=chunk_size) > loss + 1


# ---------------------------------------------------------------- the streaming form


@pytest.mark.parametrize("scale", [1.0, 14.3, 50.0, 100.0])
@pytest.mark.parametrize(
    ("batch", "chunk_size"), [(2, 1), (7, 1), (7, 3), (7, 7), (64, 16), (65, 16), (65, 1000)]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_streaming_equals_the_definition(batch, chunk_size, scale, dtype, tolerance):
    image, text = pairs(batch, dtype=dtype)
    expected = value_and_gradients(image, text, scale, None, weight=3.0)
    assert all(tensor.norm() > 0 for tensor in expected)
    assert_same(value_and_gradients(image, text, scale, chunk_size, weight=3.0), expected, tolerance)


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 40),
    chunk_size=st.integers(1, 50),
    log_scale=st.floats(-3.0, math.log(100)),
    agreement=st.floats(-1.0, 1.0),
    seed=st.integers(0, 2**16),
)
def test_streaming_equals_the_definition_anywhere(batch, chunk_size, log_scale, agreement, seed):
    noise = torch.randn(2, batch, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    image = F.normalize(noise[0], dim=1).requires_grad_()
    text = F.normalize(agreement * noise[0] + 0.1 * noise[1], dim=1).requires_grad_()
    expected = value_and_gradients(image, text, math.exp(log_scale), None)
    for ours, reference in zip(
        value_and_gradients(image, text, math.exp(log_scale), chunk_size), expected, strict=True
    ):
        torch.testing.assert_close(ours, reference, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_gradients_by_finite_differences(chunk_size):
    image, text = pairs(5, dim=3)
    scale = torch.tensor(9.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *inputs: clip_loss(*inputs, chunk_size=chunk_size), (image, text, scale)
    )


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_a_column_far_below_its_rows_keeps_its_sum(chunk_size):
    """The last caption is opposite to every picture: exp(L − scale) is 0 in float32 all along its column."""
    image = F.normalize(torch.ones(6, 4) + 0.01 * torch.eye(6, 4), dim=1).requires_grad_()
    text = torch.cat([image.detach()[:5], -image.detach()[5:]]).requires_grad_()
    ours = value_and_gradients(image, text, 100.0, chunk_size)
    wide = [tensor.detach().double().requires_grad_() for tensor in (image, text)]
    assert_same([tensor.double() for tensor in ours], value_and_gradients(*wide, 100.0, None), 1e-4)


@pytest.mark.parametrize("needed", [(True, False, False), (False, True, False), (False, False, True)])
def test_only_what_needs_a_gradient_gets_one(needed):
    everything = value_and_gradients(*pairs(7), 14.3, None)[1:]
    inputs = [*(tensor.detach() for tensor in pairs(7)), torch.tensor(14.3, dtype=torch.float64)]
    for tensor, need in zip(inputs, needed, strict=True):
        tensor.requires_grad_(need)
    clip_loss(*inputs, chunk_size=3).backward()
    for tensor, need, expected in zip(inputs, needed, everything, strict=True):
        if need:
            torch.testing.assert_close(tensor.grad, expected)
        else:
            assert tensor.grad is None


def test_without_gradients_nothing_is_recorded():
    with torch.no_grad():
        assert clip_loss(*pairs(7), 14.3, chunk_size=3).grad_fn is None
    assert clip_loss(*(tensor.detach() for tensor in pairs(7)), 14.3, chunk_size=3).grad_fn is None


def test_a_number_and_a_tensor_are_the_same_scale():
    as_tensor = clip_loss(*pairs(7), torch.tensor(14.0), chunk_size=3)
    assert clip_loss(*pairs(7), 14.0, chunk_size=3) == clip_loss(*pairs(7), 14, chunk_size=3) == as_tensor


def test_gradients_of_gradients_are_refused_by_streaming_only():
    image, text = pairs(5)
    loss = clip_loss(image, text, 9.0)
    (gradient,) = torch.autograd.grad(loss, image, create_graph=True)
    gradient.square().sum().backward()
    with pytest.raises(RuntimeError, match="has no gradients of gradients: use chunk_size=None"):
        torch.autograd.grad(clip_loss(image, text, 9.0, chunk_size=2), image, create_graph=True)


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_strides_do_not_matter(chunk_size):
    image, text = pairs(7)
    expected = value_and_gradients(image, text, 14.3, chunk_size)
    columns = image.detach().T.contiguous().T.requires_grad_()
    every_other = torch.stack([text.detach(), text.detach()], dim=1).flatten(0, 1)[::2].requires_grad_()
    assert not columns.is_contiguous() and not every_other.is_contiguous()
    assert_same(value_and_gradients(columns, every_other, 14.3, chunk_size), expected, 1e-12)
    repeated = image.detach()[:1].expand(7, -1).requires_grad_()
    assert clip_loss(repeated, repeated, 14.3, chunk_size=chunk_size).item() == pytest.approx(math.log(7))


# ---------------------------------------------------------------- precision


@pytest.mark.parametrize("chunk_size", CHUNKS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_features_are_summed_in_float32(dtype, chunk_size):
    image, text = pairs(64, dtype=dtype)
    loss, *gradients = value_and_gradients(image, text, 100.0, chunk_size)
    assert loss.dtype == torch.float32
    assert [gradient.dtype for gradient in gradients] == [dtype, dtype, torch.float32]
    wide = [tensor.detach().float().requires_grad_() for tensor in (image, text)]
    expected = value_and_gradients(*wide, 100.0, None)
    assert_same([loss, gradients[2]], [expected[0], expected[3]], 1e-5)
    assert_same(gradients[:2], [gradient.to(dtype) for gradient in expected[1:3]], torch.finfo(dtype).eps)


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_autocast_changes_nothing(chunk_size):
    image, text = pairs(64, dtype=torch.float32)
    expected = value_and_gradients(image, text, 100.0, chunk_size)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = clip_loss(image, text, 100.0, chunk_size=chunk_size)
        if chunk_size is not None:  # streaming holds even where PyTorch advises against calling backward
            loss.backward()
    if chunk_size is None:
        loss.backward()
    for ours, reference in zip([loss, image.grad, text.grad], expected, strict=False):
        assert torch.equal(ours, reference)


@pytest.mark.parametrize("chunk_size", [None, 16])
def test_a_confident_model_still_learns(chunk_size):
    """Loss near 1e-4: 1 − softmax must not drown in the rounding of a logit near 25."""
    image = F.normalize(torch.randn(64, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    text = F.normalize(image + 0.01 * torch.randn(64, 16, generator=torch.Generator().manual_seed(1)), dim=1)
    single = value_and_gradients(image.requires_grad_(), text.requires_grad_(), 25.0, chunk_size)
    double = value_and_gradients(*(t.detach().double().requires_grad_() for t in (image, text)), 25.0, None)
    assert 0 < double[0] < 2e-4
    assert_same([tensor.double() for tensor in single], double, 1e-3)


@pytest.mark.filterwarnings("ignore:.*expected 1, so the logits are no cosines")
@pytest.mark.parametrize("chunk_size", CHUNKS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", ["zero vectors", "one zero row", "identical", "opposite", "long"])
def test_finite_input_never_gives_nan(case, dtype, chunk_size):
    image, text = (tensor.detach() for tensor in pairs(6, dtype=dtype))
    if case == "zero vectors":
        image, text = torch.zeros_like(image), torch.zeros_like(text)
    elif case == "one zero row":
        image[2] = 0
    elif case == "identical":
        text = image.clone()
    elif case == "opposite":
        text = -image
    else:
        image, text = 1000 * image, 1000 * text
    loss, *gradients = value_and_gradients(image.requires_grad_(), text.requires_grad_(), 100.0, chunk_size)
    assert loss.isfinite()
    finite = [gradient.isfinite().all() for gradient in gradients]
    assert all(finite[1:] if case == "long" and dtype == torch.float16 else finite)


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
    saved: list[int] = []
    keep = lambda tensor: saved.append(tensor.numel()) or tensor  # noqa: E731
    with LargestTensor() as largest, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        clip_loss(image, text, torch.tensor(14.3, requires_grad=True), chunk_size=chunk_size).backward()
    if chunk_size is None:  # the measurement sees the matrix where there is one
        assert largest.elements >= batch**2 and max(saved) >= batch**2
    else:
        assert largest.elements == max(2 * chunk_size * batch, batch * dim)  # two buffers of one chunk
        assert max(saved) == batch * dim


@pytest.mark.bad_input  # compiled without the type checks
@pytest.mark.parametrize("chunk_size", [None, 10])
def test_it_compiles_without_a_graph_break(chunk_size):
    torch.compiler.reset()
    compiled = torch.compile(clip_loss, fullgraph=True, backend="aot_eager")
    image, text = pairs(32)
    scale = torch.tensor(14.3, dtype=torch.float64, requires_grad=True)
    ours = torch.autograd.grad(compiled(image, text, scale, chunk_size=chunk_size), (image, text, scale))
    assert_same(ours, value_and_gradients(image, text, 14.3, chunk_size)[1:], 1e-12)
