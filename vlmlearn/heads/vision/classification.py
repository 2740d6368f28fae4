"""Classification: what is in the picture, or at every place of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.heads.vision.features import Features, Grid, at_least_float32
from vlmlearn.heads.vision.head import VisionHead, class_probabilities
from vlmlearn.heads.vision.options import HeadConfig, check_name
from vlmlearn.layers.checks import check_counts

POOLS = {"avg": "mean", "max": "max"}


@dataclass(frozen=True, kw_only=True)
class ClassificationConfig(HeadConfig):
    """Options of ``ClassificationHead``, besides those of ``HeadConfig``.

    Args:
        num_classes: 1 or more; a single class is a yes or no.
        use_global_pooling: whether the places become one vector; if not, each place gets classes of its own.
        pooling_type: how they do: "avg" or "max".
    """

    num_classes: int = 1000
    use_global_pooling: bool = True
    pooling_type: str = "avg"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "num_classes")
        check_name(self, "pooling_type", POOLS)


class ClassificationHead(VisionHead):
    """Pools the trunk's map to one vector and classifies it.

    Args:
        in_channels, options: see ``VisionHead`` and ``ClassificationConfig``.
    """

    config_class = ClassificationConfig
    config: ClassificationConfig

    def __init__(self, in_channels: int | Sequence[int], **options: Any):
        super().__init__(in_channels, **options)
        self.classify = nn.Linear(self.config.hidden_dim, self.config.num_classes)

    def forward(
        self, features: Features, *, grid: Grid | None = None
    ) -> dict[str, Float[Tensor, "batch num_classes ..."]]:
        """Features as in ``to_maps``.

        Returns:
            ``logits`` (batch, num_classes), for ``cross_entropy_loss``, and ``probabilities``, their softmax (of a
            single class their sigmoid). Without pooling both are (batch, num_classes, h, w).
        """
        x = self.trunk(self.maps(features, grid))
        if self.config.use_global_pooling:
            x = reduce(x, "batch channel h w -> batch channel", POOLS[self.config.pooling_type])
        logits = at_least_float32(self.classify(x.movedim(1, -1)).movedim(-1, 1))
        return {"logits": logits, "probabilities": class_probabilities(logits)}
