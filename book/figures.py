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
HEAD_LOSS = {
    "zh": "| {batch} 对，宽 {dim} | 用时（秒） | 额外内存（MB） |",
    "en": "| {batch} pairs, width {dim} | Seconds | Extra memory, MB |",
}
OURS = {"zh": "`clip_loss`，分块", "en": "`clip_loss` in chunks"}
RATIO = {"zh": "之比", "en": "Ratio"}
LIMIT = {"zh": "，目标 ≤ {limit:g}：{verdict}", "en": ", target ≤ {limit:g}: {verdict}"}
VERDICTS = {
    "zh": {"met": "达到", "tie": "持平", "missed": "未达到"},
    "en": {"met": "met", "tie": "a tie", "missed": "missed"},
}
NOTE_LOSS = {
    "zh": "前向加反向，float32；七次交替测量的中位数（最小–最大）；{machine}，"
    "结束时系统负载 {load}。复现：`{command}`。",
    "en": "Forward and backward in float32; median of seven interleaved runs (lowest–highest); {machine}, "
    "system load at the end {load}. To repeat: `{command}`.",
}
LARGE = {
    "zh": "一批 {batch} 对，一步额外占用 {megabytes} MB，用时 {seconds} 秒。",
    "en": "A batch of {batch} pairs takes {megabytes} MB of extra memory and {seconds} s a step.",
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


def clip_loss_benchmark(language: str, results: Path = RESULTS) -> str:
    """How long the contrastive loss takes and how much memory, beside open_clip's, as the benchmarks measured it."""
    path, command = results / "benchmarks.json", "pytest tests/benchmarks"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if "clip_loss against open_clip" not in record:
        return ABSENT[language].format(command=command)
    pair = record["clip_loss against open_clip"]
    memory_verdict = "met" if pair["memory_ratio"] <= pair["memory_ratio_limit"] else "missed"
    lines = [
        HEAD_LOSS[language].format(batch=f"{pair['sizes']['batch']:,}", dim=pair["sizes"]["dim"]),
        "|---|---|---|",
        f"| {OURS[language]} | {_median(pair['our_seconds'])} | {pair['our_extra_megabytes']:.0f} |",
        f"| open_clip | {_median(pair['their_seconds'])} | {pair['their_extra_megabytes']:.0f} |",
        f"| {RATIO[language]} "
        f"| {_median(pair['time_ratio'])}{_limit(language, pair['time_ratio_limit'], pair['time_verdict'])} "
        f"| {pair['memory_ratio']:.2g}{_limit(language, pair['memory_ratio_limit'], memory_verdict)} |",
        "",
        NOTE_LOSS[language].format(
            machine=_machine(pair["machine"], language),
            load=pair["machine"]["load_when_done"],
            command=command,
        ),
    ]
    if large := record.get("clip_loss at a large batch"):
        batch = f"{large['sizes']['batch']:,}"
        lines[-1] += {"zh": "", "en": " "}[language] + LARGE[language].format(
            batch=batch, megabytes=f"{large['extra_megabytes']:.0f}", seconds=large["seconds"]
        )
    return "\n".join(lines)


def _spread(values: list[float] | None, digits: int = 1) -> str:
    """The mean over seeds with the lowest and the highest, or a dash where nothing was measured."""
    if not values:
        return "–"
    mean, low, high = (f"{v:.{digits}f}" for v in (sum(values) / len(values), min(values), max(values)))
    return f"{mean} ({low}–{high})"


def _median(figures: dict[str, float]) -> str:
    return f"{figures['median']:.2f} ({figures['lowest']:.2f}–{figures['highest']:.2f})"


def _limit(language: str, limit: float, verdict: str) -> str:
    return LIMIT[language].format(limit=limit, verdict=VERDICTS[language][verdict])


def _machine(machine: dict[str, Any], language: str) -> str:
    threads = {"zh": "{} 线程", "en": "{} threads"}[language].format(machine["threads"])
    torch = f"torch {machine['torch'].split('+')[0]}"
    return {"zh": "，", "en": ", "}[language].join([machine["cpu"], threads, torch])
