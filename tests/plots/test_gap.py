"""The map of the modality gap: what it draws, looked up in the axes."""

import matplotlib
import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from vlmlearn import plots

matplotlib.use("Agg")


def features(pairs=12, dim=6):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(pairs, dim, generator=generator) + 2
    return image, image - 3 + 0.1 * torch.randn(pairs, dim, generator=generator)


def drawn(axes):
    return [np.asarray(points.get_offsets()) for points in axes.collections]


def test_the_points_are_those_of_a_principal_component_analysis_but_for_signs():
    image, text = features()
    pca = PCA(2).fit(torch.cat([image, text]).double())
    with plots.figure() as (_, [axes]):
        plots.modality_gap_map(axes, image, text, "gap")
        for points, given in zip(drawn(axes), (image, text), strict=True):
            assert np.abs(points) == pytest.approx(np.abs(pca.transform(given.double())))
        shares = pca.explained_variance_ratio_
        assert axes.get_xlabel() == f"component 1 ({shares[0]:.0%} of variance)"
        assert axes.get_ylabel() == f"component 2 ({shares[1]:.0%})" and axes.get_title() == "gap"
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["images", "texts"]


def test_every_pair_is_joined():
    with plots.figure() as (_, [axes]):
        plots.modality_gap_map(axes, *features())
        image, text = drawn(axes)
        assert len(axes.lines) == 12
        for line, start, end in zip(axes.lines, image, text, strict=True):
            assert line.get_xydata() == pytest.approx(np.stack([start, end]))


def test_signs_do_not_depend_on_the_order_of_pairs():
    image, text = features()
    with plots.figure(columns=2) as (_, (left, right)):
        plots.modality_gap_map(left, image, text)
        plots.modality_gap_map(right, image.flip(0), text.flip(0))
        for one, other in zip(drawn(left), drawn(right), strict=True):
            assert one == pytest.approx(other[::-1], abs=1e-6)


def test_points_that_are_all_the_same():
    with plots.figure() as (_, [axes]):
        plots.modality_gap_map(axes, torch.ones(3, 2), torch.ones(3, 2))
        assert np.isfinite(drawn(axes)).all()


@pytest.mark.bad_input
def test_bad_input():
    image, text = features()
    with plots.figure() as (_, [axes]):
        with pytest.raises(ValueError, match="picture i with sentence i"):
            plots.modality_gap_map(axes, image, text[1:])
        with pytest.raises(ValueError, match="1 pairs with 6 dimensions: expected two or more"):
            plots.modality_gap_map(axes, image[:1], text[:1])
        with pytest.raises(ValueError, match="NaN or infinity"):
            plots.modality_gap_map(axes, image, text * torch.nan)
