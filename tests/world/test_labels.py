"""Labels agree with the pixels they describe."""

import numpy as np
import pytest

from vlmlearn.world import SHAPES, depth_maps, keypoints, render, sample_scenes, semantic_masks
from vlmlearn.world.labels import COSINE, NEAR, SINE
from vlmlearn.world.scenes import TURNS, Scenes

TRIANGLE = SHAPES.index("triangle")


@pytest.fixture(scope="module", params=["train", "compositional"])
def world(request):
    scenes = sample_scenes(500, split=request.param)
    return scenes, render(scenes)


def test_the_turns_are_unit_vectors_a_256th_apart():
    assert len(COSINE) == len(SINE) == TURNS
    np.testing.assert_allclose(COSINE + 1j * SINE, np.exp(2j * np.pi * np.arange(TURNS) / TURNS), atol=1e-6)


def test_semantic_masks_name_the_shape_of_each_instance(world):
    scenes, pictures = world
    classes = semantic_masks(scenes, pictures.instances)
    assert classes.dtype == np.uint8
    for k in range(len(scenes)):
        assert (classes[k][pictures.instances[k] == 0] == 0).all()
        for slot in range(scenes.count[k]):
            assert (classes[k][pictures.instances[k] == slot + 1] == scenes.shape[k, slot] + 1).all()


def test_depth_of_the_ground_rises_from_near_to_far(world):
    """The ground is a plane: upwards its depth grows, and its inverse is a straight line in the row."""
    scenes, pictures = world
    empty = depth_maps(scenes, np.zeros_like(pictures.instances))
    assert empty.dtype == np.float32
    assert (np.diff(empty[:, :, 0], axis=1) < 0).all() and (empty == empty[:, :, :1]).all()
    assert (empty > NEAR).all() and (empty < scenes.far[:, None, None]).all()
    np.testing.assert_allclose(np.diff(1 / empty[:, :, 0].astype(float), n=2, axis=1), 0, atol=1e-6)
    lower, upper = 1 / NEAR - 1 / empty[:, -1, 0], 1 / empty[:, 0, 0] - 1 / scenes.far
    np.testing.assert_allclose(lower, upper, atol=1e-6)  # half a row from either edge
    here = pictures.instances == 0
    np.testing.assert_array_equal(depth_maps(scenes, pictures.instances)[here], empty[here])


def test_depth_is_one_number_on_an_object_that_of_the_ground_below_it(world):
    scenes, pictures = world
    depth = depth_maps(scenes, pictures.instances)
    assert (depth >= NEAR - 1e-6).all() and (depth <= scenes.far[:, None, None]).all()
    for k in range(len(scenes)):
        for slot in range(scenes.count[k]):
            mask = pictures.instances[k] == slot + 1
            (value,) = np.unique(depth[k][mask])
            base = min(float(scenes.y[k, slot] + 0.85 * scenes.radius[k, slot]), 1.0)
            assert 1 / value == pytest.approx(base / NEAR + (1 - base) / scenes.far[k], abs=1e-5)


def test_keypoints_are_the_corners_of_triangles_and_nan_elsewhere(world):
    scenes, _ = world
    points = keypoints(scenes)
    triangle = (scenes.shape == TRIANGLE) & scenes.present
    assert points.shape == (len(scenes), 4, 3, 2) and points.dtype == np.float32 and triangle.sum() > 100
    assert np.isnan(points[~triangle]).all() and not np.isnan(points[triangle]).any()
    apex, right, left = points[triangle].transpose(1, 0, 2)
    radius = scenes.radius[triangle] * 64
    np.testing.assert_allclose(np.linalg.norm(right - left, axis=1), 1.6 * radius, rtol=1e-4)
    for corner in (right, left):
        np.testing.assert_allclose(
            np.linalg.norm(apex - corner, axis=1), np.hypot(0.8, 2) * radius, rtol=1e-4
        )
    # Apex, right, left runs clockwise on the screen, whatever the turn.
    (ax, ay), (bx, by) = (right - apex).T, (left - apex).T
    assert (ax * by - ay * bx > 0).all()


def test_keypoints_lie_on_the_triangles_pixels():
    """One triangle at a time, so that nothing hides it: corners at its mask's rim, the middle inside."""
    scenes = sample_scenes(2000, objects=(1, 1))
    scenes = scenes[scenes.shape[:, 0] == TRIANGLE]
    side = 96
    points, instances = keypoints(scenes, side)[:, 0], render(scenes, side).instances
    for corners, mask in zip(points, instances, strict=True):
        rows, columns = np.nonzero(mask)
        pixels = np.stack([columns, rows], 1) + 0.5
        for corner in corners[((corners > 1) & (corners < side - 1)).all(1)]:
            assert np.linalg.norm(pixels - corner, axis=1).min() < 2.5
        outside = 1 - (pixels @ np.eye(2) - corners.min(0)).min(), (pixels - corners.max(0)).max()
        assert max(outside) < 2.5  # no pixel beyond the corners' own box
        middle = np.clip(corners.mean(0), 0, side - 1).astype(int)
        assert mask[middle[1], middle[0]] == 1


def test_keypoints_scale_with_the_picture():
    scenes = sample_scenes(50)
    np.testing.assert_allclose(keypoints(scenes, 128), 2 * keypoints(scenes), rtol=1e-6)


@pytest.mark.parametrize("labels", [semantic_masks, depth_maps])
def test_one_picture_for_each_scene(labels):
    scenes = sample_scenes(3)
    instances = render(scenes).instances
    for wrong in (scenes[:1], scenes[:2]):
        with pytest.raises(ValueError, match=rf"\(3, 64, 64\), expected \({len(wrong)}, side, side\)"):
            labels(wrong, instances)


@pytest.mark.bad_input
@pytest.mark.parametrize("labels", [semantic_masks, depth_maps])
def test_a_single_picture_needs_its_batch(labels):
    scenes: Scenes = sample_scenes(1)
    with pytest.raises(ValueError, match=r"expected \(1, side, side\)"):
        labels(scenes, render(scenes).instances[0])


def test_what_hides_another_object_is_nearer():
    scenes = sample_scenes(3000, split="test")
    pictures = render(scenes)
    depth = depth_maps(scenes, pictures.instances)
    for k in range(len(scenes)):
        on_screen = [depth[k][pictures.instances[k] == slot + 1] for slot in range(scenes.count[k])]
        distances = [float(pixels[0]) for pixels in on_screen if pixels.size]
        assert distances == sorted(distances, reverse=True)
