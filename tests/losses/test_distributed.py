"""Losses of a batch that lies on several processes, against the same batch in one.

Four processes are started once. Groups of one to four of them take every test, then one process goes silent and one
dies. What they find comes back as one dictionary a rank.
"""

import math
import re
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F

from vlmlearn.losses import clip_loss, gathered_clip_loss, ring_siglip_loss, siglip_loss
from vlmlearn.training.processes import run_processes

WORLD, EACH, DIM = 4, 5, 6
GROUPS = {"1": [0], "2": [0, 1], "3": [0, 1, 2], "4": [0, 1, 2, 3], "not from 0": [1, 3]}
LOSSES = {
    "gathered local": (lambda i, t, s, b, g: gathered_clip_loss(i, t, s, rows="local", group=g), clip_loss),
    "gathered global": (lambda i, t, s, b, g: gathered_clip_loss(i, t, s, rows="global", group=g), clip_loss),
    "ring": (lambda i, t, s, b, g: ring_siglip_loss(i, t, s, b, chunk_size=2, group=g), siglip_loss),
}
SHORT = timedelta(seconds=3)


# ---------------------------------------------------------------- what the processes do


def weights() -> list[torch.Tensor]:
    """Two linear towers, scale and bias: the same on every rank."""
    generator = torch.Generator().manual_seed(5)
    towers = torch.randn(2, 3, DIM, generator=generator, dtype=torch.float64)
    return [
        w.clone().requires_grad_() for w in (*towers, torch.tensor(2.0).double(), torch.tensor(-3.0).double())
    ]


def batch(pairs: int) -> torch.Tensor:
    image, noise = torch.randn(
        2, pairs, 3, generator=torch.Generator().manual_seed(pairs), dtype=torch.float64
    )
    return torch.stack([image, image + noise])


def evaluate(loss, inputs: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    image_tower, text_tower, log_scale, bias = leaves = weights()
    features = [
        F.normalize(x @ tower, dim=1) for x, tower in zip(inputs, (image_tower, text_tower), strict=True)
    ]
    value = loss(*features, log_scale.exp(), bias)
    gradients = torch.autograd.grad(value, leaves, allow_unused=True)  # CLIP has no bias
    return value.detach(), tuple(torch.zeros(()) if g is None else g for g in gradients)


def equality(group: dist.ProcessGroup) -> dict[str, float]:
    """The largest error of value and of gradients, relative, after DDP's mean over the ranks."""
    size, rank, found = group.size(), dist.get_rank(group), {}
    whole = batch(size * EACH)
    for name, (shared, alone) in LOSSES.items():
        takes_bias = alone is siglip_loss
        value, expected = evaluate(lambda i, t, s, b: alone(i, t, s, *([b] * takes_bias)), whole)  # noqa: B023
        ours, gradients = evaluate(lambda *inputs: shared(*inputs, group), whole.chunk(size, dim=1)[rank])  # noqa: B023
        found[f"{name} value"] = abs(ours - value).item()
        for place, (gradient, reference) in enumerate(zip(gradients, expected, strict=True)):
            if place == 3 and not takes_bias:
                continue
            assert reference.norm() > 1e-3
            dist.all_reduce(gradient, group=group)
            found[f"{name} {place}"] = ((gradient / size - reference).norm() / reference.norm()).item()
    return found


def precision(group: dist.ProcessGroup) -> dict[str, object]:
    """Half-precision features under autocast, one chunk larger than the rows, and nothing to learn."""
    size, rank = group.size(), dist.get_rank(group)
    whole = F.normalize(
        torch.randn(2, size * EACH, DIM, generator=torch.Generator().manual_seed(1)), dim=-1
    ).bfloat16()
    own = whole.chunk(size, dim=1)[rank].clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ring = ring_siglip_loss(own[0], own[1], 10.0, -10.0, group=group)
        gathered = gathered_clip_loss(own[0], own[1], 10.0, group=group)
    (ring + gathered).backward()
    with torch.no_grad():
        silent = ring_siglip_loss(own[0], own[1], 10.0, -10.0, group=group)
    frozen = ring_siglip_loss(own[0], own[1].detach(), 10.0, -10.0, group=group)
    expected = siglip_loss(*whole, 10.0, -10.0), clip_loss(*whole, 10.0)
    return {
        "dtypes": [str(tensor.dtype) for tensor in (ring, gathered, own.grad)],
        "errors": [
            abs(a - b).item()
            for a, b in (
                (ring, expected[0]),
                (gathered, expected[1]),
                (silent, expected[0]),
                (frozen, expected[0]),
            )
        ],
        "recorded": [ring.requires_grad, silent.requires_grad],
    }


def traffic(group: dist.ProcessGroup) -> int:
    """Bytes that one training step of the ring sends."""
    sent, real = [], dist.batch_isend_irecv

    def count(operations):
        sent.extend(o.tensor.numel() * o.tensor.element_size() for o in operations if o.op is dist.isend)
        return real(operations)

    dist.batch_isend_irecv = count
    try:
        evaluate(lambda *inputs: ring_siglip_loss(*inputs, group=group), batch(EACH))
    finally:
        dist.batch_isend_irecv = real
    return sum(sent)


BAD = {
    "uneven": (
        lambda rank: {"pairs": 4 if rank == 1 else 5},
        "number of pairs is 5 on rank 0 and 4 on rank 1",
    ),
    "width": (
        lambda rank: {"dim": 3 if rank == 2 else 6},
        "width is 6 on rank 0 and 3 on rank 2, .* same model",
    ),
    "dtype": (
        lambda rank: {"dtype": torch.float64 if rank == 3 else torch.float32},
        "dtype is torch.float32 on rank 0 and torch.float64 on rank 3",
    ),
    "scale": (
        lambda rank: {"scale": 10.0 + rank},
        r"logit_scale is 10.0 on rank 0 and 11.0 on rank 1, .*Distributed",
    ),
    "frozen": (
        lambda rank: {"frozen": rank == 1},
        "gradient of text_features is True on rank 0 and False on rank 1",
    ),
    "nan": (lambda rank: {"spoilt": rank == 2}, r"row 0 of image_features has norm nan"),
}


def bad_input(shared) -> dict[str, str]:
    """The message of every mistake, as this rank hears it."""
    found = {}
    for name, (mistake, _) in BAD.items():
        it = {"pairs": 5, "dim": 6, "dtype": torch.float32, "scale": 10.0, "frozen": False, "spoilt": False}
        it |= mistake(dist.get_rank())
        image, text = F.normalize(torch.ones(2, it["pairs"], it["dim"], dtype=it["dtype"]), dim=-1)
        image[0, 0] = math.nan if it["spoilt"] else image[0, 0]
        try:
            shared(image.requires_grad_(), text.requires_grad_(not it["frozen"]), it["scale"], -10.0, None)
        except ValueError as error:
            found[name] = str(error)
    return found


def lost_peers(short: dist.ProcessGroup | None) -> dict[str, str]:
    """Ranks 0 and 1 have a group with a short time-out: rank 1 calls nothing there. Then all but rank 0 end."""
    rank, found = dist.get_rank(), {}
    features = F.normalize(torch.ones(2, 3, 4), dim=-1)
    if rank == 0:
        try:
            ring_siglip_loss(*features, 10.0, -10.0, group=short)
        except TimeoutError as error:
            found["silent"] = str(error)
    dist.barrier()
    if rank == 0:  # the others end here
        try:
            gathered_clip_loss(*features, 10.0)
        except (ConnectionError, TimeoutError) as error:
            found["dead"] = str(error)
    return found


def everything() -> dict[str, object]:
    rank, found = dist.get_rank(), {"rank": dist.get_rank()}
    groups = {name: dist.new_group(ranks) for name, ranks in GROUPS.items()}
    dist.barrier()
    short = dist.new_group([0, 1], timeout=SHORT)
    for name, group in groups.items():
        if rank in GROUPS[name]:
            found[name] = equality(group)
            found[f"{name} precision"] = precision(group)
            found[f"{name} traffic"] = traffic(group)
    found["world"] = equality(dist.group.WORLD)
    for name in ("gathered local", "ring"):
        found[f"{name} bad input"] = bad_input(LOSSES[name][0])
    try:
        ring_siglip_loss(torch.eye(2), torch.eye(2), 10.0, -10.0, group=groups["1"])
    except ValueError as error:
        found["not a member"] = str(error)
    return found | lost_peers(short)


# ---------------------------------------------------------------- what the tests see


@pytest.fixture(scope="module")
def reports():
    return run_processes(everything, WORLD)


@pytest.mark.parametrize("name", [*GROUPS, "world"])
def test_value_and_gradients_are_those_of_the_full_batch(name, reports):
    """Through two shared towers, to scale and bias, after the mean that DDP takes."""
    for rank in GROUPS.get(name, range(WORLD)):
        errors = reports[rank][name]
        assert len(errors) == 2 * (1 + 3) + (1 + 4)  # every loss and all its weights
        assert max(errors.values()) <= 1e-10, (rank, errors)


@pytest.mark.parametrize("name", GROUPS)
def test_half_precision_is_summed_in_float32_and_no_grad_records_nothing(name, reports):
    for rank in GROUPS[name]:
        found = reports[rank][f"{name} precision"]
        assert found["dtypes"] == ["torch.float32", "torch.float32", "torch.bfloat16"]
        assert max(found["errors"]) <= 1e-5
        assert found["recorded"] == [True, False]


@pytest.mark.parametrize("name", GROUPS)
def test_what_the_ring_sends(name, reports):
    """W - 1 times the captions with their gradient, and the gradient home."""
    size, captions = len(GROUPS[name]), EACH * DIM * 8
    expected = (2 * (size - 1) + 1) * captions if size > 1 else 0
    assert [reports[rank][f"{name} traffic"] for rank in GROUPS[name]] == [expected] * size


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("loss", ["gathered local", "ring"])
def test_bad_input_on_one_rank_stops_all(loss, case, reports):
    for report in reports:
        message = report[f"{loss} bad input"][case]
        assert re.search(BAD[case][1], message), message
        if case == "nan":
            assert message.startswith("rank 2 of 4 stopped, so this one does, too") == (report["rank"] != 2)


def test_only_members_may_call(reports):
    assert "not a member" not in reports[0]
    assert all(
        "no member of the group: call the loss on its members" in its["not a member"] for its in reports[1:]
    )


def test_a_silent_peer_ends_in_a_time_out(reports):
    assert reports[0]["silent"].startswith("rank 0 of 2 waited for rank 1: time-out, no answer")


def test_a_dead_peer_is_reported(reports):
    assert reports[0]["dead"].startswith("rank 0 of 4 waited for rank 1, 2, 3: the connection was lost")


@pytest.mark.parametrize("shared", [loss for loss, _ in LOSSES.values()])
def test_without_a_group(shared):
    with pytest.raises(
        RuntimeError, match=r"not initialised: call torch\.distributed\.init_process_group first"
    ):
        shared(torch.eye(2), torch.eye(2), 10.0, -10.0, None)


# ---------------------------------------------------------------- in this process, with types checked


@pytest.mark.parametrize("name", LOSSES)
def test_a_group_of_one(name, group_of_one):
    assert max(equality(group_of_one).values()) <= 1e-12
    image, text = F.normalize(batch(3), dim=-1).requires_grad_()
    loss = LOSSES[name][0](image, text, 10.0, -10.0, None)
    with pytest.raises(RuntimeError, match="has no gradients of gradients: use the loss of a single process"):
        torch.autograd.grad(loss, image, create_graph=True)


@pytest.mark.bad_input
def test_bad_options(group_of_one):
    image, text = F.normalize(batch(3), dim=-1)
    with pytest.raises(ValueError, match="rows is 'own', expected 'local' or 'global'"):
        gathered_clip_loss(image, text, 10.0, rows="own")
    with pytest.raises(ValueError, match="chunk_size is 0, expected at least 1: try 256"):
        ring_siglip_loss(image, text, 10.0, -10.0, chunk_size=0)
    with pytest.raises(ValueError, match="logit_bias is nan"):
        ring_siglip_loss(image, text, 10.0, math.nan)
    with pytest.raises(ValueError, match="logit_scale is 0"):
        gathered_clip_loss(image, text, 0)
    with pytest.raises(ValueError, match="text_features has 2 rows"):
        gathered_clip_loss(image, text[:2], 10.0)
