"""The placement quiz of chapter 00: ten answers in, out come the on-ramp chapters that can be skipped."""

from html import escape

from vlmlearn.messages import Message

# The right option of each question, chapter by chapter, in the order in which the questions are asked.
RIGHT = {"00a": "bcad", "00b": "adbc", "00c": "bd"}
COMING = ("00c",)  # chapters that are not out yet
OPTIONS, UNKNOWN = "abcd", "-"


def placement(answers: str) -> Message:
    """Which of the on-ramp chapters to skip: those whose questions are all answered rightly.

    Args:
        answers: one letter a question, such as ``"bc-daabbcd"``; ``-`` stands for "I do not know". Spaces and
            capitals do not matter.

    Returns:
        A line a chapter, with the numbers of the questions to look at again.

    Raises:
        ValueError: not as many answers as questions, or another letter.
    """
    given = "".join(answers.split()).lower()
    count = sum(map(len, RIGHT.values()))
    if len(given) != count or not set(given) <= {*OPTIONS, UNKNOWN}:
        raise ValueError(
            f"answers is {answers!r}, expected {count} letters, one a question, each a, b, c or d, or - where "
            f"you do not know: such as {OPTIONS[0] + UNKNOWN * (count - 1)!r}"
        )
    zh, en, first = [], [], 0
    for chapter, right in RIGHT.items():
        part = given[first : first + len(right)]
        wrong = [str(first + k + 1) for k, (a, b) in enumerate(zip(part, right, strict=True)) if a != b]
        score = f"{len(right) - len(wrong)}/{len(right)}"
        advice_zh, advice_en = ("可以跳过", "skip it") if not wrong else ("值得一读", "worth reading")
        if chapter in COMING:
            advice_zh, advice_en = f"{advice_zh}（即将推出）", f"{advice_en} (coming)"
        again_zh = f"；留意第 {'、'.join(wrong)} 题" if wrong else ""
        again_en = f"; look out for question{'s' * (len(wrong) > 1)} {', '.join(wrong)}" if wrong else ""
        zh.append(f"{chapter}　{score}　{advice_zh}{again_zh}。")
        en.append(f"{chapter}  {score}  {advice_en}{again_en}.")
        first += len(right)
    return Message("\n".join(zh), "\n".join(en), *("<br>".join(map(escape, lines)) for lines in (zh, en)))
