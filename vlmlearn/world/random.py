"""Random numbers without a hidden state: a pure function of (seed, name, index).

An ordinary generator hands out its numbers in turn, so one draw more shifts all that follow. Here every
quantity has a *name*, and its numbers are computed from (seed, name, index of the scene, position) by the
mixing function of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"). A
scene is therefore the same in every batch, in every order and, since only integer and elementary float
operations are used, on every machine.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: the step between two counters


def _mix(bits: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """SplitMix64's finaliser: every input bit changes every output bit with probability one half."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@dataclass(frozen=True)
class Draws:
    """Named random numbers for a batch of scenes.

    Args:
        seed: any non-negative integer; another seed is another world.
        space: keeps uses apart ("train" and "test" scenes share no number).
        indices: (batch,) the scenes' indices.
    """

    seed: int
    space: str
    indices: Int64[np.ndarray, " batch"]

    def bits(self, name: str, shape: Sequence[int] = ()) -> UInt64[np.ndarray, "..."]:
        """64 random bits for each entry of (batch, *shape)."""
        key = np.array([zlib.crc32(f"{self.space}/{name}".encode()), self.seed], np.uint64)
        key = _mix(key[:1] * _GOLDEN + _mix(key[1:] + _GOLDEN))
        scene = _mix(key + self.indices.astype(np.uint64) * _GOLDEN)
        counter = np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * _GOLDEN
        return _mix(scene[:, None] + counter).reshape(len(self.indices), *shape)

    def uniform(
        self, name: str, shape: Sequence[int] = (), low: float = 0.0, high: float = 1.0
    ) -> np.ndarray:
        """float32 from low to high, shape (batch, *shape); high itself only where rounding reaches it."""
        unit = (self.bits(name, shape) >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
        return unit * np.float32(high - low) + np.float32(low)

    def integers(self, name: str, bound: int, shape: Sequence[int] = ()) -> np.ndarray:
        """int64 in [0, bound), shape (batch, *shape)."""
        high_half = self.bits(name, shape) >> np.uint64(32)
        return (high_half * np.uint64(bound) >> np.uint64(32)).astype(np.int64)

    def bell(self, name: str, shape: Sequence[int] = (), std: float = 1.0) -> np.ndarray:
        """float32 of mean 0 and the given standard deviation, shape (batch, *shape).

        The sum of four 16-bit uniforms: close to a normal distribution and, unlike its usual recipes, free of
        the logarithms and cosines that differ in their last bit from one machine to the next.
        """
        bits = self.bits(name, shape)
        quarters = [((bits >> np.uint64(16 * k)) & np.uint64(0xFFFF)).astype(np.int32) for k in range(4)]
        total = quarters[0] + quarters[1] + quarters[2] + quarters[3]
        return (total - 2 * 65535).astype(np.float32) * np.float32(std * math.sqrt(3) / 65536)
