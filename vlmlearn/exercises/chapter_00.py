"""The exercises of chapter 00: moving the axes of pictures."""

from collections.abc import Callable, Iterator

import numpy as np
from einops import rearrange
from jaxtyping import UInt8

from vlmlearn.exercises.exercise import Case, Exercise, Mistake, Property
from vlmlearn.messages import Message

Pixels = np.ndarray


def to_channels_last(
    images: UInt8[np.ndarray, "batch 3 side side"],
) -> UInt8[np.ndarray, "batch side side 3"]:
    """Pictures with their channels last, as matplotlib draws them."""
    return rearrange(images, "batch c h w -> batch h w c")


def contact_sheet(images: UInt8[np.ndarray, "batch 3 side side"], columns: int) -> UInt8[np.ndarray, "h w 3"]:
    """All pictures in one, row after row, ``columns`` in each row, channels last."""
    return rearrange(images, "(row column) c h w -> (row h) (column w) c", column=columns)


def _pictures(
    generator: np.random.Generator, count: int, side: int
) -> UInt8[np.ndarray, "count 3 side side"]:
    return generator.integers(0, 256, (count, 3, side, side), dtype=np.uint8)


def _single_pictures(seed: int) -> Iterator[Case]:
    generator = np.random.default_rng(seed)
    one = Message("只有一张图。", "A single picture.")
    for count, side, about in ((1, 2, one), (2, 3, None), (3, 4, None), (4, 8, None)):
        yield Case((_pictures(generator, count, side),), about)


def _sheets(seed: int) -> Iterator[Case]:
    generator = np.random.default_rng(seed)
    one = Message("只有一行。", "A single row.")
    for count, side, columns, about in (
        (1, 2, 1, one),
        (3, 2, 3, one),
        (4, 2, 2, None),
        (6, 4, 3, None),
        (8, 3, 4, None),
    ):
        yield Case((_pictures(generator, count, side), columns), about)


def _pattern(pattern: str) -> Callable[..., Pixels]:
    return lambda images, columns: rearrange(images, pattern, column=columns)


def _sheet_of(choose: Callable[[int, int, int, int], int]) -> Callable[..., Pixels]:
    """A sheet built by a loop that takes picture ``choose(row, column, rows, columns)``."""

    def build(images: Pixels, columns: int) -> Pixels:
        rows = len(images) // columns
        last = rearrange(images, "batch c h w -> batch h w c")
        lines = [
            np.concatenate([last[choose(row, column, rows, columns)] for column in range(columns)], axis=1)
            for row in range(rows)
        ]
        return np.concatenate(lines, axis=0)

    return build


def _shape(images: Pixels) -> tuple[int, int, int, int]:
    count, channels, height, width = images.shape
    return count, height, width, channels


def _sheet_shape(images: Pixels, columns: int) -> tuple[int, int, int]:
    count, channels, height, width = images.shape
    return count // columns * height, columns * width, channels


TO_CHANNELS_LAST = Exercise(
    "to_channels_last",
    to_channels_last,
    _single_pictures,
    mistakes=(
        Mistake(
            "reshape_for_transpose",
            lambda images: images.reshape(_shape(images)),
            zh="形状对了，像素却乱了：`reshape` / `view` 按内存次序重新分段，并不移动任何一个数，于是三个通道被搅在一起。"
            "要移动的是轴，看第 2 节里箭头两边的写法。",
            en="The shape is right, the pixels are scrambled: `reshape` / `view` cut the same numbers anew in the order of memory "
            "and move none, so the three channels get mixed. It is the axes that have to move; see the arrow in section 2.",
        ),
        Mistake(
            "height_and_width_swapped",
            lambda images: images.transpose(0, 3, 2, 1),
            zh="每张图都沿对角线翻了过来：高和宽换了位置。图是正方形时形状看不出来。把输出的轴逐一念一遍：批次、高、宽、通道。",
            en="Every picture is mirrored along its diagonal: height and width have changed places, which the shape of a square "
            "picture does not show. Read the axes of your output aloud: batch, height, width, channel.",
        ),
        Mistake(
            "colours_reversed",
            lambda images: rearrange(images, "b c h w -> b h w c")[..., ::-1],
            zh="红和蓝对调了。那是 OpenCV 的 BGR 习惯；我们的像素一直是 RGB，通道之间的次序不用动。",
            en="Red and blue are exchanged. That is OpenCV's BGR; our pixels are RGB throughout, and the order among channels stays.",
        ),
        Mistake(
            "upside_down",
            lambda images: rearrange(images, "b c h w -> b h w c")[:, ::-1],
            zh="图上下颠倒了。像素的第 0 行在最上面，画图时也是如此，行不用反过来。",
            en="The pictures stand on their heads. Row 0 of the pixels is the top, also when drawn; rows need no reversal.",
        ),
        Mistake(
            "mirrored",
            lambda images: rearrange(images, "b c h w -> b h w c")[:, :, ::-1],
            zh="图左右反了。只换轴的位置，不要反转任何一根轴。",
            en="The pictures are mirrored left to right. Axes change places, but none is reversed.",
        ),
        Mistake(
            "rotated",
            lambda images: np.rot90(rearrange(images, "b c h w -> b h w c"), axes=(1, 2)),
            zh="图转了 90 度。转动等于换轴再反转一根；这里只要换轴。",
            en="The pictures are turned by 90 degrees. A turn is an exchange of axes plus a reversal; only the exchange is wanted.",
        ),
        Mistake(
            "fortran_order",
            lambda images: images.reshape(_shape(images), order="F"),
            zh='`order="F"` 只是换一种次序读内存，仍然是改分段，不是移动轴。换成会移动轴的函数。',
            en='`order="F"` reads memory in another order but still only cuts the numbers anew. Use a function that moves axes.',
        ),
        Mistake(
            "one_channel_for_all",
            lambda images: np.repeat(images[:, 0, :, :, None], 3, axis=3),
            zh="三个通道都是红色通道的复制，图变成了灰的。取下标时少走了一根轴。",
            en="All three channels are copies of the red one, so the pictures are grey. An index has dropped the channel axis.",
        ),
        Mistake(
            "first_picture_for_all",
            lambda images: np.repeat(rearrange(images, "b c h w -> b h w c")[:1], len(images), axis=0),
            zh="每一张都成了第一张：批次这根轴没有跟着走。",
            en="Every picture has become the first: the batch axis was not carried along.",
        ),
        Mistake(
            "batch_reversed",
            lambda images: rearrange(images, "b c h w -> b h w c")[::-1],
            zh="图的次序倒过来了。批次这根轴应当原样保留。",
            en="The pictures come in reverse order. The batch axis stays as it is.",
        ),
    ),
    properties=(
        Property(
            lambda function, images: np.array_equal(
                np.sort(function(images), axis=None), np.sort(images, axis=None)
            ),
            zh="换轴只移动像素，不改动、不丢失、不重复。",
            en="moving axes moves pixels; none is changed, lost or repeated.",
        ),
        Property(
            lambda function, images: all(
                np.array_equal(function(images)[..., c].sum((1, 2)), images[:, c].sum((1, 2)))
                for c in range(3)
            ),
            zh="每个通道的像素还在同一个通道里。",
            en="the pixels of a channel stay in that channel.",
        ),
    ),
    hints=(
        Message(
            "数还是那些数，只是轴的次序变了：批次不动，通道从第二位走到最后。",
            "The numbers stay, only the order of the axes changes: batch keeps its place, channels go from second to last.",
        ),
        Message(
            "`rearrange` 的箭头左边写现在的四根轴，右边写想要的次序。",
            "In `rearrange`, write the four axes as they are left of the arrow, and the wanted order right of it.",
        ),
        Message(
            '左边是 `"batch c h w"`；右边用同样四个名字，`c` 放最后。',
            'The left side is `"batch c h w"`; the right side has the same four names, `c` last.',
        ),
    ),
    minutes=5,
    mark="★★",
)

CONTACT_SHEET = Exercise(
    "contact_sheet",
    contact_sheet,
    _sheets,
    mistakes=(
        Mistake(
            "filled_by_columns",
            _pattern("(column row) c h w -> (row h) (column w) c"),
            zh="图是一列一列填的，第二张跑到了第一张下面。括号里靠右的轴走得最快：想一想，下一张图先动行号还是列号？",
            en="The sheet is filled column by column: picture 2 is below picture 1. In a bracket the axis on the right runs fastest: "
            "from one picture to the next, does the row change first, or the column?",
        ),
        Mistake(
            "pixels_interleaved",
            _pattern("(row column) c h w -> (h row) (w column) c"),
            zh="各张图的像素交错在一起了。合并高度时，要先走完一张图的所有像素行，再到下一行的图；看看两个右边的括号里谁在前。",
            en="The pixels of all pictures are interleaved. Going down, all pixel rows of one picture come before the next row of pictures: "
            "look at the order inside the brackets on the right.",
        ),
        Mistake(
            "rows_interleaved",
            _pattern("(row column) c h w -> (h row) (column w) c"),
            zh="竖直方向上，不同行的图交错了；水平方向是对的。比较两个括号里的次序。",
            en="Downwards, the rows of pictures are interleaved; sideways all is well. Compare the order in your two brackets.",
        ),
        Mistake(
            "columns_interleaved",
            _pattern("(row column) c h w -> (row h) (w column) c"),
            zh="水平方向上，不同列的图交错了；竖直方向是对的。比较两个括号里的次序。",
            en="Sideways, the columns of pictures are interleaved; downwards all is well. Compare the order in your two brackets.",
        ),
        Mistake(
            "reshape_only",
            lambda images, columns: images.reshape(_sheet_shape(images, columns)),
            zh="形状对了，画面是一片雪花：`reshape` 不移动像素，通道也还在前面。需要换轴。",
            en="The shape is right, the picture is snow: `reshape` moves no pixel, and the channels were still in front. Axes have to move.",
        ),
        Mistake(
            "reshape_after_channels_last",
            lambda images, columns: rearrange(images, "b c h w -> b h w c").reshape(
                _sheet_shape(images, columns)
            ),
            zh="通道放对了，可接着的 `reshape` 只是把一张图的像素行一段段接下去。并排的两张图，同一行像素要挨在一起：先换轴再合并。",
            en="The channels are right, but the `reshape` after it merely strings one picture's pixel rows together. In pictures side by side, "
            "equal pixel rows are neighbours: move the axes before you join them.",
        ),
        Mistake(
            "pictures_transposed",
            _pattern("(row column) c h w -> (row w) (column h) c"),
            zh="位置都对，但每张图沿对角线翻了：高应当跟着行走，宽跟着列走。",
            en="Every picture is in its place but mirrored along its diagonal: height goes with rows, width with columns.",
        ),
        Mistake(
            "rows_bottom_up",
            lambda images, columns: rearrange(
                rearrange(images, "(row column) c h w -> row column c h w", column=columns)[::-1],
                "row column c h w -> (row h) (column w) c",
            ),
            zh="行从下往上排了：第一行的图应当在最上面。",
            en="Rows are stacked from the bottom: the first row belongs at the top.",
        ),
        Mistake(
            "colours_reversed",
            lambda images, columns: contact_sheet(images, columns)[..., ::-1],
            zh="红和蓝对调了（OpenCV 的 BGR 习惯）。通道之间的次序不用动。",
            en="Red and blue are exchanged (OpenCV's BGR). The order among channels stays.",
        ),
        Mistake(
            "first_row_repeated",
            _sheet_of(lambda row, column, rows, columns: column),
            zh="每一行都是第一行：取第几张图只看了列号，没有算上前面已经放好的行。",
            en="Every row repeats the first: which picture comes next depends on the column only, not on the rows already placed.",
        ),
        Mistake(
            "wrong_stride",
            _sheet_of(lambda row, column, rows, columns: row * rows + column),
            zh="第二行起，图取错了：每放完一行，跳过的是一行里的张数，不是行数。",
            en="From the second row on, the wrong pictures: a finished row uses up as many pictures as a row holds, not as there are rows.",
        ),
    ),
    properties=(
        Property(
            lambda function, images, columns: np.array_equal(
                function(images, columns)[: images.shape[2], : images.shape[3]], images[0].transpose(1, 2, 0)
            ),
            zh="左上角就是第一张图，通道在最后。",
            en="the upper left corner is the first picture, channels last.",
        ),
        Property(
            lambda function, images, columns: np.array_equal(
                function(images, columns)[-images.shape[2] :, -images.shape[3] :],
                images[-1].transpose(1, 2, 0),
            ),
            zh="右下角就是最后一张图。",
            en="the lower right corner is the last picture.",
        ),
        Property(
            lambda function, images, columns: np.array_equal(
                np.sort(function(images, columns), axis=None), np.sort(images, axis=None)
            ),
            zh="每个像素正好用一次。",
            en="every pixel is used exactly once.",
        ),
    ),
    hints=(
        Message(
            "先把批次看成两根轴：第几行、第几列。然后行和高合成大图的高，列和宽合成大图的宽。",
            "See the batch as two axes first, row and column. Row and height then make the height of the sheet, column and width its width.",
        ),
        Message(
            "einops 用括号拆开和合并：`(row column)` 拆批次，只要告诉它其中一个的长度。括号里右边的走得最快。",
            "einops splits and joins with brackets: `(row column)` splits the batch if you tell it one of the lengths. In a bracket the axis "
            "on the right runs fastest.",
        ),
        Message(
            '左边是 `"(row column) c h w"`，右边是三项：带 `row` 的高、带 `column` 的宽、`c`；别忘了传 `column=columns`。',
            'The left side is `"(row column) c h w"`; the right has three parts: the height with `row`, the width with `column`, and `c`. '
            "Pass `column=columns`.",
        ),
    ),
    minutes=10,
    mark="★★",
)

EXERCISES = (TO_CHANNELS_LAST, CONTACT_SHEET)
