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


def test_the_game_shows_the_sentences_in_the_given_order_and_never_beside_their_pictures(pairs):
    order = [3, 0, 5, 1, 4, 2]
    game = plots.matching_game(pairs.images, pairs.scenes, order)
    for language in ("zh", "en"):
        texts = captions(pairs.scenes, language)
        assert re.findall(f'<span lang="{language}">([^<]*)</span>', game.html) == [texts[k] for k in order]
    assert re.findall("<b>(.)</b>", game.html) == [*"123456", *"ABCDEF"]
    assert re.findall('alt="([^"]*)"', game.html) == [f"图 {k} · picture {k}" for k in range(1, 7)]


@pytest.mark.bad_input
def test_a_game_without_a_proper_order(pairs):
    for order in ([0, 1, 2], [0, 0, 1, 2, 3, 4]):
        with pytest.raises(ValueError, match="every number below the number of scenes once"):
            plots.matching_game(pairs.images, pairs.scenes, order)
