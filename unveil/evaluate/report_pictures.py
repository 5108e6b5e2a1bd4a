"""What the report shows as pictures: answers as boxes over thumbnails, which of them are shown, and curves as paths.

Boxes are not burnt into the thumbnails but drawn over them by the page, so they stay sharp and can be switched off.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unveil.core import phrases
from unveil.core.answers import parse
from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.geometry import Box, clip
from unveil.core.grading import Outcome
from unveil.core.image_files import read
from unveil.core.names import normal
from unveil.core.pixels import ImageError
from unveil.core.records import Dialogue, Prediction, Record

POINTS = 240  # more would not be seen in a small curve


@dataclass(frozen=True)
class BoxMark:
    """One box over a picture. ``box`` is in the picture's frame; the rest are percentages of it, for the name tag."""

    kind: Literal["true", "predicted"]
    box: Box
    label: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def place(self) -> str:
        """Where the tag hangs, as CSS: true names on the box, predicted ones under it, always inside the picture."""
        across = f"left:{self.left:.1f}%" if self.left + self.right < 110 else f"right:{100 - self.right:.1f}%"
        if self.kind == "true":
            return f"{across};" + (f"bottom:{100 - self.top:.1f}%" if self.top > 8 else f"top:{self.top:.1f}%")
        return f"{across};" + (f"top:{self.bottom:.1f}%" if self.bottom < 92 else f"bottom:{100 - self.bottom:.1f}%")


@dataclass(frozen=True)
class Picture:
    """A thumbnail with its boxes. ``url`` is None when there is no picture to show; then ``problem`` says why."""

    url: str | None
    problem: str | None
    width: int
    height: int
    alt: str
    marks: tuple[BoxMark, ...] = ()


def picture(
    record: Record,
    path: Path,
    true: Iterable[tuple[str, Box]],
    predicted: Iterable[tuple[str, Box]] = (),
    longest: int = 384,
) -> Picture:
    """A record's image with true and predicted boxes. An image that cannot be shown is said so, never replaced."""
    marks = tuple(
        _mark(kind, label, box, record.size)
        for kind, pairs in (("true", true), ("predicted", predicted))
        for label, box in pairs
    )
    url, problem = _shown(path, longest)
    return Picture(url, problem, record.width, record.height, _alt(record, marks), marks)


def of_pixels(
    record: Record,
    pixels_HW3: NDArray[np.uint8],
    true: Iterable[tuple[str, Box]],
    predicted: Iterable[tuple[str, Box]] = (),
    longest: int = 256,
) -> Picture:
    """What was shown in place of a record's image, of its size, with boxes."""
    pairs = [("true", true), ("predicted", predicted)]
    marks = tuple(_mark(kind, label, box, record.size) for kind, of in pairs for label, box in of)
    image = Image.fromarray(pixels_HW3)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return Picture(_url(image), None, record.width, record.height, _alt(record, marks), marks)


def heated(
    record: Record, path: Path, true: Iterable[tuple[str, Box]], map_HW: Sequence[Sequence[float]], longest: int = 384
) -> Picture:
    """A record's image in grey with a map of cells from 0 to 1 over it in red, and its true boxes."""
    plain = picture(record, path, true, longest=longest)
    if plain.url is None:
        return plain
    grey = Image.fromarray(read(path).array).convert("L")
    grey.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    heat = Image.fromarray((255 * np.asarray(map_HW)).astype(np.uint8)).resize(grey.size, Image.Resampling.BILINEAR)
    red = Image.new("RGB", grey.size, (235, 64, 32))
    return replace(plain, url=_url(Image.composite(red, grey.convert("RGB"), heat.point(lambda v: int(0.75 * v)))))


def _mark(kind: Any, label: str, box: Box, size: tuple[int, int]) -> BoxMark:
    (x1, y1, x2, y2), (width, height) = clip(box, *size), size
    return BoxMark(
        kind, (x1, y1, x2, y2), label, 100 * x1 / width, 100 * y1 / height, 100 * x2 / width, 100 * y2 / height
    )


def _alt(record: Record, marks: Sequence[BoxMark]) -> str:
    """The picture in words, for readers who do not see it."""

    def where(mark: BoxMark) -> str:
        across, down = (mark.left + mark.right) / 2, (mark.top + mark.bottom) / 2
        column = "left" if across < 40 else "right" if across > 60 else "middle"
        row = "upper" if down < 40 else "lower" if down > 60 else "central"
        return f"{mark.kind} box{f' ({mark.label})' if mark.label else ''} in the {row} {column} of the image"

    return f"{record.modality or 'Image'} {record.id}: {'; '.join(map(where, marks)) or 'no boxes'}"


def _shown(path: Path, longest: int) -> tuple[str | None, str | None]:
    if not path.is_file():
        return None, f"Image missing: {path.name}"
    try:
        return thumbnail(path, longest), None
    except ImageError as error:
        return None, f"Image unreadable: {error}"


@lru_cache(maxsize=64)
def thumbnail(path: Path, longest: int) -> str:
    """The image, made smaller so that its longest side has at most ``longest`` pixels, as a WebP data URL."""
    image = Image.fromarray(read(path).array)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return _url(image)


def _url(image: Image.Image) -> str:
    """A picture as a WebP data URL."""
    out = io.BytesIO()
    image.save(out, "WEBP", quality=84, method=4)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")


# -------------------------------------------------------------------------------------------------------- answers


Boxes = list[tuple[str, Box]]


def true_boxes(dialogue: Dialogue, record: Record) -> Boxes:
    """The boxes that a right answer gives, with their names; a report gives none."""
    if dialogue.kind == "report":
        return []
    if dialogue.kind == "grounding":
        return [("", box) for box in phrases.boxes(phrases.of_phrase(record.findings, dialogue.target or "")) or ()]
    asked = normal(dialogue.target or "") if dialogue.kind == "localisation" else None
    return [(f.label, f.box) for f in record.boxed if f.box and asked in (None, normal(f.label))]


def said_boxes(dialogue: Dialogue, record: Record, prediction: Prediction, names: Sequence[str]) -> Boxes:
    """The boxes of an answer, read with the parser that metrics and rewards use; "" where a box has no name."""
    view = View(BOX_FORMATS[prediction.box_format], record.size, prediction.frame)
    said = parse(dialogue.kind, prediction.answer, view, names, dialogue.target, dialogue.choices)
    return [(name or "", box) for name, box in said.findings if box]


def examples(outcomes: Mapping[str, Outcome], each: int, seed: int) -> dict[str, list[str]]:
    """Ids of the questions whose pictures are shown: best, worst and random of one model's outcomes by id.

    Best and worst go by IoU, and a false alarm where nothing is there counts as 0; equals are ordered by ``seed``, not
    by hand. Random is drawn from all and may repeat one of the others: first some with a finding, then one in four
    without, or more where findings are few.
    """
    rng = np.random.default_rng(seed)
    ids = [list(outcomes)[i] for i in rng.permutation(len(outcomes))]
    iou = {i: v for i in ids if (v := _fit(outcomes[i])) is not None}
    best = sorted((i for i in iou if iou[i] > 0), key=lambda i: -iou[i])
    best = best[: min(each, (len(best) + 1) // 2)]
    worst = [i for i in sorted(iou, key=iou.__getitem__) if i not in best][:each]
    drawn = [ids[i] for i in rng.permutation(len(ids))]
    found = [i for i in drawn if outcomes[i].iou is not None]  # where there is something to find
    bare = [i for i in drawn if outcomes[i].iou is None]
    bare = bare[: max(each // 4, each - len(found))]
    return {"random": [*found[: each - len(bare)], *bare], "best": best, "worst": worst}


def _fit(outcome: Outcome) -> float | None:
    return 0.0 if outcome.iou is None and "false alarm" in outcome.failures else outcome.iou


# --------------------------------------------------------------------------------------------------------- curves


@dataclass(frozen=True)
class Line:
    """One series of a chart as the ``d`` of an SVG path in a box of 100 by 100, y downwards."""

    name: str
    path: str
    last: float
    dotted: bool = False


@dataclass(frozen=True)
class Chart:
    """A small chart with the ranges that its edges stand for. ``skipped`` counts values that are not finite numbers."""

    title: str
    lines: tuple[Line, ...]
    low: float
    high: float
    first: float
    last: float
    skipped: int


#: What is drawn first, and what together; every other column of a metrics file gets a chart of its own.
TOGETHER = (
    ("loss", "val_loss"),
    ("val_accuracy", "val_iou"),
    ("reward_accuracy", "val_reward_accuracy"),
    ("reward",),
    ("localisation",),
    ("vision",),
    ("relevance",),
    ("entropy",),
    ("kl",),
)
NAMES = {
    "loss": "Loss (training)",
    "val_loss": "Loss (validation)",
    "lr": "Learning rate",
    "tokens_per_s": "Tokens per second",
    "answer_tokens_per_s": "Answer tokens per second",
    "reward": "Reward of sampled answers",
    "localisation": "Reward for the place",
    "vision": "Reward for attention",
    "relevance": "Reward for relevance",
    "val_accuracy": "Right names (validation, greedy)",
    "val_iou": "IoU (validation, greedy)",
    "reward_accuracy": "Reward accuracy (training)",
    "val_reward_accuracy": "Reward accuracy (validation)",
    "val_score": "Merit (validation, greedy)",
    "val_diagnosis_specificity": "Specificity (validation, greedy)",
    "val_unusable": "Unusable answers (validation, greedy)",
    "entropy": "Entropy per token",
    "kl": "Distance from the reference (KL)",
    "grad_norm": "Size of the gradient",
}


TITLES = {"loss": "Loss", "reward_accuracy": "Reward accuracy", "val_accuracy": "Validation, greedy answers"}


def charts(rows: Sequence[dict[str, Any]], most: int = 8) -> list[Chart]:
    """The columns of a metrics file over its steps: the loss first, then the others in the order of the file."""
    numeric = [k for k in dict.fromkeys(k for row in rows for k in row) if k != "step" and _is_numeric(rows, k)]
    joined = [tuple(k for k in group if k in numeric) for group in TOGETHER]
    alone = [(k,) for k in numeric if not any(k in group for group in joined)]
    made = (chart(rows, group) for group in [*filter(None, joined), *alone])
    return [c for c in made if c is not None][:most]


def _is_numeric(rows: Sequence[dict[str, Any]], key: str) -> bool:
    held = [row[key] for row in rows if row.get(key) is not None]
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in held)


def chart(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> Chart | None:
    """Some columns in one frame, or None if they hold no finite number."""
    steps = [(float(row.get("step", i)), row) for i, row in enumerate(rows)]
    raw = {k: [(x, float(row[k])) for x, row in steps if row.get(k) is not None] for k in keys}
    series = {k: [(x, y) for x, y in points if math.isfinite(y)] for k, points in raw.items()}
    every = [point for points in series.values() for point in points]
    if not every:
        return None
    xs, ys = zip(*every, strict=True)
    low, high = min(ys), max(ys)
    frame = min(xs), max(xs), low, high
    lines = tuple(_line(k, points, frame, dotted=i > 0) for i, (k, points) in enumerate(series.items()) if points)
    skipped = sum(map(len, raw.values())) - len(every)
    title = TITLES.get(keys[0], lines[0].name) if len(lines) > 1 else lines[0].name
    return Chart(title, lines, low, high, min(xs), max(xs), skipped)


def _line(key: str, points: list[tuple[float, float]], frame: tuple[float, ...], dotted: bool) -> Line:
    first, last, low, high = frame
    thin = [np.mean(part, axis=0) for part in np.array_split(np.array(points), min(len(points), POINTS))]
    across, up = 100 / ((last - first) or 1.0), 100 / ((high - low) or 1.0)
    ground = 100 if high > low else 50  # a value that never changes lies in the middle
    spots = [f"{(x - first) * across:.2f},{ground - (y - low) * up:.2f}" for x, y in thin]
    path = "M" + "L".join(spots if len(spots) > 1 else spots * 2)
    return Line(NAMES.get(key, key.replace("_", " ").capitalize()), path, points[-1][1], dotted)
