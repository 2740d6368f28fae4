"""A small encoder that says what is in a picture and where: a feature pyramid, and heads for six tasks on it.

What VisualBERT, ViLBERT and UNITER read of a picture was such an encoder's answer, cached: a few regions, each with a
vector, a box and a score (Anderson et al. 2018, "Bottom-up and top-down attention").
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.heads.vision.decoding import cell_centres, top_peaks
from vlmlearn.heads.vision.factory import TaskType, create_vision_head
from vlmlearn.heads.vision.reading import boxes_at, rows_at
from vlmlearn.layers.checks import check_counts, check_heads, check_side
from vlmlearn.layers.feature_pyramid import COARSE_STRIDE, FINE_STRIDE, STRIDE, FeaturePyramid

TASKS = ("shape", "color", "detection", "instances", "segmentation", "depth", "keypoints")
OF_PLACES = ("shape", "color", "detection", "instances")  # the others answer for pixels
CORNERS = 3  # keypoints of a triangle

Answers = dict[str, dict[str, Shaped[Tensor, "..."]]]


@dataclass(frozen=True)
class RegionEncoderConfig:
    """The defaults are trained in two minutes on two cores.

    Args:
        tasks: names from ``TASKS``; "shape" and "color" are classification at every place.
        shapes, colors: number of classes.
        image_side: height and width of the pictures in pixels; a multiple of 8.
        width: channels after the first patches; twice as many on the coarsest map.
        channels: of a region's vector.
        fine_channels: of the finest map.
        head_channels: ``hidden_dim`` of the heads that answer for pixels, and of "instances".
        attention_heads: of the block in which the coarsest places look at each other.
        attention_type, ffn_type: of the heads, see ``HeadConfig``; None for neither.
        normalization_type: of the heads.

    Raises:
        ValueError: no task or an unknown one, a number below 1, a side that is no multiple of 8, attention heads that
            do not divide the width; an unknown option (when the encoder is made).
    """

    tasks: tuple[str, ...] = TASKS
    shapes: int = 6
    colors: int = 8
    image_side: int = 64
    width: int = 32
    channels: int = 48
    fine_channels: int = 24
    head_channels: int = 16
    attention_heads: int = 4
    attention_type: str | None = None
    ffn_type: str | None = None
    normalization_type: str = "batch_norm"

    def __post_init__(self) -> None:
        check_counts(
            self, "shapes colors image_side width channels fine_channels head_channels attention_heads"
        )
        check_side(self, self.image_side, COARSE_STRIDE)
        check_heads(self, 2 * self.width, self.attention_heads)
        if not self.tasks or set(self.tasks) - set(TASKS):
            raise ValueError(f"tasks are {self.tasks}, expected one or more of {', '.join(TASKS)}")


class Regions(NamedTuple):
    """The k surest regions of each picture, the surest first.

    Attributes:
        features: the pyramid's vector at the region's place.
        positions: x, y of that place in pixels.
        boxes: x0, y0, x1, y1 in pixels.
        scores: how sure the detector is, 0 to 1; 0, for a place without meaning, where a picture has fewer than
            k peaks.
        shapes: the detector's class.
    """

    features: Float[Tensor, "batch k channels"]
    positions: Float[Tensor, "batch k 2"]
    boxes: Float[Tensor, "batch k 4"]
    scores: Float[Tensor, "batch k"]
    shapes: Int64[Tensor, "batch k"]


class RegionEncoder(nn.Module):
    """A feature pyramid and a head for each task.

    Args:
        config: see ``RegionEncoderConfig``.
    """

    def __init__(self, config: RegionEncoderConfig | None = None):
        super().__init__()
        self.config = config = RegionEncoderConfig() if config is None else config
        self.pyramid = FeaturePyramid(
            config.image_side, config.width, config.channels, config.fine_channels, config.attention_heads
        )
        self.heads = nn.ModuleDict({task: _head(task, config) for task in config.tasks})
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self, images: Shaped[Tensor, "batch 3 side side"], tasks: Iterable[str] | None = None
    ) -> Answers:
        """Raw pixels (uint8), or floats from -1 to 1, to what each head says, by task.

        Args:
            images: pictures of ``image_side`` pixels.
            tasks: which heads to ask; all by default.

        Raises:
            ValueError: pictures of another size or type, a task that this encoder has no head for.
        """
        asked = tuple(self.heads) if tasks is None else tuple(tasks)
        if unknown := [task for task in asked if task not in self.heads]:
            raise ValueError(f"no head for {unknown[0]!r}, only for {', '.join(self.heads)}")
        pyramid = self.pyramid(self._standardised(images))
        whole = {"output_size": (self.config.image_side, self.config.image_side)}
        answers = {}
        for task in asked:
            features = pyramid.middle if task in OF_PLACES else [pyramid.fine, pyramid.middle]
            answers[task] = self.heads[task](features, **(whole if task == "depth" else {}))
        return answers

    @torch.no_grad()
    def regions(self, images: Shaped[Tensor, "batch 3 side side"], k: int = 6) -> Regions:
        """The k surest regions, without a gradient: for models that read them from a frozen encoder.

        Raises:
            ValueError: what ``forward`` raises; no detector; k below 1 or above the number of places.
        """
        if "detection" not in self.heads:
            raise ValueError(f"regions need a 'detection' head, this encoder has {', '.join(self.heads)}")
        pyramid = self.pyramid(self._standardised(images))
        answer = self.heads["detection"](pyramid.middle)
        sureness, shapes = answer["classifications"].sigmoid().max(-1)
        side = pyramid.middle.shape[-1]
        peaks = top_peaks(rearrange(sureness, "batch (h w) -> batch 1 h w", h=side), k)
        vectors = rearrange(pyramid.middle, "batch channel h w -> batch (h w) channel")
        return Regions(
            features=rows_at(vectors, peaks.cells).float(),
            positions=cell_centres(side, side, STRIDE, images.device)[peaks.cells],
            boxes=boxes_at(answer["regressions"], peaks.cells, STRIDE).clamp(0, self.config.image_side),
            scores=peaks.scores,
            shapes=shapes.gather(1, peaks.cells),
        )

    @torch.no_grad()
    def grid(
        self, images: Shaped[Tensor, "batch 3 side side"], rows: int = 8
    ) -> Float[Tensor, "batch tokens channels"]:
        """rows × rows tokens of the whole picture, row by row, without a gradient: means of the pyramid's places.

        Raises:
            ValueError: what ``forward`` raises; ``rows`` does not divide the map's rows.
        """
        middle = self.pyramid(self._standardised(images)).middle
        if rows < 1 or middle.shape[-1] % rows:
            raise ValueError(
                f"rows is {rows}, expected a divisor of the map's {middle.shape[-1]} rows, such as 8"
            )
        pooled = F.avg_pool2d(middle.float(), middle.shape[-1] // rows)
        return rearrange(pooled, "batch channel h w -> batch (h w) channel")

    def _standardised(self, images: Tensor) -> Tensor:
        side = self.config.image_side
        if images.ndim != 4 or images.shape[1:] != (3, side, side):
            raise ValueError(
                f"images have shape {tuple(images.shape)}, expected (batch, 3, {side}, {side}): resize them, "
                "colours first"
            )
        if images.dtype == torch.uint8:
            images = images.to(self.pyramid.positions.dtype) / 127.5 - 1
        elif not images.is_floating_point():
            raise ValueError(f"images are {images.dtype}, expected raw uint8 or floats from -1 to 1")
        return images.contiguous(memory_format=torch.channels_last)


def _head(task: str, config: RegionEncoderConfig) -> nn.Module:
    middle, both = config.channels, (config.fine_channels, config.channels)
    places = {"use_global_pooling": False, "hidden_dim": middle}
    objects = {"num_classes": config.shapes, "num_anchors": 1}
    masks = {"num_instances": 6, "mask_size": (config.image_side // FINE_STRIDE,) * 2, "num_prototypes": 12}
    pixels = {
        "num_classes": config.shapes + 1,
        "upsampling_factor": FINE_STRIDE,
        "use_skip_connections": True,
    }
    meters = {"upsampling_factor": 1, "min_depth": 1.5, "max_depth": 12.0}
    kinds: dict[str, tuple[TaskType, int | tuple[int, int], dict[str, Any]]] = {
        "shape": (TaskType.CLASSIFICATION, middle, {"num_classes": config.shapes, **places}),
        "color": (TaskType.CLASSIFICATION, middle, {"num_classes": config.colors, **places}),
        "detection": (TaskType.DETECTION, middle, {"hidden_dim": middle, **objects}),
        "instances": (TaskType.INSTANCE_SEGMENTATION, middle, objects | masks),
        "segmentation": (TaskType.SEGMENTATION, both, pixels),
        "depth": (TaskType.DEPTH_ESTIMATION, both, meters),
        "keypoints": (TaskType.KEYPOINT_DETECTION, both, {"upsampling_factor": 1, "num_classes": CORNERS}),
    }
    kind, channels, options = kinds[task]
    shared = {
        "hidden_dim": config.head_channels,
        "activation_type": "relu",
        "normalization_type": config.normalization_type,
        "use_attention": config.attention_type is not None,
        "attention_type": config.attention_type or "multi_head",
        "num_heads": config.attention_heads,
        "use_ffn": config.ffn_type is not None,
        "ffn_type": config.ffn_type or "mlp",
        "ffn_expansion_factor": 2,
    }
    return create_vision_head(kind, channels, **(shared | options))
