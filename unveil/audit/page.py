"""The page of an audit: verdicts, small histograms, and some of the pairs at fault with their pictures.

The page holds its pictures and its style, loads nothing from anywhere and runs no script; every text from outside is
escaped. A picture that cannot be shown is said so.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from unveil import __version__
from unveil.audit.checks import AuditInput, Check, Figure
from unveil.audit.noise_maps import LARGE, regions
from unveil.audit.pairs import CEILING, FLOOR, Audit
from unveil.core import image_files, lesion_noise, pixels
from unveil.core.files import write_text
from unveil.core.records import Pair, Record
from unveil.core.sampling import seed_of

LONGEST = 320  # pixels of a picture's longer side
BARS = 24
TINT = np.array([255, 120, 0])  # of a map over its image
LESION = (63, 208, 255)
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class PairPicture:
    """An image as a data URL, or why there is none."""

    caption: str
    url: str | None
    problem: str | None = None


@dataclass(frozen=True)
class Card:
    """One pair as it is shown; an answer is a list of (text, whether the other side lacks it)."""

    pair: Pair
    pictures: tuple[PairPicture, ...]
    chosen: tuple[tuple[str, bool], ...]
    rejected: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Histogram:
    """Bars of several series in one frame, as shares of the largest bar in percent; ``marks`` are lines with a name."""

    title: str
    low: str
    high: str
    series: tuple[tuple[str, int, tuple[float, ...]], ...]
    """Name, n and bars."""
    marks: tuple[tuple[float, str], ...] = ()


def write_page(found: Audit, material: AuditInput, path: Path, limit: int) -> Path:
    """Writes the page; ``limit`` examples of each finding are shown, drawn by the material's seed."""
    template = files("unveil.audit").joinpath("page.html.j2").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    by_id = {pair.id: pair for pair in material.pairs}
    page = environment.from_string(template).render(
        audit=found,
        file=material.file.name,
        version=__version__,
        told=[(check, list(_cards(check, by_id, material, limit)), figures(check)) for check in found.told],
        histograms=list(histograms(found)),
        records=material.records is not None,
        synthetic=any(r.source.dataset == "synthetic" for r in (material.records or {}).values()),
        bound=sorted(
            {r.source.dataset for r in (material.records or {}).values() if r.source.access not in (None, "open")}
        ),
    )
    return write_text(path, page)


def figures(check: Check) -> list[tuple[str, str]]:
    """A check's estimates by name, with n and clusters."""
    held = [(name, f) for name, f in check.figures.items() if isinstance(f, Figure)]
    units = {name: " times" if name.endswith("over_chance") else " %" for name, _ in held}
    named = [(name.replace("_", " "), f"{f.text(units[name])}, n {f.n}, {f.clusters} groups") for name, f in held]
    telling = check.figures.get("telling", {})
    return named + [(f"words for the {side}", ", ".join(words)) for side, words in telling.items()]


# ---------------------------------------------------------------------------------------------------------- examples


def _cards(check: Check, by_id: Mapping[str, Pair], material: AuditInput, limit: int) -> Iterator[Card]:
    ids = [i for i in check.ids or check.examples if i in by_id]
    order = np.random.default_rng(seed_of(material.seed, check.name)).permutation(len(ids))
    for i in sorted(order[:limit]):
        pair = by_id[ids[i]]
        chosen, rejected = differing(pair.chosen, pair.rejected)
        yield Card(pair, tuple(pictures(pair, material)), chosen, rejected)


Pieces = tuple[tuple[str, bool], ...]


def differing(one: str, other: str) -> tuple[Pieces, Pieces]:
    """Both texts in pieces, marked where the other one has something else."""
    a, b = (re.findall(r"<[^<>]*>|\w+|\s+|[^\w\s]", text) for text in (one, other))
    steps = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    left = tuple(("".join(a[i:j]), step != "equal") for step, i, j, _, _ in steps if j > i)
    return left, tuple(("".join(b[i:j]), step != "equal") for step, _, _, i, j in steps if j > i)


def pictures(pair: Pair, material: AuditInput) -> Iterator[PairPicture]:
    """What the two sides look at: the image, with the map and the annotated lesion over it, and the worse side's."""
    record = material.record(pair)
    if pair.rejected_noise is None:
        yield _shown("Both sides" if not pair.other else "Better side", material.image(pair), record)
        if pair.other:
            yield _shown("Worse side", material.image(pair, worse=True))
        return
    yield _shown("Better side", material.image(pair), record)
    worse = material.image(pair, worse=True)
    yield _shown("Map", worse, record, pair.rejected_noise, lambda a, n: over(a, n.map))
    yield _shown("Worse side", worse, None, pair.rejected_noise, lesion_noise.apply)


def over(array_HW3: Bytes, where: lesion_noise.LesionMap) -> Bytes:
    """The image with a map laid over it."""
    height, width = array_HW3.shape[:2]
    h = where.values(width, height)[..., None] * 0.6
    return np.rint(array_HW3 * (1 - h) + TINT * h).astype(np.uint8)


def _shown(
    caption: str, path: Path, record: Record | None = None, made: lesion_noise.Noise | None = None, change: Any = None
) -> PairPicture:
    if not path.is_file():
        return PairPicture(caption, None, f"Image missing: {path.name}")
    try:
        array = _read(path)
        lesions = outlines(record) if record and record.size == array.shape[1::-1] else []
        return PairPicture(caption, _url(change(array, made) if change else array, lesions))
    except (pixels.ImageError, lesion_noise.NoiseError, ValueError, KeyError, TypeError) as error:
        return PairPicture(caption, None, f"Cannot be shown: {error}")


@lru_cache(maxsize=16)
def _read(path: Path) -> Bytes:
    return pixels.to_rgb(image_files.read(path))


def outlines(record: Record) -> list[tuple[float, float, float, float]]:
    """A box around each annotated lesion."""
    found = []
    for region_HW in regions(record):
        rows, columns = np.flatnonzero(region_HW.any(1)), np.flatnonzero(region_HW.any(0))
        found.append((float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)))
    return found


def _url(array_HW3: Bytes, boxes: Sequence[tuple[float, ...]]) -> str:
    """A WebP data URL, made smaller, with boxes drawn after that so that their lines stay sharp."""
    image = Image.fromarray(array_HW3)
    height, width = array_HW3.shape[:2]
    factor = LONGEST / max(width, height)
    image = image.resize((max(1, round(width * factor)), max(1, round(height * factor))), Image.Resampling.LANCZOS)
    for box in boxes:
        ImageDraw.Draw(image).rectangle([v * factor for v in box], outline=LESION, width=2)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=84, method=4)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")


# -------------------------------------------------------------------------------------------------------- histograms


def histograms(found: Audit) -> Iterator[Histogram]:
    """Lengths, weights and shares under maps, of what there is."""
    if any(lengths := found.check("length").series.values()):
        longest = float(np.percentile(np.concatenate([*map(np.asarray, lengths)]), 99))
        series = {f"{name} answers": values for name, values in found.check("length").series.items()}
        yield histogram("Words in an answer", series, 0, max(BARS, np.ceil(longest / BARS) * BARS))
    kinds = {f"{kind} pairs": values for kind, values in found.check("weights").series.items() if values}
    highest = max([1.5, *(v for values in kinds.values() for v in values)])
    yield histogram("Weight of a pair", kinds, 0, highest, [(FLOOR, "floor"), (CEILING, "ceiling")])
    if any(maps := found.check("map_large").series.values()):
        yield histogram(
            "Share of the image under the map",
            {"maps": [100 * v for [*of] in maps for v in of]},
            0,
            100,
            [(100 * LARGE, "half")],
            "%",
        )


def histogram(
    title: str,
    series: Mapping[str, Sequence[float]],
    low: float,
    high: float,
    marks: Sequence[tuple[float, str]] = (),
    unit: str = "",
) -> Histogram:
    """Values above ``high`` are counted in the last bar."""
    bars = {name: np.histogram(np.minimum(of, high), BARS, (low, high))[0] for name, of in series.items()}
    most = max((int(of.max()) for of in bars.values()), default=0) or 1
    heights = tuple((name, len(series[name]), tuple((100 * of / most).round(2).tolist())) for name, of in bars.items())
    over = any(v > high for of in series.values() for v in of)
    places = tuple((100 * (value - low) / (high - low), name) for value, name in marks)
    return Histogram(title, f"{low:g}{unit}", f"{high:g}{unit}{' and more' if over else ''}", heights, places)
