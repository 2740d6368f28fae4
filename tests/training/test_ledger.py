"""A line of the ledger adds up, or is refused."""

import json
import math

import pytest

from vlmlearn.training.recipes.ledger import TOLD, ledger_line

LINE = {
    "told": "caption",
    "bits": 17.8894,
    "language": 73.6,
    "ceiling": math.log2(1000),
    "carried": [9.1, 9.2, 9.3],
}


@pytest.mark.parametrize("told", TOLD)
def test_a_line_is_rounded_and_ready_for_json(told):
    line = ledger_line(**LINE | {"told": told})
    assert line == {**LINE, "told": told, "bits": 17.889, "ceiling": 9.966}
    assert ledger_line(**json.loads(json.dumps(line))) == line


def test_all_of_it_carried_and_less_than_nothing():
    bits = math.log2(40)
    assert ledger_line(told="name", bits=bits, language=0.263, ceiling=bits, carried=[bits, 0.0, -2.0])[
        "carried"
    ] == [5.322, 0, -2]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"told": "colour"}, "told is 'colour', expected one of 'caption'"),
        ({"bits": 0}, "bits above 0"),
        ({"language": -1.0}, "language from 0 on"),
        ({"carried": [9.0, math.nan, 9.0]}, "expected finite numbers"),
        ({"ceiling": 20.0}, "the ceiling is 20.0 of 17.8894 bits"),
        ({"ceiling": 0.0}, "the ceiling is 0.0"),
        ({"carried": [9.0, 9.0]}, "carried holds 2 numbers"),
        ({"carried": [9.0, 9.0, 10.1]}, "10.1 bits carried are more than the ceiling"),
    ],
)
def test_bad_lines(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        ledger_line(**LINE | change)
