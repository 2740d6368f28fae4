"""One chapter's line in the course's ledger of bits, recorded with its results under the key "ledger"."""

import math
from collections.abc import Sequence
from typing import Any

TOLD = ("caption", "name", "color_asked")
SEEDS = 3


def ledger_line(
    *, told: str, bits: float, language: float, ceiling: float, carried: Sequence[float]
) -> dict[str, Any]:
    """Put a line together and check that it adds up; ``vlmlearn.plots.bit_ledger`` shows it.

    Args:
        told: what is told of a picture: its "caption", the "name" of its one object, or the "color_asked" for.
        bits: that are in it and can come from the picture, exactly: for captions ``caption_entropy(…).visible``.
        language: bits that language alone supplies, with no look at the picture: for captions ``free_word_bits``
            less their total entropy; for one of 48 names of which 40 occur, log2 48 - log2 40.
        ceiling: the most that the exam can show: log2 N where N candidates are compared, else ``bits``.
        carried: what the model carries by ``carried_bits`` or ``retrieval_bits``, one number a seed.

    Returns:
        The line, rounded to three decimals, ready for JSON.

    Raises:
        ValueError: an unknown thing told, numbers that are not finite or negative where none can be, a ceiling above
            the bits there are, not one number for each of three seeds, more carried than can be shown.
    """
    if told not in TOLD:
        raise ValueError(f"told is {told!r}, expected one of {', '.join(map(repr, TOLD))}")
    if not all(map(math.isfinite, (bits, language, ceiling, *carried))) or bits <= 0 or language < 0:
        raise ValueError(
            f"bits {bits}, language {language}, ceiling {ceiling}, carried {list(carried)}: expected finite numbers, "
            "bits above 0 and language from 0 on"
        )
    if not 0 < ceiling <= bits + 1e-3:
        raise ValueError(
            f"the ceiling is {ceiling} of {bits} bits: no exam shows more than there is; "
            "with N candidates use the smaller of log2 N and the bits"
        )
    if len(carried) != SEEDS:
        raise ValueError(f"carried holds {len(carried)} numbers, expected one for each of {SEEDS} seeds")
    if max(carried) > ceiling + 1e-3:
        raise ValueError(
            f"{max(carried)} bits carried are more than the ceiling of {ceiling}: is the loss in nats, its mean taken, "
            "and the ceiling in bits?"
        )
    return {
        "told": told,
        "bits": round(bits, 3),
        "language": round(language, 3),
        "ceiling": round(ceiling, 3),
        "carried": [round(number, 3) for number in carried],
    }
