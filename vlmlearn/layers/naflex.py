"""NaFlex, SigLIP 2's image tower for pictures in their own shape (Tschannen et al. 2025, section 2.4.2).

One grid of positions is learnt and stretched to each picture's own rows and columns; padding is masked away.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.layers.checks import check_counts, check_heads, check_known
from vlmlearn.layers.feed_forward import ACTIVATIONS
from vlmlearn.layers.map_head import MapHead
from vlmlearn.layers.transformer import Transformer


@dataclass(frozen=True)
class NaFlexConfig:
    """A Vision Transformer for lists of patches; the defaults are those of SigLIP 2's B/16.

    Args:
        patch: side of a patch in pixels.
        grid: rows and columns of the learnt positions. Pictures may have other grids.
        width, layers, heads, hidden: of the Transformer and of the MAP head; ``hidden`` is the feed-forward networks'.
        activation: of the feed-forward networks.
        eps: added to the variance in every layer norm.

    Raises:
        ValueError: a number below 1, an unknown activation, or heads that do not divide the width.
    """

    patch: int = 16
    grid: int = 16
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    activation: str = "gelu_tanh"
    eps: float = 1e-6

    def __post_init__(self) -> None:
        check_counts(self, "patch grid width layers heads hidden")
        check_known(self, "activation", tuple(ACTIVATIONS))
        check_heads(self, self.width, self.heads)


class NaFlexTower(nn.Module):
    """Lists of patches to one vector a picture: Transformer, layer norm, MAP head, none of which looks at padding.

    What stands at padding does not matter, not even NaN; nor does its length, to the last bit.

    Equals, in Hugging Face's transformers, ``Siglip2VisionModel`` with the same weights.

    Args:
        config: see ``NaFlexConfig``; the result is ``config.width`` wide.
    """

    def __init__(self, config: NaFlexConfig):
        super().__init__()
        self.config = config
        self.patches = nn.Linear(3 * config.patch**2, config.width)
        self.positions = nn.Parameter(torch.randn(config.grid**2, config.width) * 0.02)
        self.transformer = Transformer(
            config.layers, config.width, config.heads, config.hidden, config.activation, config.eps
        )
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.head = MapHead(config.width, config.heads, config.hidden, config.activation, config.eps)

    def forward(
        self,
        patches: Float[Tensor, "batch patches values"],
        mask: Bool[Tensor, "batch patches"],
        sizes: Int64[Tensor, "batch 2"],
    ) -> Float[Tensor, "batch width"]:
        """Arguments as in ``PatchList``, the patches standardised.

        Raises:
            ValueError: other shapes or types, a mask that hides a whole picture, or sizes that do not say how many
                patches the mask shows.
        """
        self._check(patches, mask, sizes)
        length = int(sizes.prod(1).max())  # what follows the longest picture is padding that nobody sees
        patches, mask = patches[:, :length], mask[:, :length]
        tokens = self.patches(patches.masked_fill(~mask[..., None], 0)) + self._positions(sizes, length)
        seen = None if mask.all() else mask  # attention is faster without a mask
        tokens = self.transformer(tokens, mask=None if seen is None else seen[:, None, None, :])
        return self.head(self.norm(tokens), seen)

    def _positions(self, sizes: Tensor, length: int) -> Float[Tensor, "batch length width"]:
        """The learnt grid, stretched to each picture's rows and columns; zero at padding."""
        grids = [(rows, columns) for rows, columns in sizes.tolist()]
        stretched = {grid: self._stretched(grid) for grid in {*grids}}
        return torch.stack([F.pad(stretched[grid], (0, 0, 0, length - grid[0] * grid[1])) for grid in grids])

    def _stretched(self, grid: tuple[int, int]) -> Float[Tensor, "patches width"]:
        places = rearrange(self.positions, "(row column) width -> row column width", row=self.config.grid)
        rows, columns = (_stretching(self.config.grid, to).to(places) for to in grid)
        return rearrange(
            rows @ (columns @ places).flatten(1), "row (column width) -> (row column) width", column=grid[1]
        )

    def _check(self, patches: Tensor, mask: Tensor, sizes: Tensor) -> None:
        values = self.patches.in_features
        if patches.ndim != 3 or not patches.numel() or patches.shape[-1] != values:
            raise ValueError(
                f"patches have shape {tuple(patches.shape)}, expected (batch, patches, {values}), "
                f"{self.config.patch}×{self.config.patch} pixels of 3 colours: cut pictures with patch_list"
            )
        if not patches.is_floating_point():
            raise ValueError(
                f"patches are {patches.dtype}, expected standardised floats: (pixels - mean) / std"
            )
        if mask.dtype != torch.bool or mask.shape != patches.shape[:2]:
            raise ValueError(
                f"mask is {mask.dtype} of shape {tuple(mask.shape)}, expected bool of shape (batch, patches) = "
                f"{tuple(patches.shape[:2])}, True at a picture's own patches: write mask != 0 for ones and zeros"
            )
        if sizes.dtype != torch.int64 or sizes.shape != (len(patches), 2):
            raise ValueError(
                f"sizes are {sizes.dtype} of shape {tuple(sizes.shape)}, expected int64 of shape ({len(patches)}, 2): "
                "rows and columns of patches for each picture"
            )
        if not torch.compiler.is_compiling():
            _check_values(mask, sizes)


def _stretching(of: int, to: int) -> Float[Tensor, "to of"]:
    """Each of ``to`` new places as a weighted mean of the ``of`` old ones: linear interpolation, antialiased.

    A new place asks the old ones around it, the nearer the more: those less than one old place away, or, where it
    stands for several old places, less than one new place away. Equals ``F.interpolate(…, mode="bilinear",
    antialias=True)`` along one side, which on the CPU is wrong where the other side becomes 1 (torch 2.13).
    """
    step = of / to
    centres = (torch.arange(to, dtype=torch.float64) + 0.5) * step
    distances = (torch.arange(of) + 0.5 - centres[:, None]).abs()
    weights = (1 - distances / max(step, 1)).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)


def _check_values(mask: Tensor, sizes: Tensor) -> None:
    """The mask must be what the sizes say; if it is not, name the first picture and what is wrong with it."""
    expected = torch.arange(mask.shape[1], device=mask.device) < sizes.prod(1, keepdim=True)
    wrong = (mask != expected).any(1) | (sizes < 1).any(1) | (sizes.prod(1) > mask.shape[1])
    if not wrong.any():
        return
    picture = int(wrong.nonzero()[0])
    (rows, columns), shown = sizes[picture].tolist(), int(mask[picture].sum())
    what = f"picture {picture} has {rows} rows and {columns} columns of patches"
    if not shown:
        raise ValueError(
            f"mask hides every patch of picture {picture}: leave it out, and check that True means real"
        )
    if rows < 1 or columns < 1:
        raise ValueError(f"{what}, expected 1 or more of each: check sizes")
    if rows * columns > mask.shape[1]:
        raise ValueError(
            f"{what}, more than the {mask.shape[1]} places of the list: raise max_patches or resize it"
        )
    if rows * columns != shown:
        raise ValueError(
            f"{what}, but its mask shows {shown}, expected {rows * columns}: take mask and sizes of one patch_list"
        )
    raise ValueError(
        f"picture {picture} has padding before its last patch, expected it after: put the patches first"
    )
