"""What a model is shown in place of an image, to tell whether it looks at it: six ways to take the image away.

``blank`` is mid-grey and tells the image's size alone. ``noise`` is Gaussian with the image's own mean and covariance
of channels. ``shuffled`` has its patches in another order, as in Naseer et al. 2021 (arXiv 2105.10497, section 3.3).
``other-patient`` is an image of somebody else with the same modality and split (``deranged``), drawn out to the size of
the own one, so that boxes in questions and answers mean the same places. ``lesion-hidden`` fills the lesion from what
surrounds it, ``elsewhere-hidden`` an equal area beside it, which is the control, and ``lesion-only`` is blank but for
the lesion.

The noise of ``lesion_noise`` is not used here: after 500 steps it leaves 74 % of the variance to the lesion, and after
1000 a patch of noise that tells where something was.

Shapes: H, W pixels of the image, 3 channels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unveil.core.geometry import scale
from unveil.core.lesion_noise import GRAIN
from unveil.core.lesion_region import elsewhere, filled, lacks, region
from unveil.core.pixels import ImageError
from unveil.core.records import Record, Shown
from unveil.core.sampling import seed_of

GREY = 127
"""Of a blank image: what pictures are padded with, too."""
PATCHES = 16
"""Patches along the longer side of a shuffled image."""
LESION: tuple[Shown, ...] = ("lesion-hidden", "elsewhere-hidden", "lesion-only")
"""What is shown of images with a lesion only."""
OF_RECORDS: tuple[Shown, ...] = ("other-patient", *LESION)
"""What cannot be shown without records."""
NO_OTHER = "no other patient has an image of this modality in this split"
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Altered:
    """What is shown of some records' images: which records take part, and why others do not."""

    shown: Shown
    seed: int
    records: Mapping[str, Record]
    """Those that take part, by id; of what needs no records, none need be known."""
    others: Mapping[str, Record]
    """Of which record the image is shown instead, by the id of the own one; for ``other-patient`` alone."""
    left_out: Mapping[str, str]
    """Why a record takes no part, by id."""

    def takes(self, record: str) -> bool:
        """Whether a record, by its id, takes part."""
        return record in self.records or self.shown not in OF_RECORDS

    def pixels(self, record: str, own_HW3: Pixels, other_HW3: Pixels | None = None) -> Pixels:
        """What is shown in place of the image of a record, by its id: uint8 (H, W, 3), of the own image's size.

        ``other_HW3`` is the image of ``others[record]``. A record that takes no part is not asked for. Raises
        ``ImageError`` for an image of another size than its record's where lesions are to be found in it.
        """
        rng = np.random.default_rng(seed_of(self.seed, self.shown, record))
        if self.shown == "own":
            return own_HW3
        if self.shown == "other-patient":
            assert other_HW3 is not None
            return _drawn_out(other_HW3, own_HW3.shape[1], own_HW3.shape[0])
        if self.shown in LESION:
            return _of_lesion(self.shown, self.records[record], own_HW3, rng)
        return {"blank": _blank, "noise": _noise, "shuffled": _shuffled}[self.shown](own_HW3, rng)


def altered(shown: Shown, records: Iterable[Record], seed: int = 0) -> Altered:
    """What is to be shown of the images of these records, drawn from ``seed`` and the records' ids alone."""
    rows = {record.id: record for record in records}
    others: dict[str, Record] = {}
    left_out: dict[str, str] = {}
    if shown == "other-patient":
        others = deranged(rows.values(), seed)
        left_out = {name: NO_OTHER for name in rows if name not in others}
    elif shown in LESION:
        left_out = {name: why for name, record in rows.items() if (why := lacks(record))}
    taking = {name: record for name, record in rows.items() if name not in left_out}
    return Altered(shown, seed, taking, others, left_out)


def perhaps_one_person(record: Record, other: Record | None) -> bool:
    """Whether nothing tells that a record and the ``other`` one, shown in its place, are of two patients."""
    return other is not None and (record.patient is None or other.patient is None)


def deranged(records: Iterable[Record], seed: int) -> dict[str, Record]:
    """For each record one of another patient (``Record.cluster``) with the same modality and split, where there is one.

    Patients stand in a drawn order and each image gets the one so many places further that no patient can meet itself:
    as many as the images of the patient with the most. Then each image is shown once. Where one patient has more than
    half of the images, those which would meet their own get a drawn one of others.
    """
    groups: dict[tuple[str | None, str | None], dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in sorted(records, key=lambda r: r.id):
        groups[record.modality, record.split][record.cluster].append(record)
    found: dict[str, Record] = {}
    for (modality, split), clusters in groups.items():
        rng = np.random.default_rng(seed_of(seed, "other-patient", modality, split))
        names = sorted(clusters)
        order = [record for i in rng.permutation(len(names)) for record in clusters[names[i]]]
        step = max(map(len, clusters.values()))
        for i, record in enumerate(order):
            other = order[(i + step) % len(order)]
            strangers = (
                [r for r in order if r.cluster != record.cluster] if other.cluster == record.cluster else [other]
            )
            if strangers:
                found[record.id] = strangers[int(rng.integers(len(strangers)))]
    return found


def as_shown(record: Record, shown: Shown, other: Record | None) -> Record | None:
    """What is true of what was shown in a record's place, in the own image's pixels; None where nobody can say.

    Of a hidden lesion nothing is left to be found; of another patient's image its findings, moved as its pixels are.
    """
    if shown in ("own", "elsewhere-hidden"):
        return record
    if shown == "lesion-hidden":
        return replace(record, findings=())
    if shown != "other-patient" or other is None:
        return None
    moved = tuple(
        replace(f, box=scale(f.box, other.size, record.size) if f.box else None, mask=None) for f in other.findings
    )
    return replace(other, width=record.width, height=record.height, findings=moved)


# ------------------------------------------------------------------------------------------------------------- pixels


def _blank(own_HW3: Pixels, _: np.random.Generator) -> Pixels:
    return np.full_like(own_HW3, GREY)


def _noise(own_HW3: Pixels, rng: np.random.Generator) -> Pixels:
    """Noise with the image's mean and the covariance of its channels, so that a grey image stays grey.

    Its cells are as large as those of lesion noise: the noise of single pixels averages out where models look at images
    made smaller.
    """
    height, width = own_HW3.shape[:2]
    cell = max(1, round(max(height, width) / GRAIN))
    flat = own_HW3.reshape(-1, 3).astype(float)
    values, axes = np.linalg.eigh(np.cov(flat, rowvar=False, bias=True))
    eps = rng.standard_normal((-(-height // cell), -(-width // cell), 3)) * np.sqrt(values.clip(0)) @ axes.T
    noise = eps.repeat(cell, 0).repeat(cell, 1)[:height, :width] + flat.mean(0)
    shown_HW3: Pixels = np.clip(np.rint(noise), 0, 255).astype(np.uint8)
    return shown_HW3


def _shuffled(own_HW3: Pixels, rng: np.random.Generator) -> Pixels:
    """The patches in a drawn order. Where they do not divide the image, they differ by a pixel at the most, and the
    last row or column of a smaller one is repeated."""
    height, width = own_HW3.shape[:2]
    side = max(height, width) / PATCHES
    edges = [np.rint(np.linspace(0, n, max(1, round(n / side)) + 1)).astype(int) for n in (height, width)]
    places = [(y, x) for y in range(len(edges[0]) - 1) for x in range(len(edges[1]) - 1)]
    shown_HW3 = np.empty_like(own_HW3)
    for to, of in zip(places, rng.permutation(len(places)), strict=True):
        spots = [_spots(edges[axis], to[axis], places[of][axis]) for axis in (0, 1)]
        shown_HW3[np.ix_(spots[0][0], spots[1][0])] = own_HW3[np.ix_(spots[0][1], spots[1][1])]
    return shown_HW3


def _spots(edges: NDArray[np.int_], to: int, of: int) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """The pixels of one patch along one axis, and those of another that come there."""
    here = np.arange(edges[to], edges[to + 1])
    return here, np.minimum(edges[of] + np.arange(len(here)), edges[of + 1] - 1)


def _drawn_out(other_HW3: Pixels, width: int, height: int) -> Pixels:
    resized = Image.fromarray(other_HW3).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def _of_lesion(shown: Shown, record: Record, own_HW3: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = own_HW3.shape[:2]
    if (width, height) != record.size:
        told = f"{record.image} has {width} x {height} pixels, its record {record.width} x {record.height}"
        raise ImageError(f"{told}, so nobody knows where its lesion is: ingest it again")
    lesion_HW = region(record, width, height)
    if shown == "lesion-only":
        only_HW3 = np.full_like(own_HW3, GREY)
        only_HW3[lesion_HW] = own_HW3[lesion_HW]
        return only_HW3
    hidden_HW3 = filled(own_HW3, lesion_HW)
    if shown == "lesion-hidden":
        return hidden_HW3
    return filled(own_HW3, elsewhere(record, lesion_HW, hidden_HW3, rng))
