"""A term is taught, or explained in a box, before it is needed."""

import pytest

from book.order import check_order
from book.project import BuildError
from book.source import Chapter, Header


def chapter(name: str, needs: str = "", teaches: str = "", boxed: str = "") -> Chapter:
    return Chapter(name, Header(tuple(needs.split()), tuple(teaches.split()), tuple(boxed.split())), ())


def test_taught_before_or_boxed():
    check_order([chapter("00", teaches="scene"), chapter("01", needs="scene logit", boxed="logit")])


@pytest.mark.parametrize(
    "chapters",
    [
        [chapter("00", needs="scene"), chapter("01", teaches="scene")],
        [chapter("00", needs="scene", teaches="scene")],
        [chapter("00", boxed="logit"), chapter("01", needs="logit scene")],
    ],
)
def test_needed_too_early(chapters):
    with pytest.raises(BuildError, match=r"0\d needs '\w+', which is neither taught before nor boxed"):
        check_order(chapters)


def test_every_missing_term_is_listed():
    with pytest.raises(BuildError, match=r"'a'.*\n.*'b'"):
        check_order([chapter("00", needs="a b")])
