"""Pictures with sentences in HTML."""

import re

import pytest
import torch

from vlmlearn import plots
from vlmlearn.world import caption_pairs, captions


@pytest.fixture(scope="module")
def pairs():
    return caption_pairs(6, split="test", distinct=True)


def test_the_grid_shows_every_sentence_in_both_languages(pairs):
    grid = plots.picture_grid(pairs.images, pairs.scenes)
    assert grid.html.count("<img ") == 6
    for language in ("zh", "en"):
        for text in captions(pairs.scenes, language):
            assert f'<span lang="{language}">{text}</span>' in grid.html
            assert text in repr(grid)


def test_every_picture_has_alt_text_in_both_languages(pairs):
    for panel in (
        plots.picture_grid(pairs.images, pairs.scenes),
        plots.retrieval_panel(pairs.images, pairs.scenes, torch.eye(6), [0, 1]),
        plots.search_panel(pairs.images, pairs.scenes, torch.eye(6), 2),
    ):
        for alt in re.findall(r'<img [^>]*alt="([^"]*)"', panel._repr_html_()):
            zh, en = alt.split(" · ")
            assert zh.startswith("一个") and en.startswith("a ")


def test_the_panel_tells_hits_from_misses_and_gives_the_rank(pairs):
    similarity = torch.eye(6)
    similarity[1] = torch.tensor([0.9, 0.2, 0.5, 0.0, 0.0, 0.0])
    html = plots.retrieval_panel(pairs.images, pairs.scenes, similarity, [0, 1]).html
    assert html.count("✓") == 1 and html.count("✗") == 1 and "#3" in html


def test_the_search_panel_ranks_pictures_of_one_sentence(pairs):
    similarity = torch.zeros(6, 6)
    similarity[:, 2] = torch.tensor([0.1, 0.2, 0.9, 0.3, 0.4, 0.5])
    html = plots.search_panel(pairs.images, pairs.scenes, similarity, query=2, top=3).html
    assert re.findall(r"[✓✗]", html) == ["✓", "✗", "✗"]
    assert re.findall(r"cos ([\d.]+)", html) == ["0.90", "0.50", "0.40"]


@pytest.mark.bad_input
def test_bad_input(pairs):
    with pytest.raises(ValueError, match="5 images for 6 scenes"):
        plots.picture_grid(pairs.images[:5], pairs.scenes)
    with pytest.raises(IndexError, match="query 6"):
        plots.retrieval_panel(pairs.images, pairs.scenes, torch.eye(6), [6])
    with pytest.raises(IndexError, match="query -1"):
        plots.search_panel(pairs.images, pairs.scenes, torch.eye(6), -1)
