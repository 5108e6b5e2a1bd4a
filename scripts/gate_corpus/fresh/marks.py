"""Traces on grids, and pictures with marks of a reader or a console that aren't letters."""

from collections.abc import Callable

import cv2
import numpy as np

from scripts.gate_corpus.fresh.bones import limb_radiograph
from scripts.gate_corpus.fresh.contrast import fluoroscopy, mammogram
from scripts.gate_corpus.fresh.ct import ct_body, ct_head
from scripts.gate_corpus.fresh.drawing import (
    Field,
    Picture,
    Shape,
    at,
    blob,
    canvas,
    clouds,
    collimate,
    counts,
    finish,
    grid,
    jpegged,
    mix,
    size,
    stroke,
)
from scripts.gate_corpus.fresh.resonance import mri
from scripts.gate_corpus.fresh.rows import spine_lateral
from scripts.gate_corpus.fresh.thorax import chest_radiograph
from scripts.gate_corpus.fresh.ultrasound import ultrasound_linear, ultrasound_sector

_GROUNDS: tuple[Callable[[np.random.Generator], Picture], ...] = (
    ct_head,
    ct_body,
    mri,
    chest_radiograph,
    mammogram,
    limb_radiograph,
    spine_lateral,
    fluoroscopy,
)
_GROUNDS += (ultrasound_sector, ultrasound_linear)


def _beat(phase: np.ndarray, lead: np.ndarray) -> np.ndarray:
    """One heart beat over a phase of 0 to 1: five humps, whose heights are the lead's."""
    places = np.array([0.18, 0.275, 0.30, 0.325, 0.52])
    widths = np.array([0.03, 0.008, 0.012, 0.010, 0.055])
    beat: np.ndarray = (lead[:, None] * np.exp(-(((phase[None] - places[:, None]) / widths[:, None]) ** 2))).sum(0)
    return beat


def _trace(rng: np.random.Generator, count: int, period: float, lead: np.ndarray) -> np.ndarray:
    steps = np.arange(count)
    drift = 0.08 * np.sin(steps / count * rng.uniform(3, 9) + rng.uniform(0, 6))
    irregular = np.cumsum(1 + 0.04 * rng.standard_normal(count // 20 + 2))
    warped = np.interp(steps, np.linspace(0, count, len(irregular)), irregular / irregular[-1] * count)
    return _beat((warped / period) % 1, lead) + drift + 0.012 * rng.standard_normal(count)


def ecg(rng: np.random.Generator) -> Picture:
    """Leads of an ECG on red or green millimetre paper or as a monitor's glowing lines, with calibration pulses."""
    height, width = shape = size(rng, 420, 760, (1.3, 1.6))
    monitor = rng.random() < 0.3
    small = rng.uniform(5, 9)
    if monitor:
        paper, thin, thick = (4, 8, 10), (14, 26, 30), (22, 44, 48)
        ink = [(80, 255, 120), (255, 230, 80), (90, 220, 255)][int(rng.integers(3))]
    else:
        paper, thin, thick = [
            ((255, 246, 244), (250, 214, 212), (238, 160, 158)),
            ((250, 252, 246), (214, 234, 208), (160, 204, 150)),
            ((252, 252, 252), (228, 228, 228), (190, 190, 190)),
        ][int(rng.integers(3))]
        ink = (20, 20, 40)
    picture = canvas(shape, paper)
    for index in range(int(max(height, width) / small) + 1):
        place = round(index * small)
        colour = thick if index % 5 == 0 else thin
        picture[place : place + 1] = colour
        picture[:, place : place + 1] = colour
    rows, columns = [(4, 1), (3, 4), (6, 2), (1, 1), (3, 1)][int(rng.integers(5))]
    rhythm = columns > 1 and rng.random() < 0.7
    total = rows + rhythm
    period = small * 5 * rng.uniform(2.6, 5)
    for row in range(total):
        base = height * (row + 0.55) / total
        tall = min(height / total * 0.42, small * 13)
        across = 1 if row >= rows else columns
        span = width * 0.94 / across
        for column in range(across):
            lead = np.array([0.13, -0.08, 1.0, -0.22, 0.28]) * rng.uniform(0.5, 1.2, 5)
            if rng.random() < 0.3:
                lead *= -1
            wave = _trace(rng, int(span), period, lead)
            first = width * 0.05 + column * span
            points = np.stack([first + np.arange(int(span)), base - wave * tall], 1)
            width_of = 2 if height > 600 else 1
            cv2.polylines(picture, [np.rint(points * 16).astype(np.int32)], False, ink, width_of, cv2.LINE_AA, 4)
        if not monitor and rng.random() < 0.7:
            pulse = np.array([(0.005, 0), (0.012, 0), (0.012, -1), (0.03, -1), (0.03, 0), (0.042, 0)])
            points = pulse * [width, small * 10] + (0, base)
            cv2.polylines(picture, [np.rint(points).astype(np.int32)], False, ink, 1, cv2.LINE_AA)
    if not monitor and rng.random() < 0.5:
        picture = (
            picture * (1 + 0.02 * clouds(rng, shape, height / 4))[..., None] + 2 * clouds(rng, shape, 0.7)[..., None]
        )
    pictured = finish(picture)
    if rng.random() < 0.25:
        pictured = finish(pictured.mean(2))
    return jpegged(pictured, int(rng.integers(50, 90))) if rng.random() < 0.4 else pictured


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    return [(255, 255, 255), (255, 230, 40), (70, 255, 90), (255, 70, 60), (70, 200, 255)][int(rng.integers(5))]


def _arrow(rng: np.random.Generator, picture: Field) -> Field:
    """A long arrow, or an outlined or a filled arrow head, that points at a place."""
    shape = (picture.shape[0], picture.shape[1])
    tip = at(shape, rng.uniform((0.25, 0.25), (0.75, 0.75)))
    angle = rng.uniform(0, 2 * np.pi)
    back = np.array([np.cos(angle), np.sin(angle)])
    length = shape[0] * rng.uniform(0.05, 0.13)
    colour = _colour(rng)
    if rng.random() < 0.5:
        start = tip + back * length
        corners = (tuple(map(int, start)), tuple(map(int, tip)))
        cv2.arrowedLine(picture, *corners, colour, int(rng.integers(1, 4)), cv2.LINE_AA, tipLength=0.3)
        return picture
    side = np.array([-back[1], back[0]])
    head = np.array(
        [
            tip,
            tip + back * length * 0.5 + side * length * 0.24,
            tip + back * length * 0.4,
            tip + back * length * 0.5 - side * length * 0.24,
        ]
    )
    if rng.random() < 0.6:
        cv2.fillPoly(picture, [np.rint(head).astype(np.int32)], colour, cv2.LINE_AA)
    else:
        cv2.polylines(picture, [np.rint(head).astype(np.int32)], True, colour, 1, cv2.LINE_AA)
    return picture


def _frame(rng: np.random.Generator, picture: Field) -> Field:
    """A box, an ellipse, a free outline or a dashed line around a place."""
    shape = (picture.shape[0], picture.shape[1])
    place = at(shape, rng.uniform((0.3, 0.3), (0.7, 0.7)))
    radii = rng.uniform(0.06, 0.16, 2) * shape[0]
    colour, thick, pick = _colour(rng), int(rng.integers(1, 3)), rng.random()
    if pick < 0.4:
        cv2.rectangle(picture, tuple(map(int, place - radii)), tuple(map(int, place + radii)), colour, thick)
        return picture
    if pick < 0.7:
        points = blob(rng, place, radii, 0.0 if pick < 0.55 else 0.2, rng.uniform(0, 180))
        return mix(picture, colour, stroke(shape, points, thick, 0, True))
    line = np.linspace(place - radii, place + radii * (1, rng.uniform(-1, 1)), 40)
    for first in range(0, 38, 4):
        picture = mix(picture, colour, stroke(shape, line[first : first + 3], thick))
    return picture


def _wedge(rng: np.random.Generator, picture: Field) -> Field:
    """A grey wedge at an edge, even or in steps, with or without ticks."""
    height, width = picture.shape[:2]
    wide = int(width * rng.uniform(0.02, 0.05))
    ramp = np.linspace(255, 0, int(height * rng.uniform(0.4, 0.8)))
    if rng.random() < 0.5:
        ramp = np.floor(ramp / 256 * (steps := int(rng.integers(8, 20)))) * 255 / steps
    top, left = (height - len(ramp)) // 2, int(rng.choice([0.02 * width, width - 1.6 * wide]))
    picture[top : top + len(ramp), left : left + wide] = ramp[:, None, None]
    cv2.rectangle(picture, (left, top), (left + wide, top + len(ramp)), (190, 190, 190), 1)
    if rng.random() < 0.5:
        for y in np.linspace(top, top + len(ramp), int(rng.integers(5, 21))):
            cv2.line(picture, (left - 5, int(y)), (left, int(y)), (220, 220, 220), 1)
    return picture


def _cross(rng: np.random.Generator, picture: Field) -> Field:
    """Thin lines over the whole picture, or ticks of a scale along an edge."""
    height, width = picture.shape[:2]
    if rng.random() < 0.5:
        x, y = (int(n) for n in at((height, width), rng.uniform((0.3, 0.3), (0.7, 0.7))))
        gap = int(rng.choice([0, 12]))
        for first, last in (
            ((0, y), (x - gap, y)),
            ((x + gap, y), (width, y)),
            ((x, 0), (x, y - gap)),
            ((x, y + gap), (x, height)),
        ):
            cv2.line(picture, first, last, _colour(rng), 1)
        return picture
    step = height / rng.uniform(20, 60)
    for index, y in enumerate(np.arange(0.1 * height, 0.9 * height, step)):
        long = 12 if index % 5 == 0 else 6
        cv2.line(picture, (width - 4 - long, int(y)), (width - 4, int(y)), (235, 235, 235), 1)
    return picture


def _phantom(rng: np.random.Generator) -> Picture:
    """A test object: a step wedge, bars ever finer, discs ever fainter, in a collimated field."""
    shape: Shape = size(rng, 400, 900, (0.9, 1.2))
    x, y = grid(shape)
    field = 95 + 30 * (x - 0.5) + 12 * (y - 0.5)
    field = np.where((x > 0.1) & (x < 0.22) & (y > 0.1) & (y < 0.9), 20 + 25 * np.floor((y - 0.1) / 0.089), field)
    for index in range(7):
        left, period = 0.32 + 0.085 * index, 0.02 / (1 + 0.7 * index)
        bars = np.sign(np.sin(2 * np.pi * y / period)) * (np.abs(x - left - 0.03) < 0.03) * (np.abs(y - 0.25) < 0.12)
        field = field + 55 * bars
        for row in range(3):
            disc = np.hypot((x - left - 0.03) * shape[1], (y - 0.55 - 0.12 * row) * shape[0]) / shape[0]
            field = field + (45 / (1 + index)) * (disc < 0.032 - 0.008 * row)
    return finish(counts(rng, collimate(rng, field.astype(np.float32)), rng.uniform(2, 6)))


def marks(rng: np.random.Generator, test_object: float = 0.1) -> Picture:
    """Arrows, boxes and outlines around lesions, grey wedges and cross lines on any picture, or a test object."""
    if rng.random() < test_object:
        return _phantom(rng)
    ground = _GROUNDS[int(rng.integers(len(_GROUNDS)))](rng)
    picture = ground if ground.ndim == 3 else np.repeat(ground[..., None], 3, 2)
    drawn: Field = np.ascontiguousarray(picture.astype(np.float32))
    tools = [_arrow, _frame, _wedge, _cross]
    for index in rng.choice(4, int(rng.integers(1, 5)), p=[0.5, 0.3, 0.12, 0.08]):
        drawn = np.ascontiguousarray(tools[index](rng, drawn), np.float32)
    done = finish(drawn)
    if rng.random() < 0.3:
        done = finish(done.mean(2))
    return jpegged(done, int(rng.integers(45, 85))) if rng.random() < 0.4 else done
