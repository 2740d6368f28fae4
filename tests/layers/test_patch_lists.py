"""Lists of patches hold the pictures, each in its own shape; sizes fit. Upstream's are compared in tests/parity."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vlmlearn.layers import fitting_size, patch_list, patchify
from vlmlearn.layers.patch_lists import PatchList

SIDES = ((16, 24), (8, 8), (32, 16))


def some_pictures(sides=SIDES, dtype=torch.uint8):
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, *side), generator=generator).to(dtype) for side in sides]


def test_a_patch_holds_its_pixels_row_by_row_colours_side_by_side():
    (picture,) = pictures = some_pictures(((16, 24),))
    patches, mask, sizes = patch_list(pictures, 8)
    assert patches.shape == (1, 6, 192) and mask.all() and sizes.tolist() == [[2, 3]]
    for row in range(2):
        for column in range(3):
            square = picture[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            assert torch.equal(patches[0, 3 * row + column], square.permute(1, 2, 0).reshape(-1))


def test_the_same_numbers_as_patchify_in_another_order():
    pictures = some_pictures(((16, 24), (16, 24)))
    patches = patch_list(pictures, 8).patches.unflatten(-1, (64, 3)).transpose(-1, -2).flatten(-2)
    assert torch.equal(patches, patchify(torch.stack(pictures), 8))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_pictures_of_different_sizes_are_padded_to_the_longest(dtype):
    found = patch_list(some_pictures(dtype=dtype), 8)
    assert isinstance(found, PatchList) and found.patches.dtype == dtype
    assert found.patches.shape == (3, 8, 192) and found.sizes.tolist() == [[2, 3], [1, 1], [4, 2]]
    assert found.mask.sum(1).tolist() == [6, 1, 8]
    for picture, patches, mask in zip(some_pictures(dtype=dtype), found.patches, found.mask, strict=True):
        assert mask[: mask.sum()].all() and not patches[~mask].any()
        assert torch.equal(patches[mask], patch_list([picture], 8).patches[0])


def test_max_patches_is_the_length():
    shorter, longer = patch_list(some_pictures(), 8), patch_list(some_pictures(), 8, 11)
    assert longer.patches.shape == (3, 11, 192)
    assert torch.equal(longer.patches[:, :8], shorter.patches) and not longer.mask[:, 8:].any()


@given(
    height=st.integers(1, 4000),
    width=st.integers(1, 4000),
    patch=st.sampled_from([8, 14, 16]),
    patches=st.integers(1, 1024),
)
def test_a_fitting_size_fits(height, width, patch, patches):
    found = fitting_size(height, width, patch, patches)
    rows, columns = found[0] // patch, found[1] // patch
    assert (rows * patch, columns * patch) == found and 1 <= rows * columns <= patches
    assert fitting_size(width, height, patch, patches) == found[::-1]
    # The shape is kept within a patch: a picture no smaller than the found one less a patch on each side.
    scale = max((rows - 1) * patch / height, (columns - 1) * patch / width)
    assert height * scale <= found[0] + 1e-6 and width * scale <= found[1] + 1e-6


def test_a_square_picture_fills_a_square_list():
    assert fitting_size(500, 500, 16, 256) == (256, 256)
    assert fitting_size(10, 10, 16, 256) == (256, 256)  # small pictures grow
    assert fitting_size(480, 640, 16, 256) == (224, 288)  # 14 · 18 patches


@pytest.mark.bad_input
def test_bad_pictures():
    with pytest.raises(ValueError, match="there are no pictures"):
        patch_list([], 8)
    with pytest.raises(ValueError, match="patch is 0"):
        patch_list(some_pictures(), 0)
    with pytest.raises(ValueError, match=r"picture 1 has shape \(1, 8, 8\), expected \(3, height, width\)"):
        patch_list([torch.zeros(3, 8, 8), torch.zeros(1, 8, 8)], 8)
    with pytest.raises(ValueError, match=r"picture 0 has shape \(2, 3, 8, 8\)"):
        patch_list([torch.zeros(2, 3, 8, 8)], 8)
    with pytest.raises(ValueError, match=r"picture 1 is torch\.uint8, picture 0 torch\.float32"):
        patch_list([torch.zeros(3, 8, 8), torch.zeros(3, 8, 8, dtype=torch.uint8)], 8)
    for side in ((12, 8), (8, 0)):
        with pytest.raises(ValueError, match=rf"picture 0 is {side[0]}×{side[1]} pixels, expected multiples"):
            patch_list([torch.zeros(3, *side)], 8)
    with pytest.raises(ValueError, match="picture 2 has 8 patches, more than 7: resize it"):
        patch_list(some_pictures(), 8, 7)


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["height", "width", "patch", "max_patches"])
def test_bad_sizes(name):
    with pytest.raises(ValueError, match=f"{name} is 0, expected 1 or more"):
        fitting_size(**{"height": 9, "width": 9, "patch": 8, "max_patches": 4} | {name: 0})
