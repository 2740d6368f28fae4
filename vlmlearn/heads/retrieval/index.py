"""Search in many pictures: by a sentence or by another picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from vlmlearn.heads.retrieval import store
from vlmlearn.heads.retrieval.cells import Cells
from vlmlearn.heads.retrieval.encoding import (
    DualEncoder,
    Images,
    encode_images,
    encode_texts,
    fingerprint,
    unit,
)

EXACT_UP_TO = 50_000
QUERIES = 256  # compared with everything at a time


class Hits(NamedTuple):
    """The best of each query, best first.

    Attributes:
        scores: (queries, k) cosines.
        keys: a list of k keys a query.
    """

    scores: Float32[Tensor, "queries k"]
    keys: list[list[str]]


class ImageIndex:
    """Image vectors of length one with a key each, searched by cosine.

    Up to ``exact_up_to`` vectors a query is compared with every one. Beyond, it is compared with those in the
    nearest cells only (FAISS, see ``Cells``), which is faster and misses some: ``recall`` measures how many.
    ``search(…, exact=True)`` compares with all of them at any size.

    Args:
        features: (size, dim) of any length but zero; one vector at least.
        keys: one a vector, each another: file names, numbers as text.
        model: fingerprint of the model that made the features (see ``fingerprint``); without it, searches by
            sentence or picture cannot know whether their model fits, and are refused.
        exact_up_to: how many vectors are still searched exactly.

    Attributes:
        keys: in the order in which they were added.
        vectors: (size, dim) of length one.
        model: as given.

    Raises:
        ValueError: no vectors, not as many keys, a key that is empty or there already, NaN, infinity, zeros.
    """

    def __init__(
        self,
        features: Float[Tensor, "size dim"],
        keys: Sequence[str],
        *,
        model: str | None = None,
        exact_up_to: int = EXACT_UP_TO,
    ) -> None:
        if exact_up_to < 0:
            raise ValueError(f"exact_up_to is {exact_up_to}, expected a number of vectors, 0 or more")
        self.model, self.exact_up_to = model, exact_up_to
        self.keys: list[str] = []
        self._cells: Cells | None = None
        if features.ndim != 2 or not features.numel():
            raise ValueError(
                f"features have shape {tuple(features.shape)}, expected (size, dim) with one vector at least: an "
                "empty index finds nothing"
            )
        self.vectors = torch.empty(0, features.shape[1])
        self.add(features, keys)

    @classmethod
    def from_images(
        cls, model: DualEncoder, images: Images, keys: Sequence[str], *, exact_up_to: int = EXACT_UP_TO
    ) -> "ImageIndex":
        """Index of pictures, bound to ``model`` as it is now. Raises as the constructor and ``encode_images``."""
        return cls(encode_images(model, images), keys, model=fingerprint(model), exact_up_to=exact_up_to)

    @classmethod
    def load(cls, folder: str | Path, *, exact_up_to: int = EXACT_UP_TO) -> "ImageIndex":
        """The index that ``save`` wrote.

        Raises:
            FileNotFoundError: no index in the folder.
            ValueError: files that are missing, damaged or of another format.
        """
        stored = store.read(Path(folder))
        index = cls(stored.vectors, stored.keys, model=stored.model, exact_up_to=exact_up_to)
        index.vectors = stored.vectors  # to the last bit: normalising once more may change it
        return index

    def save(self, folder: str | Path) -> None:
        """Write vectors, keys and the model's fingerprint into a folder, in one step (see ``store``).

        An index that was there is replaced; if saving is interrupted, it stays whole.
        """
        store.write(Path(folder), store.Stored(self.vectors, self.keys, self.model))

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, features: Float[Tensor, "size dim"], keys: Sequence[str]) -> None:
        """Add vectors. Either all of them are added or, after an error, none.

        Raises:
            ValueError: as for the constructor, and features of another width.
        """
        self._check_width(features, "features")
        if isinstance(keys, str) or len(keys) != len(features):
            raise ValueError(
                f"there are {len(features)} features and {len(keys)} keys: expected one key a vector"
            )
        if bad := [key for key in keys if not isinstance(key, str) or not key]:
            raise ValueError(f"key {bad[0]!r} is no text: give every vector a name, such as str(number)")
        seen = set(self.keys)
        for key in keys:
            if key in seen:
                raise ValueError(f"key {key!r} is there already: keys tell results apart, give another")
            seen.add(key)
        new = unit(features, "features")
        self.vectors = torch.cat([self.vectors, new])
        self.keys = [*self.keys, *keys]
        if self._cells is not None:
            self._cells.add(new)

    def add_images(self, model: DualEncoder, images: Images, keys: Sequence[str]) -> None:
        """Add pictures. Raises as ``add``, and ValueError for another model than the index was built with."""
        self._check_model(model)
        self.add(encode_images(model, images), keys)

    def search(
        self, queries: Float[Tensor, "queries dim"], k: int = 10, *, exact: bool | None = None
    ) -> Hits:
        """The k vectors of highest cosine for each query; equal scores come in any order.

        Args:
            queries: features of the model that made the index, of any length but zero.
            k: from 1 to the size of the index.
            exact: compare with all vectors (True) or with the nearest cells (False); by default exact up to
                ``exact_up_to`` vectors.

        Raises:
            ValueError: another width, k out of range, NaN, infinity, a zero vector.
            ImportError: an approximate search without FAISS.
        """
        self._check_width(queries, "queries")
        if k not in range(1, len(self) + 1):
            raise ValueError(
                f"k is {k}, expected a whole number from 1 to {len(self)}, the size of the index"
            )
        exact = len(self) <= self.exact_up_to if exact is None else exact
        queries = unit(queries, "queries")
        scores, places = self._compare_all(queries, k) if exact else self._visit_cells(queries, k)
        return Hits(scores, [[self.keys[place] for place in row] for row in places.tolist()])

    def search_text(self, model: DualEncoder, ids: Int64[Tensor, "queries length"], k: int = 10) -> Hits:
        """Pictures for sentences. Raises as ``search``, and ValueError for another model."""
        self._check_model(model)
        return self.search(encode_texts(model, ids), k)

    def search_image(self, model: DualEncoder, images: Images, k: int = 10) -> Hits:
        """Pictures like pictures; one that is in the index finds itself. Raises as ``search_text``."""
        self._check_model(model)
        return self.search(encode_images(model, images), k)

    def recall(self, queries: Float[Tensor, "queries dim"], k: int = 10) -> float:
        """Percentage (0–100) of the k best that an approximate search finds, over all queries.

        Measure it with queries of the kind you will ask: sentences lie elsewhere than pictures do.
        Raises as ``search``.
        """
        found, best = (self.search(queries, k, exact=exact).scores for exact in (False, True))
        # By score, not by key: among equals either search may take any. The two round differently.
        return 100 * float((found >= best[:, -1:] - 1e-5).double().mean())

    def _compare_all(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        parts = [torch.topk(part @ self.vectors.T, k) for part in queries.split(QUERIES)]
        return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])

    def _visit_cells(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Cells are made at the first search that needs them."""
        if self._cells is None:
            self._cells = Cells(self.vectors)
        scores, places = self._cells.search(queries, k)
        short = (places < 0).any(1)  # the visited cells held fewer than k: compare with everything
        if short.any():
            scores[short], places[short] = self._compare_all(queries[short], k)
        return scores, places

    def _check_width(self, features: Tensor, name: str) -> None:
        width = self.vectors.shape[1]
        if features.ndim != 2 or features.shape[1] != width or not len(features):
            raise ValueError(
                f"{name} have shape {tuple(features.shape)}, expected (number, {width}) with one at least, as "
                "wide as the index; a single vector is features[None]"
            )

    def _check_model(self, model: DualEncoder) -> None:
        if self.model is None:
            raise ValueError(
                "the index was built from features without a fingerprint, so no model can be known to fit: give "
                "model=fingerprint(model), or encode the query yourself and call search"
            )
        theirs = fingerprint(model)
        if theirs != self.model:
            raise ValueError(
                f"the index was built with another model (fingerprint {self.model[:8]}, this one {theirs[:8]}): its "
                "vectors mean something else; load the old weights, or build the index again"
            )
