"""The figures that the front pages quote, written from ``vlmlearn/results``: never typed by hand."""

import json
from pathlib import Path
from typing import Any

from book.project import HERE

RESULTS = HERE / "vlmlearn" / "results"
MODELS_01 = {
    "clip": {"zh": "CLIP", "en": "CLIP"},
    "bag_of_words": {"zh": "CLIP，文本塔只看词袋", "en": "CLIP, its text tower a bag of words"},
    "color_histogram": {"zh": "颜色直方图基线", "en": "Colour-histogram baseline"},
}
HEAD_01 = {
    "zh": "| 模型 | R@1，新场景 | R@1，没见过的形状–颜色组合 | 训练用时（秒） |",
    "en": "| Model | R@1, new scenes | R@1, never-seen shape–colour pairs | Training, seconds |",
}
NOTE_01 = {
    "zh": "从 {gallery} 个句子里为一张图找出它的那一句，随机猜中的机会是 {chance}%。"
    "{steps} 步训练，批量大小 {batch}；{seeds} 个随机种子的均值（最小–最大）；"
    "{machine}，{date}。复现：`{command}`。",
    "en": "Finding a picture's own sentence among {gallery}; chance is {chance}%. "
    "{steps} training steps of {batch} pairs; mean of {seeds} seeds (lowest–highest); "
    "{machine}, {date}. To repeat: `{command}`.",
}
ABSENT = {"zh": "尚未记录：`{command}`。", "en": "Not recorded yet: `{command}`."}


def chapter_01(language: str, results: Path = RESULTS) -> str:
    """What chapter 01 trains and how well it does, as a Markdown table with a note on how it was measured."""
    path = results / "01.json"
    if not path.exists():
        return ABSENT[language].format(command="python -m vlmlearn.training.recipes 01")
    record = json.loads(path.read_text(encoding="utf-8"))
    settings = record["settings"]
    rows = [
        f"| {name[language]} | {_spread(record[key].get('test_i2t'))} "
        f"| {_spread(record[key].get('compositional_i2t'))} | {_spread(record[key]['seconds'], digits=0)} |"
        for key, name in MODELS_01.items()
    ]
    note = NOTE_01[language].format(
        gallery=settings["gallery"],
        chance=f"{100 / settings['gallery']:g}",
        steps=settings["steps"],
        batch=settings["batch"],
        seeds=len(settings["seeds"]),
        machine=_machine(record["machine"], language),
        date=record["date"],
        command=record["command"],
    )
    return "\n".join([HEAD_01[language], "|---|---|---|---|", *rows, "", note])


def _spread(values: list[float] | None, digits: int = 1) -> str:
    """The mean over seeds with the lowest and the highest, or a dash where nothing was measured."""
    if not values:
        return "–"
    mean, low, high = (f"{v:.{digits}f}" for v in (sum(values) / len(values), min(values), max(values)))
    return f"{mean} ({low}–{high})"


def _machine(machine: dict[str, Any], language: str) -> str:
    threads = {"zh": "{} 线程", "en": "{} threads"}[language].format(machine["threads"])
    return f"{machine['cpu']}, {threads}, torch {machine['torch']}"
