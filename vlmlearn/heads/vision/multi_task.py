"""Several tasks on one encoder: what they share is computed once."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Shaped
from torch import Tensor, nn

from vlmlearn.heads.vision.dense import DenseHead
from vlmlearn.heads.vision.factory import create_vision_head, task_named
from vlmlearn.heads.vision.features import Features, Grid, scale_widths, to_maps
from vlmlearn.heads.vision.options import HeadConfig, make_config
from vlmlearn.heads.vision.trunk import Trunk


class MultiTaskHead(nn.Module):
    """A shared trunk, and a head a task on its map; made by ``create_multi_task_head``.

    Attributes:
        heads: by the task's name.
    """

    def __init__(
        self,
        task_configs: Mapping[str, Mapping[str, Any]],
        shared_backbone_dim: int,
        use_task_specific_attention: bool,
        in_channels: int | Sequence[int],
        **shared: Any,
    ):
        super().__init__()
        _check_tasks(task_configs)
        if "hidden_dim" in shared:
            raise ValueError("hidden_dim of the shared trunk is shared_backbone_dim: leave hidden_dim out")
        self.config = make_config(HeadConfig, {**shared, "hidden_dim": shared_backbone_dim})
        self.in_channels = scale_widths(in_channels)
        self.trunk = Trunk(self.in_channels, self.config)
        self.heads = nn.ModuleDict()
        for name, config in task_configs.items():
            options = {"use_attention": use_task_specific_attention, **config}
            self.heads[name] = create_vision_head(options.pop("task_type"), shared_backbone_dim, **options)

    def forward(
        self, features: Features, *, grid: Grid | None = None, output_size: Grid | None = None
    ) -> dict[str, dict[str, Shaped[Tensor, "batch ..."]]]:
        """Features as in ``to_maps``; the answer of every task by its name.

        Args:
            output_size: rows and columns of the answers of heads that answer for every pixel.
        """
        x = self.trunk(to_maps(features, self.in_channels, grid))
        answers = {}
        for name, head in self.heads.items():
            answers[name] = head(x, output_size=output_size) if isinstance(head, DenseHead) else head(x)
        return answers


def create_multi_task_head(
    task_configs: Mapping[str, Mapping[str, Any]],
    shared_backbone_dim: int,
    use_task_specific_attention: bool = True,
    *,
    in_channels: int | Sequence[int] | None = None,
    **shared: Any,
) -> MultiTaskHead:
    """One head for several tasks.

        create_multi_task_head(
            {
                "boxes": {"task_type": TaskType.DETECTION, "num_classes": 6},
                "depth": {"task_type": TaskType.DEPTH_ESTIMATION, "max_depth": 9.0},
            },
            shared_backbone_dim=64,
        )

    Args:
        task_configs: for each task, under a name of your choice, its ``task_type`` and the options of its head.
        shared_backbone_dim: channels of the shared trunk's map, which every head reads.
        use_task_specific_attention: whether each head looks over the map in its own way before it answers: attention of
            its ``attention_type``; a task's own ``use_attention`` goes before.
        in_channels: the encoder's channels, or those of its scales; ``shared_backbone_dim`` if not given.
        shared: options of the trunk (the fields of ``HeadConfig``), such as ``use_ffn=True``.

    Raises:
        ValueError: no task, a name with a dot, a task without a type, an unknown option or one out of its range.
    """
    channels = shared_backbone_dim if in_channels is None else in_channels
    return MultiTaskHead(task_configs, shared_backbone_dim, use_task_specific_attention, channels, **shared)


def _check_tasks(task_configs: Mapping[str, Mapping[str, Any]]) -> None:
    if not task_configs:
        raise ValueError("there are no tasks, expected one or more: {'depth': {'task_type': ...}}")
    for name, config in task_configs.items():
        if "task_type" not in config:
            raise ValueError(f"task {name!r} has no task_type; it has {', '.join(config) or 'nothing'}")
        if not name or "." in name:
            raise ValueError(
                f"a task is called {name!r}, expected a name without dots: it names parameters too"
            )
        task_named(config["task_type"])
