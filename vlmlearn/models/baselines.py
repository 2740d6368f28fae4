"""Baselines: what a model must beat before its score means anything."""

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F


class ColorHistogramBaseline(nn.Module):
    """Which colours occur against which words occur: one linear layer on each side, no shape, no place, no order.

    It has the interface of ``CLIP``: ``encode_image``, ``encode_text``, ``log_scale``.

    Args:
        vocabulary: number of token ids.
        embedding: width of the shared space.
        levels: intensities told apart in each colour channel; the histogram has levels³ bins.
    """

    def __init__(self, vocabulary: int, embedding: int = 128, levels: int = 6):
        super().__init__()
        self.vocabulary, self.levels = vocabulary, levels
        self.image_projection = nn.Linear(levels**3, embedding)
        self.text_projection = nn.Linear(vocabulary, embedding)
        self.log_scale = nn.Parameter(torch.tensor(2.66))

    def encode_image(self, images: UInt8[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch embedding"]:
        """Square roots of the histogram's shares (which keep rare colours visible), projected, length one."""
        red, green, blue = (images.long() * self.levels // 256).unbind(1)
        bins = ((red * self.levels + green) * self.levels + blue).flatten(1)
        counts = torch.zeros(len(images), self.levels**3, device=images.device)
        counts.scatter_add_(1, bins, torch.ones(bins.shape, device=images.device))
        shares = counts / bins.shape[1]
        return F.normalize(self.image_projection(shares.sqrt()), dim=-1)

    def encode_text(self, ids: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch embedding"]:
        """How often each token occurs, projected, length one."""
        counts = torch.zeros(len(ids), self.vocabulary, device=ids.device)
        counts.scatter_add_(1, ids, torch.ones(ids.shape, device=ids.device))
        return F.normalize(self.text_projection(counts), dim=-1)
