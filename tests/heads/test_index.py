"""The index against brute force, through its folder and back, exact and approximate."""

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from vlmlearn.heads.retrieval import ImageIndex, encode_images, encode_texts, fingerprint


def cloud(size, dim=8, seed=0):
    return torch.randn(size, dim, generator=torch.Generator().manual_seed(seed))


def names(size, start=0):
    return [f"picture {k}" for k in range(start, start + size)]


def brute_force(vectors, keys, query, k):
    """Keys and cosines of the k best, one query, in plain Python."""
    cosines = [float(F.cosine_similarity(query.double(), v.double(), dim=0)) for v in vectors]
    best = sorted(range(len(keys)), key=lambda i: -cosines[i])[:k]
    return [keys[i] for i in best], [cosines[i] for i in best]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**31), st.data())
def test_equals_brute_force(size, dim, queries, seed, data):
    k = data.draw(st.integers(1, size))
    features, asked = cloud(size, dim, seed) * 7, cloud(queries, dim, seed + 1)
    hits = ImageIndex(features, names(size)).search(asked, k)
    assert hits.scores.shape == (queries, k)
    for query, scores, keys in zip(asked, hits.scores.tolist(), hits.keys, strict=True):
        expected, cosines = brute_force(features, names(size), query, k)
        assert scores == pytest.approx(cosines, abs=1e-5)
        if dim > 1 and min(np.diff(sorted(cosines)), default=1) > 1e-5 and k < size:
            last = brute_force(features, names(size), query, k + 1)[1][-1]
            if cosines[-1] - last > 1e-5:
                assert keys == expected


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=5), st.integers(0, 2**31))
def test_built_at_once_or_bit_by_bit(sizes, seed):
    features, keys = cloud(sum(sizes), 5, seed), names(sum(sizes))
    once = ImageIndex(features, keys)
    slowly = ImageIndex(features[: sizes[0]], keys[: sizes[0]])
    for start, size in zip(np.cumsum(sizes), sizes[1:], strict=False):
        slowly.add(features[start : start + size], keys[start : start + size])
    assert torch.equal(once.vectors, slowly.vectors) and once.keys == slowly.keys == keys
    assert len(slowly) == sum(sizes)


def test_many_queries_are_compared_in_parts():
    index, asked = ImageIndex(cloud(40), names(40)), cloud(600, seed=1)
    together = index.search(asked, 3)
    torch.testing.assert_close(together.scores[500:502], index.search(asked[500:502], 3).scores)
    assert together.keys[500:502] == index.search(asked[500:502], 3).keys


def test_pictures_and_sentences(make_clip, tokenizer, images):
    clip = make_clip()
    index = ImageIndex.from_images(clip, images[:4], names(4))
    index.add_images(clip, images[4:], names(2, start=4))
    assert [row[0] for row in index.search_image(clip, images, 1).keys] == names(6)
    ids = tokenizer.encode(["a small red star at the top left", "a large blue ring at the center"])
    hits, cosines = index.search_text(clip, ids, 6), encode_texts(clip, ids) @ encode_images(clip, images).T
    torch.testing.assert_close(hits.scores, cosines.sort(descending=True).values)
    assert hits.keys == [[names(6)[k] for k in row] for row in cosines.argsort(descending=True).tolist()]


def test_another_model_is_refused(make_clip, tokenizer, images):
    clip, other = make_clip(), make_clip(1)
    index = ImageIndex.from_images(clip, images, names(6))
    calls = [
        lambda: index.search_text(other, tokenizer.encode("a small red star at the top")),
        lambda: index.search_image(other, images),
        lambda: index.add_images(other, images, names(6, start=6)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="built with another model"):
            call()
    assert len(index) == 6
    bare = ImageIndex(encode_images(clip, images), names(6))
    with pytest.raises(ValueError, match="built from features without a fingerprint"):
        bare.search_image(clip, images)
    known = ImageIndex(encode_images(clip, images), names(6), model=fingerprint(clip))
    assert known.search_image(clip, images, 1).keys == [[name] for name in names(6)]


def test_a_model_trained_further_is_another(make_clip, images):
    clip = make_clip()
    index = ImageIndex.from_images(clip, images, names(6))
    optimizer = torch.optim.AdamW(clip.parameters(), lr=1e-3)
    clip.encode_image(images).sum().backward()
    optimizer.step()
    with pytest.raises(ValueError, match="built with another model"):
        index.search_image(clip, images, 1)


class TestApproximate:
    def test_exact_search_is_that_of_a_flat_faiss_index(self):
        features, asked = cloud(500, 16), cloud(50, 16, seed=1)
        index = ImageIndex(features, names(500))
        flat = faiss.IndexFlatIP(16)
        flat.add(index.vectors.numpy())
        scores, places = flat.search(F.normalize(asked).numpy(), 10)
        hits = index.search(asked, 10)
        assert hits.keys == [[index.keys[place] for place in row] for row in places]
        np.testing.assert_allclose(hits.scores, scores, atol=1e-5)

    def test_a_single_cell_finds_everything(self):
        """Up to twice 39 vectors there is one cell, which every search visits."""
        features, asked = cloud(77), cloud(20, seed=1)
        exact, cells = ImageIndex(features, names(77)), ImageIndex(features, names(77), exact_up_to=0)
        one, other = exact.search(asked, 77), cells.search(asked, 77)
        assert one.keys == other.keys and cells._cells is not None and exact._cells is None
        torch.testing.assert_close(one.scores, other.scores)
        assert cells.recall(asked, 5) == 100

    def test_recall_is_reported_as_counted_by_hand(self):
        features, asked = cloud(4000, 12), cloud(100, 12, seed=1)
        index = ImageIndex(features, names(4000), exact_up_to=0)
        exact, found = index.search(asked, 10, exact=True), index.search(asked, 10)
        shared = [len(set(a) & set(b)) for a, b in zip(exact.keys, found.keys, strict=True)]
        assert index.recall(asked, 10) == pytest.approx(100 * sum(shared) / 1000)
        assert 30 < index.recall(asked, 10) < 100  # cells that are looked into without reason would find 6
        assert index.recall(index.vectors[:200], 1) == 100  # a vector lies in the cell of its own centre
        assert (found.scores <= exact.scores + 1e-6).all()

    def test_equal_vectors_are_no_loss(self):
        features = cloud(2, 4).repeat_interleave(100, 0)
        index = ImageIndex(features, names(200), exact_up_to=0)
        assert index.recall(features[[0, 150]], 3) == 100

    def test_k_beyond_what_the_cells_hold_is_filled_exactly(self):
        features, asked = cloud(2000, 12), cloud(5, 12, seed=1)
        index = ImageIndex(features, names(2000), exact_up_to=0)
        hits, exact = index.search(asked, 1900), index.search(asked, 1900, exact=True)
        assert hits.keys == exact.keys and all(len(set(row)) == 1900 for row in hits.keys)

    def test_it_starts_where_the_index_has_grown(self):
        index = ImageIndex(cloud(90), names(90), exact_up_to=100)
        index.search(cloud(1), 1)
        assert index._cells is None
        index.add(cloud(20, seed=3), names(20, start=90))
        index.search(cloud(1), 1)
        assert index._cells is not None
        index.add(cloud(1, seed=4), ["late"])
        assert index.search(cloud(1, seed=4), 1).keys == [["late"]]

    def test_the_same_again_after_loading(self, tmp_path):
        index = ImageIndex(cloud(3000, 12), names(3000), exact_up_to=0)
        index.save(tmp_path)
        asked = cloud(50, 12, seed=1)
        again = ImageIndex.load(tmp_path, exact_up_to=0).search(asked, 10)
        assert again.keys == index.search(asked, 10).keys

    def test_without_faiss(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "faiss", None)
        index = ImageIndex(cloud(10), names(10), exact_up_to=5)
        with pytest.raises(ImportError, match=r"pip install 'vlmlearn\[search\]', or search with exact=True"):
            index.search(cloud(1), 1)
        assert index.search(cloud(1), 1, exact=True).scores.shape == (1, 1)


@pytest.mark.bad_input
class TestBadInput:
    def test_features(self):
        for bad in (torch.zeros(0, 4), torch.ones(4), torch.ones(2, 0)):
            with pytest.raises(ValueError, match="an empty index finds nothing"):
                ImageIndex(bad, names(len(bad)))
        index = ImageIndex(cloud(3), names(3))
        for bad, words in (
            (torch.ones(2, 7), r"expected \(number, 8\)"),
            (torch.ones(8), r"a single vector is features\[None\]"),
            (torch.zeros(0, 8), "one at least"),
            (torch.full((2, 8), torch.nan), "NaN or infinity"),
            (torch.zeros(2, 8), "2 zero vectors"),
        ):
            with pytest.raises(ValueError, match=words):
                index.search(bad, 1)
            with pytest.raises(ValueError, match=words):
                index.add(bad, names(len(bad), start=3))
        assert len(index) == len(index.vectors) == 3

    def test_keys(self):
        index = ImageIndex(cloud(3), names(3))
        for keys in (["picture 1", "new"], ["new", "new"]):
            with pytest.raises(
                ValueError, match=f"key '{keys[0] if 'picture' in keys[0] else 'new'}' is there already"
            ):
                index.add(cloud(2), keys)
        for keys in (["one"], "ab"):
            with pytest.raises(ValueError, match=r"2 features and \d keys: expected one key a vector"):
                index.add(cloud(2), keys)
        for key in ("", 7):
            with pytest.raises(ValueError, match="is no text: give every vector a name"):
                index.add(cloud(2), ["good", key])
        assert index.keys == names(3) and len(index.vectors) == 3

    def test_k(self):
        index = ImageIndex(cloud(3), names(3))
        for k in (0, 4, -1, 1.5):
            with pytest.raises(ValueError, match=f"k is {k}, expected a whole number from 1 to 3"):
                index.search(cloud(1), k)
            with pytest.raises(ValueError, match=f"k is {k}"):
                index.recall(cloud(1), k)

    def test_size(self):
        with pytest.raises(ValueError, match="exact_up_to is -1"):
            ImageIndex(cloud(1), ["a"], exact_up_to=-1)
