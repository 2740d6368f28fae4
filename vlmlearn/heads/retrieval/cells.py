"""Approximate search with FAISS: look only into the cells nearest to the query (Jégou et al. 2011, IVF).

k-means cuts the vectors into cells. A query visits the few cells whose centres are nearest and compares itself with
what lies there: less work, and now and then a neighbour missed just across a border.
"""

import math
from typing import Any

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

POINTS_PER_CELL = 39  # fewer make poor centres: FAISS warns below this
SHARE_VISITED = 1 / 16
SEED = 0


class Cells:
    """Inverted lists of a FAISS index over vectors of length one.

    Args:
        vectors: what is searched.

    Attributes:
        count: how many cells: twice the root of the number of vectors, fewer where that leaves them too empty.
        visited: how many of them a search looks into: a sixteenth, one at least.

    Raises:
        ImportError: FAISS is not installed.
    """

    def __init__(self, vectors: Float32[Tensor, "size dim"]) -> None:
        try:
            import faiss  # here, so that small indexes do without
        except ImportError:
            raise ImportError(
                f"an index of {len(vectors)} vectors is searched with FAISS: pip install 'vlmlearn[search]', or "
                "search with exact=True"
            ) from None
        size, dim = vectors.shape
        self.count = max(1, min(round(2 * math.sqrt(size)), size // POINTS_PER_CELL))
        self.visited = max(1, round(self.count * SHARE_VISITED))
        self._centres = faiss.IndexFlatIP(dim)
        self._lists: Any = faiss.IndexIVFFlat(self._centres, dim, self.count, faiss.METRIC_INNER_PRODUCT)
        self._lists.cp.seed = SEED
        self._lists.train(vectors.numpy())
        self._lists.nprobe = self.visited
        self.add(vectors)

    def add(self, vectors: Float32[Tensor, "size dim"]) -> None:
        """Put more vectors into the cells as they are; the centres stay."""
        self._lists.add(vectors.numpy())

    def search(
        self, queries: Float32[Tensor, "queries dim"], k: int
    ) -> tuple[Float32[Tensor, "queries k"], Int64[Tensor, "queries k"]]:
        """Scores and places of the k best found, best first; place -1 where the visited cells hold fewer."""
        scores, places = self._lists.search(queries.contiguous().numpy(), k)
        return torch.from_numpy(scores), torch.from_numpy(places)
