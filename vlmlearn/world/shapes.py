"""What the world is made of: shapes, colours, sizes, and the pairs that training never shows."""

import numpy as np
from jaxtyping import Float64

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
COLORS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "white")
SIZES = ("small", "large")
MAX_OBJECTS = 4

RGB = np.array(
    [
        [0.86, 0.12, 0.12],
        [0.96, 0.50, 0.08],
        [0.93, 0.87, 0.15],
        [0.14, 0.66, 0.20],
        [0.15, 0.80, 0.84],
        [0.15, 0.25, 0.88],
        [0.58, 0.18, 0.72],
        [0.94, 0.94, 0.94],
    ],
    np.float32,
)
RADIUS = np.array([6.2, 10.0], np.float32) / 64  # small, large; a fraction of the picture's side

# A pair (shape, colour) is one number: shape * 8 + colour. Eight of the 48, one a colour, are never
# seen in training.
HELD_OUT_PAIRS = np.array([(color % len(SHAPES)) * len(COLORS) + color for color in range(len(COLORS))])
SEEN_PAIRS = np.setdiff1d(np.arange(len(SHAPES) * len(COLORS)), HELD_OUT_PAIRS)
ALL_PAIRS = np.arange(len(SHAPES) * len(COLORS))

# Apex, right base, left base: the long axis tells the corners apart.
TRIANGLE = np.array([[0, -1.2], [0.8, 0.8], [-0.8, 0.8]])

# Every shape is a table of signed distances to its outline (negative inside) on a grid from -EXTENT to EXTENT
# radii. Rounding hides the last bits in which one machine's square root or cosine may differ from another's.
GRID = 128
EXTENT = 1.45


def _polygon_distance(corners: np.ndarray, x: np.ndarray, y: np.ndarray) -> Float64[np.ndarray, "grid grid"]:
    """Signed distance to a polygon: the nearest edge, and a sign that flips at each edge crossed."""
    squared, sign = np.full(x.shape, np.inf), np.ones(x.shape)
    for a, b in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        (edge_x, edge_y), from_x, from_y = b - a, x - a[0], y - a[1]
        along = np.clip((from_x * edge_x + from_y * edge_y) / (edge_x**2 + edge_y**2), 0, 1)
        squared = np.minimum(squared, (from_x - edge_x * along) ** 2 + (from_y - edge_y * along) ** 2)
        above, below, left = y >= a[1], y < b[1], edge_x * from_y > edge_y * from_x
        sign = np.where((above & below & left) | (~above & ~below & ~left), -sign, sign)
    return sign * np.sqrt(squared)


def distance_tables() -> np.ndarray:
    """float32 (6, GRID, GRID): signed distance, in radii, of each grid point to each shape's outline."""
    axis = (np.arange(GRID) / (GRID - 1) * 2 - 1) * EXTENT
    x, y = np.meshgrid(axis, axis)
    radius = np.hypot(x, y)
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.78
    tenths = np.arange(10) * np.pi / 5
    star = np.stack([np.sin(tenths), -np.cos(tenths)], 1) * np.where(np.arange(10) % 2, 0.54, 1.2)[:, None]
    w, r = 0.32, 1.02
    half = [(-w, -r), (w, -r), (w, -w), (r, -w), (r, w), (w, w)]
    cross = np.array(half + [(-right, -down) for right, down in half])
    outlines = [_polygon_distance(corners, x, y) for corners in (square, TRIANGLE, star, cross)]
    tables = np.stack([radius - 0.9, *outlines, np.abs(radius - 0.72) - 0.24])
    return np.round(tables, 4).astype(np.float32)
