"""The scores of a region encoder: 100 for the truth, as much less as is wrong, and the readings behind them."""

import numpy as np
import pytest
import torch

from tests.training.scene_answers import answers_of, perfect_answers
from vlmlearn.metrics import Detections
from vlmlearn.models import RegionEncoder, RegionEncoderConfig
from vlmlearn.models.region_encoder import TASKS
from vlmlearn.training import scene_scores as module
from vlmlearn.training.scene_scores import (
    annotations,
    corners_in,
    detections,
    nearest_boxes,
    rank_correlation,
    scene_scores,
)
from vlmlearn.training.scene_tasks import scene_targets
from vlmlearn.world import labelled_pictures, sample_scenes

SCENES = sample_scenes(40)
# In one triangle's box no other triangle's corner is looked for.
PICTURES = labelled_pictures(SCENES[((SCENES.shape == 2) & SCENES.present).sum(1) <= 1])[0:24]
TARGETS = scene_targets(PICTURES)
PERCENT = ("shape", "color", "class", "ap", "ap50", "mask_ap", "mask_ap50", "miou", "pck", "pck_given_box")


class Told(RegionEncoder):
    """Says what it was told, whatever it is shown."""

    def __init__(self, answers, tasks=TASKS):
        super().__init__(
            RegionEncoderConfig(
                tasks, width=8, channels=8, fine_channels=4, head_channels=8, attention_heads=2
            )
        )
        self.answers, self.next = answers, 0

    def forward(self, images, tasks=None):
        part = slice(self.next, self.next + len(images))
        self.next += len(images)
        return {
            task: {name: value[part] for name, value in self.answers[task].items()} for task in self.heads
        }


def scores_of(answers, tasks=TASKS, pictures=PICTURES):
    return scene_scores(Told(answers, tasks), pictures)


@pytest.fixture(scope="module")
def perfect():
    return scores_of(perfect_answers(TARGETS))


class TestScores:
    def test_the_truth_scores_100(self, perfect):
        assert {name: perfect[name] for name in PERCENT} == dict.fromkeys(PERCENT, 100.0)
        assert perfect["abs_rel"] == pytest.approx(1.0, abs=0.01)  # off by up to 2%, evenly
        assert perfect["confidence"] > 0.99
        assert set(perfect) == {*PERCENT, "abs_rel", "confidence"}

    def test_a_guess_scores_less_everywhere(self, perfect):
        guess = scores_of(answers_of(TARGETS))
        assert set(guess) == set(perfect)
        assert all(guess[name] < 60 for name in PERCENT)
        assert guess["abs_rel"] > 20 and abs(guess["confidence"]) < 0.1

    def test_batches_make_no_difference(self, perfect, monkeypatch):
        monkeypatch.setattr(module, "BATCH", 7)
        parts = scores_of(perfect_answers(TARGETS))
        assert parts.pop("confidence") == pytest.approx(perfect["confidence"], abs=0.01)
        assert parts == {name: value for name, value in perfect.items() if name != "confidence"}

    def test_each_wrong_object_counts_as_one(self):
        answers = perfect_answers(TARGETS)
        total, wrong = len(TARGETS.boxes), {"shape": [0, 3, 5], "color": [3, 4]}
        for task, rows in wrong.items():
            logits = answers[task]["logits"].flatten(2)
            place = (TARGETS.picture[rows], slice(None), TARGETS.cells()[rows])
            logits[place] = logits[place].roll(1, 1)
            answers[task]["logits"] = logits.unflatten(2, (16, 16))
        scores = scores_of(answers)
        assert scores["shape"] == pytest.approx(100 * (1 - 3 / total), abs=1e-3)
        assert scores["color"] == pytest.approx(100 * (1 - 2 / total), abs=1e-3)
        assert scores["class"] == pytest.approx(100 * (1 - 4 / total), abs=1e-3)

    def test_what_is_wrong_lowers_its_own_score(self, perfect):
        answers = perfect_answers(TARGETS)
        answers["detection"]["regressions"] = answers["detection"]["regressions"] * 1.1
        answers["instances"]["prototypes"] = answers["instances"]["prototypes"].roll(2, 3)
        answers["segmentation"]["logits"] = answers["segmentation"]["logits"].roll(1, 2)
        answers["depth"]["depth"] = answers["depth"]["depth"] * 1.3
        answers["depth"]["confidence"] = 1 - answers["depth"]["confidence"]
        answers["keypoints"]["logits"] = answers["keypoints"]["logits"].roll(1, 1)
        scores = scores_of(answers)
        for name in ("ap", "mask_ap", "miou", "pck", "pck_given_box"):
            assert scores[name] < perfect[name] - 5, name
        assert scores["shape"] == scores["color"] == 100
        assert scores["abs_rel"] == pytest.approx(30, abs=1) and scores["confidence"] < 0.5

    def test_corners_are_looked_for_in_the_boxes_found(self):
        """Boxes of no size: nothing but ``pck`` and the boxes' own score falls."""
        answers = perfect_answers(TARGETS)
        answers["detection"]["regressions"] = torch.full_like(answers["detection"]["regressions"], -9.0)
        scores = scores_of(answers)
        assert scores["ap50"] == 0 and scores["pck"] < 20 and scores["pck_given_box"] == 100

    @pytest.mark.parametrize(
        ("tasks", "names"),
        [
            (("shape",), {"shape"}),
            (("color", "shape"), {"shape", "color", "class"}),
            (("instances",), {"mask_ap", "mask_ap50"}),
            (("keypoints",), {"pck_given_box"}),
            (
                ("keypoints", "detection", "depth"),
                {"pck", "pck_given_box", "ap", "ap50", "abs_rel", "confidence"},
            ),
        ],
    )
    def test_a_model_is_asked_what_it_has_heads_for(self, tasks, names):
        assert set(scores_of(perfect_answers(TARGETS), tasks)) == names

    def test_pictures_without_triangles(self):
        scenes = SCENES[((SCENES.shape == 2) & SCENES.present).sum(1) == 0]
        pictures = labelled_pictures(scenes)[0:4]
        scores = scores_of(perfect_answers(scene_targets(pictures)), pictures=pictures)
        assert scores["ap"] == 100 and scores["pck"] == scores["pck_given_box"] == 0


class TestReadings:
    def test_annotations_are_each_pictures_own(self):
        every = annotations(TARGETS)
        assert len(every) == len(PICTURES)
        for picture, mine in enumerate(every):
            slots = np.flatnonzero(PICTURES.present[picture] & (PICTURES.visible[picture] > 0))
            np.testing.assert_array_equal(mine.labels, PICTURES.shape[picture, slots])
            np.testing.assert_array_equal(mine.boxes, PICTURES.boxes[picture, slots])
            for mask, slot in zip(mine.masks, slots, strict=True):
                np.testing.assert_array_equal(mask, PICTURES.instances[picture] == slot + 1)

    def test_detections_come_surest_first_and_stay_in_the_picture(self):
        answer = answers_of(TARGETS)["instances"]
        for found in detections(answer, 64, k=7):
            assert len(found.scores) == len(found.labels) == len(found.boxes) == len(found.masks) == 7
            assert (found.scores[:-1] >= found.scores[1:]).all()
            assert found.boxes.min() >= 0 and found.boxes.max() <= 64
        assert detections(answers_of(TARGETS)["detection"], 64)[0].masks is None

    def test_the_nearest_box_is_that_of_the_nearest_middle(self):
        first = Detections(
            scores=torch.tensor([0.9, 0.8, 0.01]),
            labels=torch.tensor([0, 1, 2]),
            boxes=torch.tensor([[0.0, 0, 10, 10], [30, 30, 40, 40], [18, 18, 22, 22]]),
        )
        second = Detections(
            scores=torch.tensor([0.04]), labels=torch.tensor([0]), boxes=torch.tensor([[1.0, 2, 3, 4]])
        )
        boxes = torch.tensor([[0.0, 0, 4, 4], [19, 19, 21, 21], [24, 24, 30, 30], [50, 50, 60, 60]])
        found = nearest_boxes([first, second], torch.tensor([0, 0, 0, 1]), boxes)
        # The box in the middle is too unsure to be found; where nothing is sure, the nearest of all is taken.
        assert found.tolist() == [first.boxes[k].tolist() for k in (0, 0, 1)] + second.boxes.tolist()
        assert nearest_boxes([first], torch.tensor([0]), boxes[1:2], least=0.0).tolist() == [[18, 18, 22, 22]]
        none = torch.zeros(0, 4)
        assert nearest_boxes([first], torch.zeros(0, dtype=torch.int64), none).shape == (0, 4)

    def test_corners_are_found_to_a_fraction_of_a_place(self):
        draw = torch.Generator().manual_seed(0)
        points = 12 + 40 * torch.rand(9, 3, 2, generator=draw)
        places = 2 * (torch.arange(32) + 0.5)
        x, y = points[..., 0, None, None], points[..., 1, None, None]
        logits = -((places - x) ** 2 + (places[:, None] - y) ** 2) / 2
        found = corners_in(logits, torch.tensor([[0.0, 0, 64, 64]]).expand(9, 4))
        assert (found - points).abs().max() < 0.3

    def test_corners_are_looked_for_inside_the_box_and_one_place_around_it(self):
        logits = torch.zeros(3, 1, 32, 32)
        logits[:, 0, 5, 5], logits[:, 0, 20, 21] = 50.0, 40.0  # the highest place, and another
        boxes = torch.tensor([[0.0, 0, 64, 64], [30, 30, 50, 50], [12, 12, 30, 30]])
        found = corners_in(logits, boxes)
        assert found[:, 0].tolist() == [[11, 11], [43, 41], [11, 11]]  # the last box ends one place from it

    @pytest.mark.parametrize("seed", range(3))
    def test_rank_correlation_is_spearmans(self, seed):
        """1 − 6 Σ d² / n (n² − 1), with the difference d of two ranks; a rank counts the smaller values."""
        draw = torch.Generator().manual_seed(seed)
        first = torch.randn(200, generator=draw)
        second = first.exp() + torch.randn(200, generator=draw)
        ranks = [(values[:, None] > values).sum(1) for values in (first, second)]
        expected = 1 - 6 * (ranks[0] - ranks[1]).square().sum().item() / (200 * (200**2 - 1))
        assert 0.2 < expected < 0.9 and rank_correlation(first, second) == pytest.approx(expected, abs=1e-9)
        assert rank_correlation(first, first.exp()) == pytest.approx(1)
        assert rank_correlation(first, -(first**3)) == pytest.approx(-1)
