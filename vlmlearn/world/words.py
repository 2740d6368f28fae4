"""The words of the world in English and Chinese.

Everything is thought in English words and translated word by word; only the sentence patterns, which stand
where they are used (captions, questions, referring expressions), differ between the languages. So the two
always say the same.
"""

from vlmlearn.world.shapes import COLORS, SHAPES, SIZES

LANGUAGES = ("en", "zh")
RELATIONS = ("left of", "right of", "above", "below")
POSITIONS = (
    *("top left", "top", "top right"),
    *("left", "center", "right"),
    *("bottom left", "bottom", "bottom right"),
)
EXTREMES = ("leftmost", "rightmost", "topmost", "lowest")
PLURALS = ("circles", "squares", "triangles", "stars", "crosses", "rings")
COUNTS = ("0", "1", "2", "3", "4")
YES, NO = "yes", "no"

# Numbered as in Scenes.pair: shape * 8 + color.
PAIRS = tuple(f"{color} {shape}" for shape in SHAPES for color in COLORS)

_ZH_SHAPES = ("圆形", "方形", "三角形", "星形", "十字形", "圆环")
_ZH_COLORS = ("红色", "橙色", "黄色", "绿色", "青色", "蓝色", "紫色", "白色")
_ZH_SIZES = ("小", "大")
_ZH_RELATIONS = ("左边", "右边", "上面", "下面")
_ZH_POSITIONS = ("左上角", "上方", "右上角", "左侧", "中央", "右侧", "左下角", "下方", "右下角")

CHINESE = {
    **dict(zip(SHAPES, _ZH_SHAPES, strict=True)),
    **dict(zip(PLURALS, _ZH_SHAPES, strict=True)),  # Chinese nouns have no plural
    **dict(zip(COLORS, _ZH_COLORS, strict=True)),
    **dict(zip(SIZES, _ZH_SIZES, strict=True)),
    **dict(zip(RELATIONS, _ZH_RELATIONS, strict=True)),
    **dict(zip(EXTREMES, (f"最{side}" for side in _ZH_RELATIONS), strict=True)),
    **dict(zip(POSITIONS, _ZH_POSITIONS, strict=True)),
    **dict(zip(PAIRS, (color + shape for shape in _ZH_SHAPES for color in _ZH_COLORS), strict=True)),
    **{number: number for number in COUNTS},
    YES: "是",
    NO: "否",
}

# What one object is called in a caption, numbered (size * 6 + shape) * 8 + color.
OBJECTS = {
    "en": tuple(f"a {size} {color} {shape}" for size in SIZES for shape in SHAPES for color in COLORS),
    "zh": tuple(
        f"一个{color}{size}{kind}" for size in _ZH_SIZES for kind in _ZH_SHAPES for color in _ZH_COLORS
    ),
}

# Every word that can be said, in the order of the vocabulary. A test holds this list to what is really said.
ENGLISH_WORDS = (
    *("a", "an", "the", "at", "and", "of", ",", "?"),
    *("left", "right", "above", "below", "top", "bottom", "center"),
    *(
        "what",
        "color",
        "shape",
        "size",
        "is",
        "are",
        "there",
        "how",
        "many",
        "object",
        "objects",
        "larger",
        "than",
    ),
    *(*EXTREMES, YES, NO, *COUNTS, *SIZES, *COLORS, *SHAPES, *PLURALS),
)
CHINESE_WORDS = (
    *("一个", "在", "的", "还有", "和", "，", "？"),
    *("图中", "有", "几个", "物体", "是", "否", "是否", "还是", "什么", "颜色", "形状", "比", "最"),
    *(*_ZH_SIZES, *_ZH_COLORS, *_ZH_SHAPES, *_ZH_RELATIONS, *_ZH_POSITIONS),
)


def check_language(language: str) -> None:
    """Raises ValueError unless the language is one the world speaks."""
    if language not in LANGUAGES:
        raise ValueError(f'language is {language!r}, expected "en" (English) or "zh" (Chinese)')


def translate(words: str, language: str) -> str:
    """One entry of the dictionary above in the given language: ("red star", "zh") → "红色星形"."""
    return words if language == "en" else CHINESE[words]
