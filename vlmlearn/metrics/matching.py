"""Who found what: each finding of a picture gets at most one object, as COCO has it (Lin et al. 2014)."""

import numpy as np
from jaxtyping import Bool, Float64, Int64

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # the overlap that makes a finding right


def surest(
    scores: Float64[np.ndarray, " n"], labels: Int64[np.ndarray, " n"], most: int
) -> Int64[np.ndarray, " kept"]:
    """The ``most`` surest findings of each class, the surest first, equal ones in the order they came."""
    order = np.argsort(-scores, kind="stable")
    if len(order) <= most:
        return order
    kept = np.zeros(len(order), dtype=bool)
    for label in np.unique(labels):
        kept[np.flatnonzero(labels[order] == label)[:most]] = True
    return order[kept]


def outside(
    areas: Float64[np.ndarray, " n"], ranges: Float64[np.ndarray, "ranges 2"]
) -> Bool[np.ndarray, "ranges n"]:
    """Which areas lie below or above each range; its borders belong to it."""
    return (areas < ranges[:, :1]) | (areas > ranges[:, 1:])


def match(
    overlap: Float64[np.ndarray, "found objects"],
    crowd: Bool[np.ndarray, " objects"],
    ignored: Bool[np.ndarray, "ranges objects"],
) -> tuple[Bool[np.ndarray, "found ranges thresholds"], Bool[np.ndarray, "found ranges thresholds"]]:
    """Which findings have an object, and which of them one that is ignored.

    The surest chooses first: of the objects still free that it overlaps enough, one that counts before one that
    is ignored, then the one it overlaps most, of equals the last. A crowd is never used up.
    """
    shape = (len(overlap), len(ignored), len(THRESHOLDS))
    matched, to_ignored = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    enough = np.minimum(THRESHOLDS, 1 - 1e-10)  # COCO's, for overlaps that rounding left a hair below 1
    free = np.ones((len(ignored), len(THRESHOLDS), overlap.shape[1]), dtype=bool)
    ranges, thresholds = np.ogrid[: shape[1], : shape[2]]
    # Places rather than overlaps, so that adding what makes an object come first cannot round two into a tie.
    place = overlap.argsort(1, kind="stable").argsort(1)
    first = len(crowd) * ~ignored
    for finding in np.flatnonzero((overlap >= enough[0]).any(1)):
        fits = free & (overlap[finding] >= enough[:, None])
        choice = np.where(fits, (place[finding] + first)[:, None], -1).argmax(2)
        matched[finding] = fits.any(2)
        to_ignored[finding] = matched[finding] & ignored[ranges, choice]
        free[ranges, thresholds, choice] &= ~matched[finding] | crowd[choice]
    return matched, to_ignored
