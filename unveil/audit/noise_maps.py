"""Whether the noise of visual pairs hides the lesion and little else, and whether the pairs' images can be read at all.

Shapes: H, W pixels.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unveil.audit import duplicates
from unveil.audit.checks import AuditInput, Check, ImageFile, counted, estimate
from unveil.core import digests, image_files, pixels
from unveil.core.console import progress
from unveil.core.geometry import coverage, decode_mask
from unveil.core.records import Finding, Pair, Record

LARGE = 0.5
"""A map over a larger share of the image is not local; ``curate noise`` sets such pairs aside."""
TOUCHED = 0.1
"""A lesion counts as touched where the map is as large as this on average over it."""


def read_images(paths: Iterable[Path]) -> dict[Path, ImageFile]:
    """Each image file read once, by threads: decoders work outside Python's lock."""
    distinct = list(dict.fromkeys(paths))
    images = {}
    with ThreadPoolExecutor() as pool, progress("images", len(distinct)) as advance:
        for path, look in zip(distinct, pool.map(_read_image, distinct), strict=True):
            images[path] = look
            advance()
    return images


def _read_image(path: Path) -> ImageFile:
    try:
        array = pixels.to_rgb(image_files.read(path))
        height, width = array.shape[:2]
        seen = hashlib.sha256(f"{width} x {height}".encode() + array.tobytes()).hexdigest()
        hashes, small = duplicates.prints(array)
        return ImageFile((width, height), digests.sha256(path), seen, hashes.tobytes(), small.tobytes())
    except (pixels.ImageError, OSError) as error:
        return ImageFile(problem=str(error))


def images(material: AuditInput) -> Check:
    """Pairs with an image on either side that is missing or cannot be read."""
    problems = {
        pair.id: problem
        for pair in material.pairs
        for worse in (True, False)
        if (problem := material.images[material.image(pair, worse)].problem)
    }
    message = f"An image is missing or cannot be read: {next(iter(problems.values()), '')}"
    title = "Image missing or unreadable"
    return counted(
        "image", title, message, list(problems), material.pairs, material, "error", figures={"problems": problems}
    )


@dataclass(frozen=True)
class Cover:
    """What the map of one pair covers. ``touched`` is its mean over the annotated lesion that it covers best, ``aim``
    the share of its mass on lesions over their share of the image; None where there is nothing to compare with."""

    pair: Pair
    share: float
    touched: float | None = None
    aim: float | None = None
    problem: str | None = None


def maps(material: AuditInput) -> list[Check]:
    """The checks of noised pairs; those whose whole image is noised are meant so and stand apart."""
    noised = [pair for pair in material.pairs if pair.rejected_noise]
    whole = [pair.id for pair in noised if pair.rejected_noise and pair.rejected_noise.map.whole]
    covers = [cover(pair, material) for pair in noised if pair.id not in set(whole)]
    sound = [c for c in covers if not c.problem]
    placed = [c for c in sound if c.touched is not None and c.share > 0]
    problems = {c.pair.id: c.problem for c in covers if c.problem}
    return [
        counted(
            "map_unfit",
            "Map of another image",
            f"The map cannot be laid over its image: {next(iter(problems.values()), '')}",
            list(problems),
            [c.pair for c in covers],
            material,
            "error",
            figures={"problems": problems},
        ),
        counted(
            "map_empty",
            "Empty map",
            "Nothing is noised: both sides show the same picture.",
            [c.pair.id for c in sound if c.share == 0],
            [c.pair for c in sound],
            material,
        ),
        counted(
            "map_large",
            "Map over most of the image",
            f"The map covers more than {LARGE:.0%} of its image: the noise is not local.",
            [c.pair.id for c in sound if c.share > LARGE],
            [c.pair for c in sound],
            material,
            series={"maps": [c.share for c in sound]},
            figures=_spread(sound),
        ),
        _missed(placed, [c for c in sound if c.share > 0], material),
        counted(
            "map_whole",
            "Whole image noised",
            "The whole image is noised: global noise, as MMedPO compares with.",
            whole,
            noised,
            material,
            "note",
        ),
    ]


def cover(pair: Pair, material: AuditInput) -> Cover:
    """What the map of a noised pair covers; the share as it was stored where the image cannot be read."""
    noise, look = pair.rejected_noise, material.images[material.image(pair, worse=True)]
    assert noise is not None
    if look.problem:
        return Cover(pair, noise.share)
    width, height = look.size
    try:
        h_HW = noise.map.values(width, height)
    except (ValueError, KeyError, TypeError) as error:
        return Cover(pair, noise.share, problem=str(error) or repr(error))
    share, record = float(h_HW.mean()), material.record(pair)
    own = record is not None and record.size == look.size and material.content(pair) == material.content(pair, True)
    if not (own and record and (lesions := list(regions(record)))) or share == 0:
        return Cover(pair, share)
    anywhere_HW = np.maximum.reduce(lesions)
    touched = max(float((h_HW * lesion).sum() / lesion.sum()) for lesion in lesions)
    return Cover(pair, share, touched, float((h_HW * anywhere_HW).sum() / h_HW.sum() / anywhere_HW.mean()))


def regions(record: Record) -> Iterable[NDArray[np.float64]]:
    """Where each annotated lesion is, (H, W) in [0, 1]: its mask, else its box."""
    for finding in record.findings:
        region = _region(finding, record)
        if region is not None and region.any():
            yield region


def _region(finding: Finding, record: Record) -> NDArray[np.float64] | None:
    if finding.mask and tuple(finding.mask["size"]) == (record.height, record.width):
        return decode_mask(finding.mask).astype(float)
    return coverage(finding.box, record.height, record.width, record.width, record.height) if finding.box else None


def _spread(covers: Sequence[Cover]) -> dict[str, float]:
    """Quantiles of the covered shares."""
    if not covers:
        return {}
    names = {"median": 50, "percentile_95": 95, "largest": 100}
    shares = [c.share for c in covers]
    return {f"covered_{name}": round(float(np.percentile(shares, q)), 4) for name, q in names.items()}


def _missed(placed: Sequence[Cover], all_covers: Sequence[Cover], material: AuditInput) -> Check:
    title = "Map beside the lesion"
    if not placed:
        why = "Annotated lesions are needed: give --records." if material.records is None else "No map has a lesion."
        return Check("map_missed", title, "skipped", why if all_covers else "There are no pairs of this kind.")
    ids = [c.pair.id for c in placed if c.touched is not None and c.touched < TOUCHED]
    aims = [c.aim for c in placed if c.aim is not None]
    aim = estimate(aims, [material.cluster(c.pair) for c in placed], material.seed, high=math.inf)
    message = "The map touches no annotated lesion of its image: what made it may not know this kind of image."
    examined = [c.pair for c in placed]
    return counted("map_missed", title, message, ids, examined, material, figures={"mass_on_lesions_over_chance": aim})
