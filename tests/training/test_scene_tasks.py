"""Targets are what the world knows, read by loops; every loss falls when the head is told the truth."""

import math

import numpy as np
import pytest
import torch

from tests.training.scene_answers import answers_of, perfect_answers
from vlmlearn.heads.vision.decoding import gaussian_heat_maps
from vlmlearn.losses import heatmap_focal_loss, sigmoid_focal_loss
from vlmlearn.models import RegionEncoder, RegionEncoderConfig
from vlmlearn.models.region_encoder import TASKS
from vlmlearn.training.scene_tasks import (
    UNKNOWN,
    WEIGHTS,
    class_heat,
    corner_heat,
    joint_loss,
    scene_targets,
    task_losses,
    together,
)
from vlmlearn.world import labelled_pictures, sample_scenes

PICTURES = labelled_pictures(sample_scenes(12))
TARGETS = scene_targets(PICTURES)
EMPTY = scene_targets(labelled_pictures(sample_scenes(3)))._replace(
    **{
        name: getattr(TARGETS, name)[:0]
        for name in ("picture", "slot", "boxes", "shape", "color", "keypoints")
    }
)


class TestTargets:
    def test_every_object_that_can_be_seen_in_the_order_of_pictures_and_slots(self):
        row = 0
        for picture in range(12):
            for slot in range(4):
                if PICTURES.shape[picture, slot] < 0 or PICTURES.visible[picture, slot] == 0:
                    continue
                assert (TARGETS.picture[row], TARGETS.slot[row]) == (picture, slot)
                assert TARGETS.shape[row] == PICTURES.scenes.shape[picture, slot]
                assert TARGETS.color[row] == PICTURES.scenes.color[picture, slot]
                assert TARGETS.boxes[row].tolist() == PICTURES.boxes[picture, slot].tolist()
                np.testing.assert_array_equal(TARGETS.keypoints[row], PICTURES.keypoints[picture, slot])
                assert (
                    (TARGETS.instances[picture] == slot + 1) & (TARGETS.semantic[picture] == 0)
                ).sum() == 0
                row += 1
        assert row == len(TARGETS.boxes) > 12

    def test_pixels(self):
        np.testing.assert_array_equal(TARGETS.images, PICTURES.images)
        np.testing.assert_array_equal(TARGETS.instances, PICTURES.instances)
        np.testing.assert_array_equal(TARGETS.semantic, PICTURES.semantic)
        np.testing.assert_array_equal(TARGETS.depth, PICTURES.depth)

    def test_an_object_that_nobody_sees_is_left_out(self):
        hidden = labelled_pictures(sample_scenes(12))
        picture = int(np.argmax(hidden.present.sum(1) > 1))
        hidden.visible[picture, 0] = 0
        found = scene_targets(hidden)
        assert len(found.boxes) == len(TARGETS.boxes) - 1
        assert found.slot[found.picture == picture].tolist()[0] == 1

    def test_cells_are_where_the_boxes_middle_is(self):
        for cell, (x0, y0, x1, y1) in zip(TARGETS.cells().tolist(), TARGETS.boxes.tolist(), strict=True):
            assert cell == int((y0 + y1) / 2 // 4) * 16 + int((x0 + x1) / 2 // 4)

    def test_dropped_words_leave_the_colour_out_and_dropped_depth_the_depth(self):
        bare = scene_targets(PICTURES.drop("words", "depth"))
        assert (bare.color == UNKNOWN).all() and (bare.depth == 0).all()
        assert torch.equal(bare.shape, TARGETS.shape) and torch.equal(bare.boxes, TARGETS.boxes)

    def test_two_batches_as_one(self):
        first, second = scene_targets(PICTURES[0:5]), scene_targets(PICTURES[5:12])
        for name, value in together(first, second)._asdict().items():
            torch.testing.assert_close(value, getattr(TARGETS, name), rtol=0, atol=0, equal_nan=True)
        joined = together(EMPTY, first)
        assert torch.equal(joined.images, torch.cat([EMPTY.images, first.images]))
        assert torch.equal(joined.picture, first.picture + 3) and torch.equal(joined.slot, first.slot)


class TestHeat:
    def test_class_heat_is_that_of_each_picture(self):
        heat = class_heat(TARGETS)
        assert heat.shape == (12, 256, 6)
        for picture in range(12):
            mine = TARGETS.picture == picture
            alone = gaussian_heat_maps(TARGETS.boxes[mine], TARGETS.shape[mine], 6, 16, 16, 4)
            torch.testing.assert_close(heat[picture].T.view(6, 16, 16), alone)
        at_centres = heat[TARGETS.picture, TARGETS.cells(), TARGETS.shape]
        assert (at_centres == 1).all() and (heat == 1).sum() == len(at_centres)

    def test_corner_heat_by_a_loop(self):
        expected = torch.zeros(12, 3, 32, 32)
        rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
        corners = 0
        for picture, points in zip(TARGETS.picture, TARGETS.keypoints, strict=True):
            for corner, (x, y) in enumerate(points.tolist()):
                if math.isnan(x) or not (0 <= x < 64 and 0 <= y < 64):
                    continue
                bell = torch.exp(-((rows - y // 2) ** 2 + (columns - x // 2) ** 2) / 2)
                expected[picture, corner] = torch.maximum(expected[picture, corner], bell)
                corners += 1
        assert corners >= 6
        torch.testing.assert_close(corner_heat(TARGETS), expected)

    def test_corners_outside_the_picture_are_left_out(self):
        triangle = (~TARGETS.keypoints.isnan().any(-1).any(-1)).nonzero()[0, 0]
        points = TARGETS.keypoints.clone()
        before = corner_heat(TARGETS)
        for x, y in ((-0.5, 20.0), (20.0, -0.5), (64.0, 20.0), (20.0, 64.0)):
            points[triangle, 1] = torch.tensor([x, y])
            heat = corner_heat(TARGETS._replace(keypoints=points))
            assert (heat == 1).sum() == (before == 1).sum() - 1
            assert torch.equal(heat[:, [0, 2]], before[:, [0, 2]])

    def test_nothing_there_nothing_warm(self):
        assert not class_heat(EMPTY).any() and not corner_heat(EMPTY).any()


class TestLosses:
    @pytest.mark.parametrize("task", TASKS)
    def test_the_truth_costs_less_than_a_guess_and_than_a_lie(self, task):
        truth, guess = perfect_answers(TARGETS)[task], answers_of(TARGETS)[task]
        lie = perfect_answers(scene_targets(labelled_pictures(sample_scenes(range(50, 62)))))[task]
        costs = [task_losses({task: answer}, TARGETS)[task].item() for answer in (truth, guess, lie)]
        assert costs[0] < 0.5 * min(costs[1:])

    def test_the_truth_costs_next_to_nothing(self):
        answers = perfect_answers(TARGETS)
        answers["keypoints"]["logits"] = 12 * (2 * (corner_heat(TARGETS) == 1).float() - 1)
        losses = task_losses(answers, TARGETS)
        losses.pop("depth")  # whose loss has no lowest value
        assert max(losses.values()) < 0.01

    def test_only_what_was_answered_has_a_loss(self):
        answers = answers_of(TARGETS)
        for tasks in (("shape",), ("depth", "keypoints"), TASKS):
            assert set(task_losses({task: answers[task] for task in tasks}, TARGETS)) == set(tasks)

    def test_the_joint_loss_is_the_weighted_sum(self):
        answers = answers_of(TARGETS)
        losses = task_losses(answers, TARGETS)
        joint = joint_loss(answers, TARGETS)
        assert set(WEIGHTS) == set(TASKS) and set(joint) == {"loss", *TASKS}
        total = sum(WEIGHTS[task] * losses[task].item() for task in TASKS)
        assert joint["loss"].item() == pytest.approx(total, rel=1e-5)

    def test_unknown_colours_do_not_count(self):
        answers, half = answers_of(TARGETS), TARGETS.color.clone()
        half[::2] = UNKNOWN
        known = task_losses(answers, TARGETS._replace(color=half))["color"]
        logits = answers["color"]["logits"].flatten(2)[TARGETS.picture, :, TARGETS.cells()][1::2]
        expected = torch.nn.functional.cross_entropy(logits, TARGETS.color[1::2])
        torch.testing.assert_close(known, expected)
        assert task_losses(answers, scene_targets(PICTURES.drop("words")))["color"] == 0

    def test_the_classes_loss_can_be_chosen(self):
        def counted(logits, heat):
            return sigmoid_focal_loss(logits, (heat == 1).float(), reduction="sum")

        answers = {"detection": answers_of(TARGETS)["detection"]}
        usual, other = (
            task_losses(answers, TARGETS, class_loss=loss)["detection"]
            for loss in (heatmap_focal_loss, counted)
        )
        logits, heat = answers["detection"]["classifications"], class_heat(TARGETS)
        torch.testing.assert_close(
            usual - other, heatmap_focal_loss(logits, heat) - counted(logits, heat), rtol=1e-4, atol=1e-4
        )

    def test_pictures_without_objects_are_fine(self):
        torch.manual_seed(0)
        encoder = RegionEncoder(
            RegionEncoderConfig(width=8, channels=8, fine_channels=4, head_channels=8, attention_heads=2)
        )
        losses = joint_loss(encoder(EMPTY.images), EMPTY)
        losses["loss"].backward()
        assert all(loss.isfinite() for loss in losses.values())
        assert losses["shape"] == losses["color"] == 0
        gradients = [parameter.grad for parameter in encoder.parameters() if parameter.grad is not None]
        assert gradients and all(gradient.isfinite().all() for gradient in gradients)
