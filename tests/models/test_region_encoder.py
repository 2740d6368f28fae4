"""The region encoder: a head for every task on one pyramid, and the regions and tokens that other models read."""

from itertools import combinations

import pytest
import torch
from torch.nn import functional as F

from tests.equality import shaken
from vlmlearn.models import RegionEncoder, RegionEncoderConfig
from vlmlearn.models.region_encoder import TASKS
from vlmlearn.training.scene_tasks import joint_loss, scene_targets
from vlmlearn.world import labelled_pictures, sample_scenes

SIDE, PLACES = 32, 64  # 8 rows and columns of 4 pixels
SMALL = {
    "image_side": SIDE,
    "width": 8,
    "channels": 12,
    "fine_channels": 6,
    "head_channels": 8,
    "attention_heads": 2,
}


def make(**options) -> RegionEncoder:
    torch.manual_seed(0)
    return shaken(RegionEncoder(RegionEncoderConfig(**{**SMALL, **options}))).eval()


@pytest.fixture(scope="module")
def encoder():
    return make()


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)


SHAPES = {
    "shape": {"logits": (2, 6, 8, 8), "probabilities": (2, 6, 8, 8)},
    "color": {"logits": (2, 8, 8, 8), "probabilities": (2, 8, 8, 8)},
    "detection": {"classifications": (2, PLACES, 6), "regressions": (2, PLACES, 4)},
    "instances": {
        "classifications": (2, PLACES, 6),
        "regressions": (2, PLACES, 4),
        "instance_masks": (2, 6, 16, 16),
        "instances": (2, 6),
        "coefficients": (2, PLACES, 12 + 4),
        "prototypes": (2, 12 + 4, 16, 16),
    },
    "segmentation": {"logits": (2, 7, SIDE, SIDE), "masks": (2, 7, SIDE, SIDE)},
    "depth": dict.fromkeys(("depth", "confidence", "log_scale"), (2, 1, SIDE, SIDE)),
    "keypoints": dict.fromkeys(("logits", "heatmaps"), (2, 3, 16, 16)),
}


class TestAnswers:
    def test_shapes_of_all_tasks(self, encoder, images):
        found = {
            task: {name: tuple(value.shape) for name, value in answer.items()}
            for task, answer in encoder(images).items()
        }
        assert found == SHAPES and tuple(found) == TASKS

    def test_heads_can_be_asked_one_by_one(self, encoder, images):
        every = encoder(images)
        subsets = [(task,) for task in TASKS] + [("depth", "shape"), TASKS[::-1], ()]
        for asked in subsets:
            answers = encoder(images, asked)
            assert tuple(answers) == asked
            for task, answer in answers.items():
                for name, value in answer.items():
                    torch.testing.assert_close(value, every[task][name])

    @pytest.mark.parametrize(
        "tasks", [*combinations(TASKS, 1), ("shape", "depth"), ("instances", "keypoints")]
    )
    def test_an_encoder_has_the_heads_that_it_was_made_with(self, tasks, images):
        answers = make(tasks=tasks)(images)
        assert {task: {n: tuple(v.shape) for n, v in a.items()} for task, a in answers.items()} == {
            task: SHAPES[task] for task in tasks
        }

    def test_pixels_and_floats_are_the_same_pictures(self, encoder, images):
        raw, floats = encoder(images), encoder(images / 127.5 - 1)
        for task in TASKS:
            for name in raw[task]:
                torch.testing.assert_close(raw[task][name], floats[task][name])

    def test_asked_twice_it_says_the_same(self, encoder, images):
        one, other = encoder(images), encoder(images.clone())
        assert all(torch.equal(one[task][name], other[task][name]) for task in TASKS for name in one[task])

    def test_depth_is_in_metres(self, encoder, images):
        depth = encoder(images, ["depth"])["depth"]["depth"]
        assert 1.5 <= depth.min() < depth.max() <= 12

    @pytest.mark.parametrize(
        "options",
        [
            *({"attention_type": kind} for kind in ("multi_head", "cbam", "differential")),
            *({"ffn_type": kind} for kind in ("mlp", "glu", "swiglu")),
            *({"normalization_type": f"{kind}_norm"} for kind in ("layer", "rms", "group")),
            {"shapes": 3, "colors": 2},
        ],
    )
    def test_options_of_heads(self, options, images):
        tasks = ("color", "detection", "depth")
        plain, answers = make(tasks=tasks)(images), make(tasks=tasks, **options)(images)
        colors, classes = options.get("colors", 8), options.get("shapes", 6)
        assert answers["color"]["logits"].shape == (2, colors, 8, 8)
        assert answers["detection"]["classifications"].shape == (2, PLACES, classes)
        for task, name in (("color", "logits"), ("detection", "regressions"), ("depth", "depth")):
            one, other = plain[task][name], answers[task][name]
            assert other.isfinite().all() and (one.shape != other.shape or not torch.equal(one, other)), task


class TestRegions:
    @pytest.mark.parametrize("k", [1, 5])
    def test_regions_are_what_the_detector_says(self, encoder, images, k):
        """Place by place: which are peaks, in which order, and what stands there."""
        regions = encoder.regions(images, k)
        with torch.no_grad():
            answer = encoder(images)["detection"]
            middle = encoder.pyramid(images / 127.5 - 1).middle
        sureness = answer["classifications"].sigmoid().amax(-1).view(-1, 8, 8)
        for picture in range(2):
            peaks = []
            for row in range(8):
                for column in range(8):
                    around = sureness[picture, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
                    if sureness[picture, row, column] == around.max():
                        peaks.append((sureness[picture, row, column].item(), row, column))
            assert len(peaks) >= k
            for place, (score, row, column) in enumerate(sorted(peaks, reverse=True)[:k]):
                cell = 8 * row + column
                x, y = 4 * (column + 0.5), 4 * (row + 0.5)
                left, top, right, bottom = (4 * F.softplus(answer["regressions"][picture, cell])).tolist()
                box = torch.tensor([x - left, y - top, x + right, y + bottom]).clamp(0, SIDE)
                assert regions.scores[picture, place].item() == pytest.approx(score)
                assert regions.positions[picture, place].tolist() == [x, y]
                assert regions.shapes[picture, place] == answer["classifications"][picture, cell].argmax()
                torch.testing.assert_close(regions.boxes[picture, place], box)
                torch.testing.assert_close(
                    regions.features[picture, place], middle[picture, :, row, column], rtol=1e-4, atol=1e-5
                )

    def test_places_without_a_peak_score_zero(self, encoder, images):
        regions = encoder.regions(images, PLACES)
        assert (regions.scores[:, -1] == 0).all() and (regions.scores[:, 0] > 0).all()
        assert (regions.scores[:, :-1] >= regions.scores[:, 1:]).all()

    def test_the_grid_is_means_of_places(self, encoder, images):
        with torch.no_grad():
            middle = encoder.pyramid(images / 127.5 - 1).middle
        for rows in (1, 2, 4, 8):
            tokens, wide = encoder.grid(images, rows), 8 // rows
            assert tokens.shape == (2, rows * rows, 12)
            for row in range(rows):
                for column in range(rows):
                    part = middle[..., wide * row : wide * (row + 1), wide * column : wide * (column + 1)]
                    torch.testing.assert_close(
                        tokens[:, rows * row + column], part.mean((2, 3)), rtol=1e-4, atol=1e-5
                    )

    def test_other_models_get_no_gradient(self, encoder, images):
        assert not encoder.grid(images).requires_grad
        assert not any(part.requires_grad for part in encoder.regions(images))

    def test_in_half_precision_features_are_still_full(self, encoder, images):
        with torch.autocast("cpu", torch.bfloat16):
            assert encoder.regions(images).features.dtype == torch.float32
            assert encoder.grid(images).dtype == torch.float32


def test_what_was_saved_says_the_same(encoder, images):
    torch.manual_seed(1)
    other = RegionEncoder(RegionEncoderConfig(**SMALL)).eval()
    assert not torch.equal(other.grid(images), encoder.grid(images))
    other.load_state_dict(encoder.state_dict())
    one, two = encoder(images), other(images)
    assert all(torch.equal(one[task][name], two[task][name]) for task in TASKS for name in one[task])
    assert torch.equal(encoder.regions(images).boxes, other.regions(images).boxes)


def test_every_parameter_takes_part_in_the_joint_loss():
    encoder = make().train()
    targets = scene_targets(labelled_pictures(sample_scenes(4), SIDE))
    joint_loss(encoder(targets.images), targets)["loss"].backward()
    for name, parameter in encoder.named_parameters():
        if not name.endswith("key.bias"):  # adds the same to all scores of a query
            assert parameter.grad is not None, f"{name} is not used"
            assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 1e-9, name


@pytest.mark.bad_input
class TestBadInput:
    @pytest.mark.parametrize(
        "shape", [(2, 3, 64, 64), (2, 1, SIDE, SIDE), (3, SIDE, SIDE), (2, SIDE, SIDE, 3)]
    )
    def test_pictures_of_another_size(self, encoder, shape):
        for ask in (encoder, encoder.regions, encoder.grid):
            with pytest.raises(
                ValueError, match=r"expected \(batch, 3, 32, 32\): resize them, colours first"
            ):
                ask(torch.zeros(shape))

    def test_whole_numbers_that_are_no_pixels(self, encoder, images):
        with pytest.raises(ValueError, match=r"torch\.int64, expected raw uint8 or floats from -1 to 1"):
            encoder(images.long())

    def test_a_task_without_a_head(self, encoder, images):
        with pytest.raises(ValueError, match="no head for 'boxes', only for shape, color"):
            encoder(images, ["depth", "boxes"])
        with pytest.raises(ValueError, match=r"no head for 'depth', only for shape$"):
            make(tasks=("shape",))(images, ["depth"])

    def test_regions_without_a_detector(self, images):
        with pytest.raises(ValueError, match="need a 'detection' head, this encoder has shape, instances"):
            make(tasks=("shape", "instances")).regions(images)

    @pytest.mark.parametrize("k", [0, -1, PLACES + 1])
    def test_too_few_or_too_many_regions(self, encoder, images, k):
        with pytest.raises(ValueError, match=f"k is {k}, expected 1 to 64"):
            encoder.regions(images, k)

    @pytest.mark.parametrize("rows", [0, -2, 3, 16])
    def test_rows_that_do_not_divide_the_map(self, encoder, images, rows):
        with pytest.raises(ValueError, match=f"rows is {rows}, expected a divisor of the map's 8 rows"):
            encoder.grid(images, rows)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"tasks": ()}, r"tasks are \(\), expected one or more of shape, color"),
            ({"tasks": ("shape", "masks")}, "tasks are .*'masks'.*, expected one or more of shape"),
            ({"image_side": 36}, "image_side is 36, expected a multiple of 8"),
            ({"width": 0}, "width is 0"),
            ({"channels": -1}, "channels is -1"),
            ({"attention_heads": 3}, "the tower is 16 wide, heads is 3"),
            ({"attention_type": "self"}, "attention_type is 'self'"),
            ({"ffn_type": "linear"}, "ffn_type is 'linear'"),
            ({"normalization_type": "layer"}, "normalization_type is 'layer'"),
        ],
    )
    def test_options_that_do_not_exist(self, options, message):
        with pytest.raises(ValueError, match=message):
            make(**options)
