"""The recipe of chapter 10 runs from end to end, here with one step and a handful of small pictures."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from vlmlearn.losses import heatmap_focal_loss, sigmoid_focal_loss
from vlmlearn.models.region_encoder import TASKS
from vlmlearn.training.recipes import chapter_10
from vlmlearn.training.recipes.record import package_sources
from vlmlearn.training.scene_tasks import UNKNOWN
from vlmlearn.world import labelled_pictures, sample_scenes
from vlmlearn.world.shapes import HELD_OUT_PAIRS

FEW = 12
SMALL = {"width": 8, "channels": 8, "fine_channels": 4, "head_channels": 8, "attention_heads": 2}


@pytest.fixture
def tiny(monkeypatch):
    """A handful of pictures, and one seed: what is run for one is run for all."""
    smaller = {
        "SEEDS": (0,),
        "STEPS": 1,
        "SHORT": 2,
        "labelled": lambda split="train", count=FEW: labelled(split, min(count, FEW)),
        "scene_batches": partial(chapter_10.scene_batches, batch_size=4),
        "seconds_a_step": lambda: {name: 1.0 + (name != "plain") for name in chapter_10.OPTIONS},
        "OPTIONS": {name: chapter_10.OPTIONS[name] for name in ("plain", "ffn glu")},
        "SINGLES": chapter_10.SINGLES[:2],
        "RegionEncoderConfig": partial(chapter_10.RegionEncoderConfig, **SMALL),
    }
    for name, value in smaller.items():
        monkeypatch.setattr(chapter_10, name, value)


def labelled(split, count):
    return labelled_pictures(sample_scenes(count, split=split))


def pairs_of(targets):
    """Shape and colour of every object as one number; negative where the colour is not asked for."""
    return (targets.shape * 8 + targets.color)[targets.color != UNKNOWN]


def test_everything_is_measured(tiny, types_unchecked):
    with types_unchecked():  # the score of a detector that finds nothing is the whole number 0
        found = json.loads(json.dumps(chapter_10.run()))
    assert set(found) == {
        *("settings", "whole", "mean_depth", "channels", "admitted", "focal", "scale_invariance"),
        *("options", "single"),
    }
    assert set(found["channels"]) == {"none", "named", "free"}
    assert set(found["focal"]) == {"heat maps", "focal", "cross entropy"}
    assert set(found["scale_invariance"]) == {"0.0", "0.85", "1.0"}
    assert set(found["options"]) == set(chapter_10.OPTIONS)
    assert set(found["single"]) == {"shape", "detection"}
    for score in ("shape", "color", "ap", "mask_ap", "miou", "abs_rel", "pck"):
        for name in (score, f"new_{score}"):
            assert len(found["whole"][name]) == 1
            assert found["whole"]["mean"][name] == pytest.approx(found["whole"][name][0], abs=0.01)
    assert {"shape", "ap", "steps", "seconds_a_step"} <= set(found["options"]["plain"])
    assert [row["steps"] for row in found["options"].values()] == [2, 1], "what costs twice as much gets half"
    assert set(found["focal"]["focal"]) >= {"ap", "new_ap"} and "shape" not in found["focal"]["focal"]
    assert set(found["scale_invariance"]["0.0"]) >= {"abs_rel", "new_abs_rel"}


def test_options_are_those_of_the_heads():
    assert set(chapter_10.OPTIONS) == {
        "plain",
        *(f"attention {kind}" for kind in ("multi_head", "cbam", "differential")),
        *(f"ffn {kind}" for kind in ("mlp", "glu", "swiglu")),
        *(f"norm {kind}" for kind in ("layer", "rms", "group")),
    }
    for config in chapter_10.OPTIONS.values():
        chapter_10.RegionEncoderConfig(**SMALL, **config)
    assert sorted(task for tasks in chapter_10.SINGLES for task in tasks) == sorted(TASKS)


def test_every_option_is_timed(monkeypatch):
    monkeypatch.setattr(chapter_10, "OPTIONS", {"plain": SMALL, "ffn glu": {"ffn_type": "glu", **SMALL}})
    monkeypatch.setattr(chapter_10, "labelled", lambda split, count: labelled(split, 32))
    seconds = chapter_10.seconds_a_step(rounds=1, steps=1)
    assert set(seconds) == {"plain", "ffn glu"} and min(seconds.values()) > 0


class TestBatches:
    pictures = labelled("train", 200)

    def batch(self, how):
        return chapter_10.BATCHES[how](self.pictures, 3)

    def test_the_first_half_is_as_it_was(self):
        plain = self.batch("none")
        np.testing.assert_array_equal(plain.images, self.pictures.images)
        for how in ("named", "free"):
            batch = self.batch(how)
            first, second = batch.images[:100], batch.images[100:]
            np.testing.assert_array_equal(first, plain.images[:100])
            assert (second != plain.images[100:]).flatten(1).any(1).float().mean() > 0.2
            assert torch.equal(batch.picture, plain.picture) and torch.equal(batch.boxes, plain.boxes)
            assert torch.equal(batch.depth, plain.depth) and torch.equal(batch.shape, plain.shape)
            # the same numbers in another order
            assert torch.equal(batch.images.sort(1).values, plain.images.sort(1).values)

    def test_named_batches_never_show_a_pair_that_is_kept_for_the_exam(self):
        seen = torch.cat([pairs_of(chapter_10.named(self.pictures, step)) for step in range(4)])
        assert len(seen) == 4 * len(self.batch("none").color), "every colour has a name"
        assert not np.isin(seen, HELD_OUT_PAIRS).any()
        assert (self.batch("named").color != self.batch("none").color).any(), "some are called by another"

    def test_free_batches_do_not_ask_for_permuted_colours(self):
        free, plain = self.batch("free"), self.batch("none")
        half = free.picture >= 100
        assert (free.color[half] == UNKNOWN).all() and half.any()
        assert torch.equal(free.color[~half], plain.color[~half])
        changed = (free.images[100:] != plain.images[100:]).flatten(1).any(1)
        assert changed.float().mean() > 0.95, "without words every picture admits every order"

    def test_every_step_shuffles_anew_and_every_seed_its_own_way(self):
        def images(seed, steps=60):
            batches = chapter_10.scene_batches(self.pictures, seed, "none", batch_size=50)
            return [next(batches).images for _ in range(steps)]

        first = images(0, 5)
        keys = [picture.numpy().tobytes() for batch in first[:4] for picture in batch]
        assert len(set(keys)) == 200, "every picture once before any comes again"
        assert not torch.equal(first[4], first[0]) and not torch.equal(images(1, 1)[0], first[0])
        assert torch.equal(images(0, 1)[0], first[0])


class TestLosses:
    def test_centres_count_and_their_surroundings_do_not(self):
        draw = torch.Generator().manual_seed(0)
        logits = torch.randn(2, 9, 3, generator=draw)
        heat = torch.rand(2, 9, 3, generator=draw) * 0.9
        heat[0, 4, 1] = heat[1, 2, 0] = heat[1, 7, 2] = 1
        yes = (heat == 1).float()
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, yes, reduction="sum") / 3
        torch.testing.assert_close(chapter_10.CLASS_LOSSES["cross entropy"](logits, heat), entropy)
        focal = sigmoid_focal_loss(logits, yes, alpha=0.25, gamma=2, reduction="sum") / 3
        torch.testing.assert_close(chapter_10.CLASS_LOSSES["focal"](logits, heat), focal)
        assert chapter_10.CLASS_LOSSES["heat maps"] is heatmap_focal_loss
        assert chapter_10.CLASS_LOSSES["focal"](logits, 0.5 * heat).isfinite(), (
            "no object, no division by zero"
        )

    def test_a_known_mean_depth_is_off_by_what_a_loop_finds(self, tiny):
        depth = labelled("test", FEW).depth
        mean = sum(depth) / len(depth)
        off = np.mean([abs(mean - picture) / picture for picture in depth])
        assert chapter_10.mean_depth() == pytest.approx(100 * off, abs=0.01)

    def test_some_pictures_admit_another_order(self, tiny):
        assert 0 < chapter_10.admitted() < 100


def test_the_sources_exist():
    assert all(path.is_file() for path in package_sources(chapter_10.SOURCES))
