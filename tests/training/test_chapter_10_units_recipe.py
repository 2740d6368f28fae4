"""Depth without a unit: fitting takes out a factor of each picture's own, and nothing else."""

import json

import pytest
import torch

from vlmlearn.models import RegionEncoder, RegionEncoderConfig
from vlmlearn.training.recipes import chapter_10, chapter_10_units
from vlmlearn.training.recipes.record import package_sources
from vlmlearn.world import labelled_pictures, sample_scenes

PICTURES = labelled_pictures(sample_scenes(6, split="test"))


class Told(RegionEncoder):
    """Says the depth that it was told."""

    def __init__(self, depth):
        super().__init__(RegionEncoderConfig(("depth",), width=8, channels=8, fine_channels=4))
        self.depth = depth

    def forward(self, images, tasks=None):
        return {"depth": {"depth": self.depth[:, None]}}


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(chapter_10, "labelled", lambda split, count: PICTURES)


def test_fitting_takes_out_each_pictures_own_factor():
    true = torch.from_numpy(PICTURES.depth)
    factors = torch.tensor([0.5, 1.0, 1.7, 2.0, 3.0, 0.1])[:, None, None]
    torch.testing.assert_close(chapter_10_units.fitted(true * factors, true), true)
    bent = chapter_10_units.fitted(true**2, true)
    assert (bent - true).abs().max() > 0.1
    torch.testing.assert_close(bent.flatten(1).median(1).values, true.flatten(1).median(1).values)


def test_errors_in_metres_and_once_fitted(few):
    true = torch.from_numpy(PICTURES.depth)
    assert chapter_10_units.errors(Told(1.5 * true)) == {"metres": pytest.approx(50), "fitted": 0}
    both = chapter_10_units.errors(Told(true + 1))
    assert 0 < both["fitted"] < both["metres"]


def test_every_share_is_measured_for_every_seed(few, monkeypatch):
    true, asked = torch.from_numpy(PICTURES.depth), []

    def trained(seed, share):
        asked.append((share, seed))
        return Told((1 + seed) * true), None

    monkeypatch.setattr(chapter_10, "rescaled", trained)
    found = json.loads(json.dumps(chapter_10_units.run()))
    assert asked == [(share, seed) for share in chapter_10.SHARES for seed in chapter_10.SEEDS]
    assert set(found["scale_invariance"]) == {str(share) for share in chapter_10.SHARES}
    for row in found["scale_invariance"].values():
        assert row["metres"] == pytest.approx([0, 100, 200]) and row["fitted"] == [0, 0, 0]
        assert row["mean"] == {"metres": pytest.approx(100), "fitted": 0}


def test_the_sources_exist():
    assert all(path.is_file() for path in package_sources(chapter_10_units.SOURCES))
