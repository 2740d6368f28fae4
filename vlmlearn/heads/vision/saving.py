"""A head on disk: what it is in JSON, its weights in safetensors."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from vlmlearn.heads.vision.factory import HEADS, create_vision_head
from vlmlearn.heads.vision.head import VisionHead
from vlmlearn.heads.vision.multi_task import MultiTaskHead

CONFIG, WEIGHTS = "head.json", "head.safetensors"


def save_head(head: VisionHead | MultiTaskHead, folder: str | Path) -> None:
    """Write head.json and head.safetensors; the folder is made if need be, files of these names are replaced."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(_description(head), indent=2) + "\n", encoding="utf-8")
    save_file({name: value.contiguous() for name, value in head.state_dict().items()}, folder / WEIGHTS)


def load_head(folder: str | Path) -> VisionHead | MultiTaskHead:
    """The head that ``save_head`` wrote, on the CPU, in evaluation mode: it gives the same answers.

    Raises:
        FileNotFoundError: one of the files is missing. ValueError: the JSON describes no head, or another than the
            one whose weights lie there.
    """
    folder = Path(folder)
    head = _from_description(json.loads((folder / CONFIG).read_text(encoding="utf-8")), folder / CONFIG)
    if not (folder / WEIGHTS).is_file():
        raise FileNotFoundError(f"there is no {folder / WEIGHTS}: save_head writes it beside {CONFIG}")
    weights, wanted = load_file(folder / WEIGHTS), head.state_dict()
    odd = {n for n in weights.keys() | wanted.keys() if _shape(weights, n) != _shape(wanted, n)}
    if odd:
        name = min(odd)
        raise ValueError(
            f"{folder / WEIGHTS} does not fit {CONFIG}: {len(odd)} tensors differ, first {name!r}, whose shape is "
            f"{_shape(weights, name)} there and {_shape(wanted, name)} in the head: are both files of one head?"
        )
    head.load_state_dict(weights)
    return head.eval()


def _description(head: VisionHead | MultiTaskHead) -> dict[str, Any]:
    same = {"in_channels": list(head.in_channels), "options": dict(head.config)}
    if isinstance(head, VisionHead):
        task = next(task for task, kind in HEADS.items() if type(head) is kind)
        return {"task_type": task.value, **same}
    return same | {"tasks": {name: _description(one) for name, one in head.heads.items()}}  # type: ignore[arg-type]


def _from_description(described: Any, path: Path) -> VisionHead | MultiTaskHead:
    try:
        channels, options = described["in_channels"], dict(described["options"])
        if "tasks" not in described:
            return create_vision_head(described["task_type"], channels, **options)
        tasks = {
            name: {"task_type": task["task_type"], **task["options"]}
            for name, task in described["tasks"].items()
        }
        return MultiTaskHead(tasks, options.pop("hidden_dim"), False, channels, **options)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} describes no head: {type(error).__name__} {error}") from error


def _shape(tensors: dict[str, Any], name: str) -> str:
    return str(tuple(tensors[name].shape)) if name in tensors else "missing"
