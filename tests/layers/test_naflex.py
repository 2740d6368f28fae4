"""The NaFlex tower: a picture's features are its own, whatever stands beside it; upstream's are in tests/parity."""

import pytest
import torch
from torch.nn import functional

from vlmlearn.layers import NaFlexConfig, NaFlexTower, PatchList, patch_list

SMALL = {"patch": 4, "grid": 4, "width": 16, "layers": 2, "heads": 2, "hidden": 20}
SHAPES = ((4, 4), (2, 3), (7, 3), (1, 1))


def make(**changes) -> NaFlexTower:
    torch.manual_seed(0)
    tower = NaFlexTower(NaFlexConfig(**SMALL | changes)).eval()
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return tower


def some_pictures(shapes=SHAPES):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(3, 4 * rows, 4 * columns, generator=generator) for rows, columns in shapes]


def some_lists(shapes=SHAPES, length=None) -> PatchList:
    return patch_list(some_pictures(shapes), 4, length)


@pytest.mark.parametrize("shapes", [SHAPES, SHAPES[:1], SHAPES[1:2], ((4, 4), (4, 4))])
@pytest.mark.parametrize("more", [1, 10, 100])
def test_longer_lists_change_nothing_to_the_last_bit(shapes, more):
    tower, lists = make(), some_lists(shapes)
    longer = some_lists(shapes, lists.mask.shape[1] + more)
    assert torch.equal(tower(*longer), tower(*lists))
    gradients = []
    for given in (lists, longer):
        tower.zero_grad()
        tower(*given).square().sum().backward()
        gradients.append({name: parameter.grad.clone() for name, parameter in tower.named_parameters()})
    assert all(torch.equal(value, gradients[1][name]) for name, value in gradients[0].items())


@pytest.mark.parametrize("padding", [1e6, float("inf"), float("nan")])
def test_what_stands_at_padding_changes_nothing_to_the_last_bit(padding):
    tower, lists = make(), some_lists(length=30)
    filled = lists._replace(patches=lists.patches.masked_fill(~lists.mask[..., None], padding))
    expected = tower(*lists)
    assert torch.equal(tower(*filled), expected)
    filled.patches.requires_grad_()
    tower(*filled).sum().backward()
    gradient = filled.patches.grad
    assert not gradient[~lists.mask].any() and (gradient[lists.mask].norm(dim=-1) > 0).all()


def test_longer_neighbours_change_nothing_but_rounding():
    """Other lengths are other sums of the same numbers and zeros, in another order."""
    tower = make()
    together = tower(*some_lists())
    alone = torch.cat([tower(*patch_list([picture], 4)) for picture in some_pictures()])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    assert torch.pdist(together).min() > 0.1


def test_a_picture_of_the_learnt_grid_gets_the_learnt_positions():
    tower = make()
    (found,) = tower._positions(torch.tensor([[4, 4]]), 16)
    assert torch.equal(found, tower.positions)


def test_positions_are_stretched_each_way_by_itself():
    """Doubled, a place lies between its neighbours; halved, it is a weighted mean of the places around it."""
    tower = make()
    with torch.no_grad():
        tower.positions.copy_(torch.arange(4.0).repeat_interleave(4)[:, None])  # the number of the row
    (found,) = tower._positions(torch.tensor([[8, 2]]), 20)
    rows = found[:16, 0].view(8, 2)
    torch.testing.assert_close(rows[:, 0], torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]))
    assert torch.equal(rows[:, 0], rows[:, 1]) and not found[16:].any()
    for columns in (1, 2, 5):
        (coarse,) = tower._positions(torch.tensor([[2, columns]]), 2 * columns)
        weights = torch.tensor([[3, 3, 1, 0], [0, 1, 3, 3]]) / 7  # antialiased
        expected = (weights @ torch.arange(4.0)).repeat_interleave(columns)
        torch.testing.assert_close(coarse[:, 0], expected)


@pytest.mark.parametrize("grid", [(4, 4), (9, 2), (2, 9), (3, 5), (13, 16), (1, 4)])
def test_positions_are_stretched_as_torch_does(grid):
    """Torch's own is not asked for a single column: there, on the CPU, it repeats the first row (torch 2.13)."""
    tower = make()
    (found,) = tower._positions(torch.tensor([grid]), grid[0] * grid[1])
    places = tower.positions.view(1, 4, 4, 16).permute(0, 3, 1, 2)
    expected = functional.interpolate(places, grid, mode="bilinear", antialias=True)
    torch.testing.assert_close(found, expected.flatten(2).mT[0], rtol=1e-5, atol=1e-6)
    turned = NaFlexTower(tower.config)
    with torch.no_grad():
        turned.positions.copy_(tower.positions.view(4, 4, 16).transpose(0, 1).reshape(16, 16))
    (other,) = turned._positions(torch.tensor([grid[::-1]]), grid[0] * grid[1])
    torch.testing.assert_close(other.view(grid[1], grid[0], 16).transpose(0, 1).flatten(0, 1), found)


def test_the_shape_of_a_picture_matters():
    """The same patches, laid out in other rows, are another picture."""
    tower, (patches, mask, _) = make(), some_lists(((2, 6),))
    found = [tower(patches, mask, torch.tensor([[rows, 12 // rows]])) for rows in (1, 2, 3, 4, 6, 12)]
    assert torch.pdist(torch.cat(found)).min() > 1e-2


def test_every_parameter_learns():
    tower = make()
    tower(*some_lists()).square().sum().backward()
    for name, parameter in tower.named_parameters():
        if not name.endswith("key.bias"):  # adds the same to all scores of a query
            assert parameter.grad.norm() > 1e-4, name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    tower, lists = make(), some_lists()
    expected = tower(*lists)
    found = tower.to(dtype)(*lists._replace(patches=lists.patches.to(dtype)))
    assert found.dtype == dtype and (found.float() - expected).norm() < 0.1 * expected.norm()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": 0}, "NaFlexConfig: grid is 0, expected a whole number, at least 1"),
        ({"heads": 3}, "NaFlexConfig: the tower is 16 wide, heads is 3"),
        ({"activation": "swish"}, "activation is 'swish'"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        NaFlexConfig(**SMALL | changes)


def spoilt(**changes) -> PatchList:
    return some_lists(length=24)._replace(**changes)


@pytest.mark.bad_input
def test_lists_that_do_not_fit():
    tower = make()
    patches, mask, sizes = some_lists(length=24)

    def sizes_of_one(rows, columns):
        return torch.tensor([[4, 4], [rows, columns], [7, 3], [1, 1]])

    hidden, holed = mask.clone(), mask.clone()
    hidden[2] = False
    holed[0, 3], holed[0, 20] = False, True
    for changes, message in (
        ({"patches": patches[..., :47]}, r"shape \(4, 24, 47\), expected \(batch, patches, 48\), 4×4 pixels"),
        ({"patches": patches[0]}, r"patches have shape \(24, 48\)"),
        ({"patches": patches[:, :0]}, r"patches have shape \(4, 0, 48\)"),
        ({"patches": patches.byte()}, "patches are torch.uint8, expected standardised floats"),
        ({"mask": mask.int()}, "mask is torch.int32 of shape .*write mask != 0"),
        ({"mask": mask[:, :23]}, r"shape \(4, 23\), expected bool of shape \(batch, patches\) = \(4, 24\)"),
        ({"sizes": sizes[:3]}, r"sizes are torch.int64 of shape \(3, 2\), expected int64 of shape \(4, 2\)"),
        ({"sizes": sizes.float()}, "sizes are torch.float32"),
        ({"mask": hidden}, "mask hides every patch of picture 2"),
        ({"mask": holed}, "picture 0 has padding before its last patch"),
        ({"sizes": sizes_of_one(2, 4)}, "picture 1 has 2 rows and 4 columns.*mask shows 6, expected 8"),
        ({"sizes": sizes_of_one(0, 6)}, "picture 1 has 0 rows and 6 columns of patches, expected 1 or more"),
        ({"sizes": sizes_of_one(-2, -3)}, "picture 1 has -2 rows and -3 columns"),
        ({"sizes": sizes_of_one(5, 5)}, "5 rows and 5 columns of patches, more than the 24 places"),
    ):
        with pytest.raises(ValueError, match=message):
            tower(*spoilt(**changes))
