"""A line break between two Chinese characters leaves no space, and nothing else changes."""

import pytest

from book.chinese import join_lines


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("中文\n换行", "中文换行"),
        ("逗号，\n“引号”\n（括号）", "逗号，“引号”（括号）"),
        ("一\n二\n三", "一二三"),
        ("- 列表\n  续行", "- 列表续行"),
        ("> 引用\n> 续行", "> 引用续行"),
        ("**重点**\n继续**重点**\n**再来**", "**重点**继续**重点****再来**"),
    ],
)
def test_joined(text, joined):
    assert join_lines(text) == joined


@pytest.mark.parametrize(
    "text",
    [
        "使用\nCLIP\n完成",
        "# 标题\n正文",
        "段落\n\n段落",
        "硬换行  \n下一行",
        "硬换行\\\n下一行",
        "- 一\n- 二",
        "段落\n> 引用",
        "| 列 |\n| 值 |",
        "**完。**\n继续",
        "```python\n# 注释\n注释\n```",
        "~~~\n甲\n```\n乙\n丙\n~~~",
        "> ```\n> 甲\n> 乙\n> ```",
        "$$\n\\text{甲\n乙}\n$$",
        "<details>\n<summary>答案</summary>\n\n正文\n\n</details>",
    ],
)
def test_left_alone(text):
    assert join_lines(text) == text


def test_prose_goes_on_after_a_block():
    text = "甲\n乙\n\n```\n丙\n丁\n```\n\n$$ x $$\n戊\n己\n$$\n庚\n辛\n$$\n壬\n癸"
    assert join_lines(text) == "甲乙\n\n```\n丙\n丁\n```\n\n$$ x $$\n戊己\n$$\n庚\n辛\n$$\n壬癸"
