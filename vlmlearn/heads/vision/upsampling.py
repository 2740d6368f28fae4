"""Enlarging a map by any whole number, exactly, with what is learnt."""

from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.heads.vision.options import HeadConfig
from vlmlearn.heads.vision.trunk import NormActivation

NARROWEST = 16  # channels that are left, however large the map becomes


class Upsampler(nn.Module):
    """``factor`` times as many rows and columns, by one step for each prime factor: 12 is 2, 2 and 3.

    A step is a 3×3 convolution on the small map that makes p² vectors for each place, laid out as p×p places
    (pixel shuffle, Shi et al. 2016), norm and activation. Each step leaves p times fewer channels, but
    no fewer than 16, so that a large map stays affordable.

    Args:
        factor: 1 or more; 1 leaves the map as it is.
        config: the head's options; ``hidden_dim`` channels come in.

    Attributes:
        width: channels that come out.
    """

    def __init__(self, factor: int, config: HeadConfig):
        super().__init__()
        self.width = config.hidden_dim
        self.steps = nn.Sequential()
        for prime in prime_factors(factor):
            out = max(self.width // prime, min(self.width, NARROWEST))
            self.steps.extend(
                (
                    nn.Conv2d(self.width, out * prime**2, 3, padding=1, bias=False),
                    nn.PixelShuffle(prime),
                    NormActivation(out, config),
                )
            )
            self.width = out

    def forward(self, x: Float[Tensor, "batch hidden h w"]) -> Float[Tensor, "batch width rows columns"]:
        return self.steps(x)


def prime_factors(number: int) -> list[int]:
    """12 → [2, 2, 3]; 1 → []; ``ValueError`` below 1."""
    if number < 1:
        raise ValueError(f"upsampling_factor is {number}, expected a whole number, at least 1")
    factors, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors
