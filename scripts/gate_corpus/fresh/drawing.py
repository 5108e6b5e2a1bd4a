"""The strokes that all pictures are drawn with: soft shapes, curves, vessel trees, noise."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import make_interp_spline

# Greys (or colours) as floats, bytes, and rows of x and y. numpy's own operators return wider types than these.
Field = NDArray[Any]
Picture = NDArray[Any]
Points = NDArray[Any]
Pair = Sequence[float] | NDArray[Any]
Shape = tuple[int, int]
Branch = tuple[Points, float, float]

_SHIFT = 4
_ONE = 1 << _SHIFT


def size(rng: np.random.Generator, low: int, high: int, ratio: tuple[float, float] = (1.0, 1.0)) -> Shape:
    """Height and width: the height between low and high, the width a ratio of it, both within 200 to 1024."""
    height = int(rng.integers(low, high + 1))
    width = round(height * rng.uniform(*ratio))
    return height, int(np.clip(width, 200, 1024))


def grid(shape: Shape) -> tuple[Field, Field]:
    """The x and y of each pixel, as fractions of the width and of the height."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    return x / shape[1], y / shape[0]


def at(shape: Shape, points: ArrayLike) -> Points:
    """Fractions of the picture as pixels."""
    return np.asarray(points, np.float64) * [shape[1], shape[0]]


def jitter(rng: np.random.Generator, points: ArrayLike, amount: float) -> Points:
    """The points, each moved a little."""
    points = np.asarray(points, np.float64)
    return points + rng.normal(0, amount, points.shape)


def blur(field: Field, sigma: float, sigma_y: float | None = None) -> Field:
    """The field smoothed by a Gaussian of a deviation in pixels."""
    if sigma <= 0.05:
        return field
    smooth: Field = cv2.GaussianBlur(field, (0, 0), sigma, sigmaY=sigma if sigma_y is None else sigma_y)
    return smooth


def clouds(rng: np.random.Generator, shape: Shape, sigma: float, sigma_y: float | None = None) -> Field:
    """Smooth noise of mean 0 and deviation 1; wide smoothing is done on a coarse grid."""
    sigma_y = sigma if sigma_y is None else sigma_y
    step_x, step_y = max(1, int(sigma / 3)), max(1, int(sigma_y / 3))
    small = (shape[0] // step_y + 3, shape[1] // step_x + 3)
    field = blur(rng.standard_normal(small).astype(np.float32), sigma / step_x, sigma_y / step_y)
    field = cv2.resize(field, (small[1] * step_x, small[0] * step_y), interpolation=cv2.INTER_CUBIC)
    field = field[: shape[0], : shape[1]]
    noise: Field = (field - field.mean()) / (field.std() + 1e-6)
    return noise


def fractal(rng: np.random.Generator, shape: Shape, largest: float, octaves: int = 5, fall: float = 0.6) -> Field:
    """Clouds of ever smaller size laid over each other, of deviation 1."""
    field = np.zeros(shape, np.float32)
    for octave in range(octaves):
        field += fall**octave * clouds(rng, shape, max(largest / 2**octave, 0.6))
    even: Field = field / field.std()
    return even


def ridges(rng: np.random.Generator, shape: Shape, sigma: float, width: float) -> Field:
    """Winding lines: where smooth noise passes zero. 1 on a line, 0 away from it."""
    return np.exp(-((clouds(rng, shape, sigma) / width) ** 2))


def ellipse(shape: Shape, centre: Pair, radii: Pair, degrees: float = 0) -> Field:
    """The distance from the centre (pixels), 1 at the edge of the ellipse."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    turn = np.deg2rad(degrees)
    x, y = x - centre[0], y - centre[1]
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    distance: Field = np.hypot(along / radii[0], across / radii[1]).astype(np.float32)
    return distance


def inside(distance: Field, edge: float = 0.05) -> Field:
    """1 where the distance is under 1, 0 beyond, with a soft edge."""
    t = np.clip((1 - distance) / edge + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def blob(rng: np.random.Generator, centre: Pair, radii: Pair, wobble: float, degrees: float = 0) -> Points:
    """A closed wavy outline around a centre."""
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = np.ones(90)
    for order in range(2, 7):
        radius += wobble / order * rng.normal() * np.cos(order * angle + rng.uniform(0, 6.3))
    turn = np.deg2rad(degrees)
    x, y = radii[0] * radius * np.cos(angle), radii[1] * radius * np.sin(angle)
    turned = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1)
    outline: Points = turned + np.asarray(centre)
    return outline


def curve(points: ArrayLike, closed: bool = False, count: int = 120) -> Points:
    """A smooth line through the points."""
    points = np.asarray(points, np.float64)
    if closed:
        points = np.concatenate([points[-3:], points, points[:3]])
    steps = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T) + 1e-6)])
    spline = make_interp_spline(steps, points, k=min(3, len(points) - 1))
    first, last = (steps[3], steps[-3]) if closed else (steps[0], steps[-1])
    return spline(np.linspace(first, last, count, endpoint=not closed))


def _fixed(points: ArrayLike) -> NDArray[np.int32]:
    fixed: NDArray[np.int32] = np.rint(np.asarray(points) * _ONE).astype(np.int32)
    return fixed


def fill(shape: Shape, points: ArrayLike, sigma: float = 0) -> Field:
    """A filled outline as 0 to 1, blurred."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [_fixed(points)], 255, cv2.LINE_AA, _SHIFT)
    return blur(mask.astype(np.float32) / 255, sigma)


def stroke(shape: Shape, points: ArrayLike, width: float, sigma: float = 0, closed: bool = False) -> Field:
    """A line of one width as 0 to 1, blurred."""
    mask = np.zeros(shape, np.uint8)
    cv2.polylines(mask, [_fixed(points)], closed, 255, max(1, round(width)), cv2.LINE_AA, _SHIFT)
    return blur(mask.astype(np.float32) / 255 * min(1.0, width), sigma)


def _taper(mask: Picture, line: Points, first: float, last: float) -> None:
    widths = np.linspace(first, last, len(line))
    for start, end, width in zip(_fixed(line[:-1]), _fixed(line[1:]), widths[:-1], strict=True):
        grey = int(255 * min(1.0, max(width, 0.25)))
        layer_width = max(1, round(width))
        cv2.line(mask, tuple(map(int, start)), tuple(map(int, end)), grey, layer_width, cv2.LINE_AA, _SHIFT)


def tapered(shape: Shape, line: Points, first: float, last: float, sigma: float = 0) -> Field:
    """A line whose width goes from first to last."""
    return vessels(shape, [(line, first, last)], sigma)


def vessels(shape: Shape, branches: Sequence[Branch], sigma: float = 0.6) -> Field:
    """All branches of a tree as 0 to 1."""
    mask = np.zeros(shape, np.uint8)
    for line, first, last in sorted(branches, key=lambda branch: branch[1]):
        _taper(mask, line, first, last)
    return blur(mask.astype(np.float32) / 255, sigma)


def course(rng: np.random.Generator, start: Pair, length: float, bend: float = 0.35) -> Points:
    """A line from a start that winds a little and never turns back sharply, as a vessel runs."""
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, bend, 6))
    steps = np.stack([np.cos(heading), np.sin(heading)], 1) * length / 6
    return curve(np.concatenate([[np.asarray(start)], np.asarray(start) + np.cumsum(steps, 0)]))


def tree(
    rng: np.random.Generator,
    start: Pair,
    heading: float,
    length: float,
    width: float,
    depth: int,
    bend: float = 0.25,
    spread: float = 0.5,
) -> list[Branch]:
    """A branching vessel from a start (pixels) along a heading (radians)."""
    steps = max(6, int(length / 5))
    angles = heading + np.cumsum(rng.normal(0, bend / np.sqrt(steps), steps)) * 1.6
    line = np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1) * length / steps, 0) + np.asarray(start)
    line = np.concatenate([[np.asarray(start)], line])
    branches: list[Branch] = [(line, width, width * 0.75)]
    if depth == 0 or width < 0.4:
        return branches
    side = rng.choice([-1, 1])
    for sign, share in ((side, rng.uniform(0.6, 0.8)), (-side, rng.uniform(0.5, 0.75))):
        turned = angles[-1] + sign * spread * rng.uniform(0.4, 1.2)
        stretch = length * rng.uniform(0.65, 0.95)
        branches += tree(rng, line[-1], turned, stretch, width * share, depth - 1, bend, spread)
    if rng.random() < 0.7:
        middle = line[int(rng.integers(steps // 3, steps))]
        turned = heading + rng.choice([-1, 1]) * spread * rng.uniform(0.8, 1.6)
        branches += tree(rng, middle, turned, length * 0.6, width * 0.45, depth - 1, bend, spread)
    return branches


def bone(mask: Field, cortex: float, core: float = 0.55) -> Field:
    """A filled shape as bone in projection: a bright rim of the cortex's thickness around a paler core."""
    depth = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    rim = np.exp(-(((depth - cortex) / (cortex * 1.1)) ** 2))
    projected: Field = mask * (core + (1 - core) * rim)
    return projected


def band(first: Points, last: Points) -> Points:
    """The outline between two lines that run the same way."""
    return np.concatenate([first, last[::-1]])


def ribbon(line: Points, half: ArrayLike) -> Points:
    """The outline of a line with a half width at each of its points."""
    along = np.gradient(line, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / (np.hypot(along[:, 0], along[:, 1])[:, None] + 1e-9)
    offset = across * np.broadcast_to(np.asarray(half, np.float64), (len(line),))[:, None]
    return band(line + offset, line - offset)


def mix(picture: Field, colour: ArrayLike, mask: Field) -> Field:
    """The picture with a colour (or grey) laid over it where the mask is 1."""
    colour = np.asarray(colour, np.float32)
    if picture.ndim == 3:
        mask = mask[..., None]
    mixed: Field = (picture * (1 - mask) + colour * mask).astype(np.float32)
    return mixed


def canvas(shape: Shape, colour: Pair) -> Field:
    """An even colour."""
    return np.ones((*shape, 3), np.float32) * np.asarray(colour, np.float32)


def grain(rng: np.random.Generator, field: Field, amount: float, sigma: float = 0.5) -> Field:
    """The field with noise of a deviation, a little blurred as a detector does."""
    return field + amount * clouds(rng, (field.shape[0], field.shape[1]), sigma)


def counts(rng: np.random.Generator, field: Field, amount: float) -> Field:
    """Noise of an X-ray detector: it grows where the picture is bright, where few photons came through."""
    scale = amount * (0.35 + np.clip(field, 0, 255) / 255)
    return field + scale * clouds(rng, (field.shape[0], field.shape[1]), rng.uniform(0.4, 0.8))


def sharpen(field: Field, sigma: float, amount: float) -> Field:
    """The field with its details of a size raised."""
    return field + amount * (field - blur(field, sigma))


def posed(rng: np.random.Generator, field: Field, degrees: float, border: int = cv2.BORDER_REFLECT_101) -> Field:
    """The field as a patient lies who isn't straight: turned, shifted, stretched, perhaps mirrored."""
    height, width = field.shape[:2]
    degrees, grow = rng.uniform(-degrees, degrees), rng.uniform(0.92, 1.25)
    turn: Field = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, grow)
    turn[0] *= rng.uniform(0.9, 1.1)
    turn[:, 2] += rng.normal(0, 0.02, 2) * [width, height]
    field = cv2.warpAffine(field.astype(np.float32), turn, (width, height), borderMode=border)
    return np.ascontiguousarray(field[:, ::-1]) if rng.random() < 0.5 else field


def finish(field: Field) -> Picture:
    """The field as bytes."""
    return np.clip(np.rint(field), 0, 255).astype(np.uint8)


def jpegged(picture: Picture, quality: int) -> Picture:
    """The picture after a JPEG of that quality."""
    flag = cv2.IMREAD_COLOR if picture.ndim == 3 else cv2.IMREAD_GRAYSCALE
    ordered = picture[..., ::-1] if picture.ndim == 3 else picture
    done, file = cv2.imencode(".jpg", np.ascontiguousarray(ordered), [cv2.IMWRITE_JPEG_QUALITY, quality])
    back = cv2.imdecode(file, flag)
    if not done or back is None:
        raise ValueError("JPEG failed")
    return np.ascontiguousarray(back[..., ::-1] if picture.ndim == 3 else back).astype(np.uint8)


def collimate(rng: np.random.Generator, field: Field, dark: float = 6) -> Field:
    """Shutters of lead: dark beyond two to four straight edges that need not be parallel to the picture."""
    height, width = field.shape[:2]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    inner = (corners - 0.5) * rng.uniform(0.8, 1.04, 2) + 0.5 + rng.normal(0, 0.01, 2)
    points = at((height, width), jitter(rng, inner, 0.006))
    mask = fill((height, width), points, rng.uniform(0.6, 2.5))
    return field * mask + (1 - mask) * dark
