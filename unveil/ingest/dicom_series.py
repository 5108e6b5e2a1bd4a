"""DICOM series: their images in order, found by their UIDs or by where they lie; only headers are read.

The objects that annotate them (segmentations, structure sets, reports) are told by their SOP class in the first bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unveil.core import pixels
from unveil.core.files import is_pointer
from unveil.core.image_plane import PlaneError, in_image
from unveil.core.pixels import ImageError
from unveil.core.records import ImagePlane
from unveil.ingest.folder import IMAGE_SUFFIXES, OTHER_SUFFIXES, Folder
from unveil.ingest.reading import AnnotationError, IngestError, Rejected
from unveil.ingest.slices import SliceMark

Kind = Literal["SEG", "RTSTRUCT", "SR", "NIFTI"]

#: SOP classes of what annotates images (PS3.4 B.5).
KINDS: dict[str, Kind] = {
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.66.7": "SEG",  # label maps
    "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
    "1.2.840.10008.5.1.4.1.1.88.22": "SR",
    "1.2.840.10008.5.1.4.1.1.88.33": "SR",
    "1.2.840.10008.5.1.4.1.1.88.34": "SR",
}
#: Names the images that somebody found worth showing.
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
#: Bytes in which a file's SOP class stands.
STARTS = 1024
#: Millimetres by which programs round: planes this close are one.
ROUNDED = 0.1

_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "Modality"),
    *("Rows", "Columns", "NumberOfFrames", "InstanceNumber", "PixelSpacing", "ImagerPixelSpacing"),
    *("ImagePositionPatient", "ImageOrientationPatient", "WindowCenter", "WindowWidth", "VOILUTFunction"),
    *("VOILUTSequence", "EstimatedRadiographicMagnificationFactor", "ReferencedSeriesSequence"),
    *("ReferencedFrameOfReferenceSequence", "CurrentRequestedProcedureEvidenceSequence"),
]


@dataclass(frozen=True)
class Lost:
    """A slice that has lost an annotation; None where nobody can tell which one."""

    slice: int | None


@dataclass(frozen=True)
class SeriesFrame:
    """One picture of a series: a file, or one of the frames in it."""

    path: Path
    uid: str
    number: int
    """Which frame of its file, from 0."""
    rows: int
    columns: int
    plane: ImagePlane


@dataclass(frozen=True)
class Annotating:
    """A file that annotates images."""

    path: Path
    kind: Kind
    uid: str
    series: frozenset[str]
    """The series that it says it refers to."""
    reference: str | None
    """Its frame of reference."""
    images: frozenset[str] = frozenset()
    """Of a report, the images that it names, since not every writer lists their series."""


@dataclass
class Series:
    """The images of one series."""

    uid: str
    study: str
    reference: str | None
    modality: str | None
    frames: list[SeriesFrame] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def ordered(self) -> None:
        """Sorts frames along the normal of the first, else by their numbers in the series."""
        places = [self._depth(frame.plane) for frame in self.frames]
        known = None not in places
        keys: list[Any] = [
            (place if known else 0.0, number, str(frame.path), frame.number)
            for place, number, frame in zip(places, self.numbers, self.frames, strict=True)
        ]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        self.frames = [self.frames[k] for k in order]
        self.numbers = [self.numbers[k] for k in order]

    def _depth(self, plane: ImagePlane) -> float | None:
        first = self.frames[0].plane
        if plane.origin is None or first.across is None or first.down is None:
            return None
        return round(float(np.cross(first.across, first.down) @ plane.origin), 3)

    @cached_property
    def _by_frame(self) -> dict[tuple[str, int], int]:
        return {(frame.uid, frame.number): k for k, frame in enumerate(self.frames)}

    @cached_property
    def _by_uid(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for k, frame in enumerate(self.frames):
            found.setdefault(frame.uid, []).append(k)
        return found

    def named(self, uid: str, frame: int | None = None) -> list[int]:
        """The slices that a reference may mean: of a file with several frames all, unless it names one, from 0."""
        if frame is not None:
            return [self._by_frame[uid, frame]] if (uid, frame) in self._by_frame else []
        return self._by_uid.get(uid, [])

    @cached_property
    def _planes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the slices whose place is known: their numbers (P,), normals (P, 3) and depths along them (P,)."""
        known = [(k, f.plane) for k, f in enumerate(self.frames) if f.plane.origin]
        normals = np.array([np.cross(p.across, p.down) for _, p in known]).reshape(-1, 3)  # type: ignore[arg-type]
        origins = np.array([p.origin for _, p in known]).reshape(-1, 3)
        return np.array([k for k, _ in known], int), normals, (normals * origins).sum(1)

    @cached_property
    def gap(self) -> float:
        """Millimetres between neighbouring slices: half of them is how far off a slice its contours may lie."""
        depths = np.unique(np.round(self._planes[2], 2))
        return float(np.median(np.diff(depths))) if len(depths) > 1 else 1.0

    def at(self, points: np.ndarray, within: float) -> int:
        """The slice in whose plane all points (N, 3) lie, in millimetres; raises ``AnnotationError`` where there is
        none, or several."""
        numbers, normals, depths = self._planes
        if not len(numbers):
            raise AnnotationError("the images of its series do not say where they lie")
        away = np.abs(points @ normals.T - depths).max(0)
        nearest = np.flatnonzero(away <= min(within, away.min() + ROUNDED / 10))
        if not len(nearest):
            flat = np.ptp(points @ normals.T, axis=0).min() <= max(within, ROUNDED)
            how = "between or beside the slices of its series" if flat else "across the slices: drawn on another plane"
            raise AnnotationError(f"lies {how} ({away.min():.2f} mm away)")
        if len(nearest) > 1:
            raise AnnotationError(f"{len(nearest)} images of its series lie there, and it does not say which is meant")
        return int(numbers[nearest[0]])

    def checked(self, number: int, points: np.ndarray, within: float) -> None:
        """Raises ``AnnotationError`` where points (N, 3) do not lie in the plane of the slice that is named."""
        plane = self.frames[number].plane
        if plane.origin is None:
            raise AnnotationError("is given in millimetres, and the image it names does not say where it lies")
        away = max(abs(in_image(plane, (float(x), float(y), float(z)))[2]) for x, y, z in points)
        if away > within:
            raise AnnotationError(f"lies {away:.2f} mm from the image that it names")

    def flat(self, number: int, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) in millimetres as x, y in pixels of a slice, (N, 2)."""
        plane = self.frames[number].plane
        return np.array([in_image(plane, (float(x), float(y), float(z)))[:2] for x, y, z in points])


#: What reading an annotating object gives, bit by bit.
Told = SliceMark | Rejected | Lost


@contextmanager
def reported(path: Path, action: str) -> Iterator[None]:
    """As ``pixels.reported``; what is wrong with an annotation or its place stays an ``AnnotationError``."""
    try:
        yield
    except (AnnotationError, IngestError):
        raise
    except PlaneError as error:
        raise AnnotationError(str(error)) from error
    except Exception:
        with pixels.reported(path, action):
            raise


@dataclass
class Headers:
    """What the headers of a folder say."""

    series: dict[str, Series] = field(default_factory=dict)
    objects: list[Annotating] = field(default_factory=list)
    keys: set[tuple[str, int]] = field(default_factory=set)
    """Images that key objects name: SOP instance and frame."""
    rejected: list[Rejected] = field(default_factory=list)

    @cached_property
    def uids(self) -> frozenset[str]:
        """All images that are here."""
        return frozenset(self.series_of)

    @cached_property
    def series_of(self) -> dict[str, str]:
        """The series of each image."""
        return {frame.uid: name for name, series in self.series.items() for frame in series.frames}


def meant(
    series: Series, headers: Headers, named: Sequence[tuple[str, int | None]], points: np.ndarray | None
) -> int | None:
    """The slice that an annotation belongs to, of the images that it names (UID and frame) the one in whose plane its
    ``points`` lie (N, 3), in millimetres; None where it names one of another series that is here.

    Raises ``AnnotationError`` where what it names is not here, lies elsewhere, or may be several.
    """
    here = {at for uid, frame in named for at in series.named(uid, frame)}
    if not here:
        if any(uid in headers.uids for uid, _ in named):
            return None
        raise AnnotationError("it names no image that is here")
    if len(here) > 1:
        if points is None:
            raise AnnotationError(f"it names {len(here)} images, and does not say in which it lies")
        if (at := series.at(points, ROUNDED)) not in here:
            raise AnnotationError("lies in none of the images that it names")
        return at
    [at] = here
    if points is not None and series.frames[at].plane.origin is not None:
        series.checked(at, points, max(ROUNDED, series.gap / 2))
    return at


def annotating(path: Path) -> bool:
    """Whether the first bytes show one of the SOP classes of ``KINDS``; they mention it as text."""
    return _told(path) in KINDS


def _speaks_of_images(path: Path) -> bool:
    return _told(path) is not None


def _told(path: Path) -> str | None:
    if (suffix := path.suffix.lower()) in OTHER_SUFFIXES or (suffix in IMAGE_SUFFIXES and suffix not in _DICOM):
        return None
    with path.open("rb") as file:
        start = file.read(STARTS)
    if start[128:132] != b"DICM" and suffix not in _DICOM:
        return None
    for name in (*KINDS, KEY_OBJECTS):
        at = start.find(name.encode())
        after = start[at + len(name) : at + len(name) + 1]
        if at >= 0 and after not in (b".", *(b"%d" % digit for digit in range(10))):
            return name
    return None


_DICOM = (".dcm", ".dicom", ".ima")


def headers(folder: Folder) -> Headers:
    """Reads the headers of all DICOM files of the folder, without their pixels."""
    found = Headers()
    seen: dict[str, Path] = {}
    for path in files(folder):
        try:
            _enter(folder, path, found, seen)
        except ImageError as error:
            found.rejected.append(Rejected(folder.relative(path), None, str(error), rows=0))
    for series in found.series.values():
        series.ordered()
    return found


def files(folder: Folder) -> Iterator[Path]:
    """DICOM files, of the folder of the images too where it is another; DICOMDIR, a table of contents that may name any
    file, is not among them."""
    others = set(IMAGE_SUFFIXES).difference(_DICOM)
    apart = folder.showing(_speaks_of_images) if folder.options.images else []
    for path in dict.fromkeys([*folder.images, *apart]):
        if path.suffix.lower() not in others and path.name.upper() != "DICOMDIR":
            yield path


def _enter(folder: Folder, path: Path, found: Headers, seen: dict[str, Path]) -> None:
    from unveil.core import dicom  # late: slow to import

    with pixels.reported(path, "reading the DICOM header"):
        head = dicom.dataset_of(path, tags=_TAGS)
        meta = head.file_meta  # which keeps what a program that took names away has emptied
        kind = str(head.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")
        uid = str(head.get("SOPInstanceUID") or meta.get("MediaStorageSOPInstanceUID") or path)
        if not kind and is_pointer(path):
            raise ImageError("a pointer of Git LFS, not the file itself: `git lfs pull` fetches it")
        if not kind:
            raise ImageError(f"{folder.relative(path)}: no DICOM object, or one of no known kind; leave it out")
        if uid in seen:
            folder.note("files with the SOP instance of another file: the first is read", folder.relative(path))
            return
        seen[uid] = path
        if kind in KINDS:
            reference = str(head.get("FrameOfReferenceUID") or "") or None
            images = frozenset(_mentioned(path)) if KINDS[kind] == "SR" else frozenset()
            found.objects.append(Annotating(path, KINDS[kind], uid, frozenset(_referred(head)), reference, images))
        elif kind == KEY_OBJECTS:
            found.keys.update(_images_of(head))
        elif "Rows" in head and "Columns" in head:
            _image(path, head, uid, found)
        else:
            folder.note("DICOM files that are neither images nor annotate them are left out", folder.relative(path))


def _image(path: Path, head: Any, uid: str, found: Headers) -> None:
    from unveil.core import dicom, image_files

    frames = int(head.get("NumberOfFrames") or 1)
    pixels.Limits().check_frame(path, int(head.Columns), int(head.Rows))  # masks are as large as their images
    study, reference, modality, own = (
        str(head.get(tag) or "").strip()
        for tag in ("StudyInstanceUID", "FrameOfReferenceUID", "Modality", "SeriesInstanceUID")
    )
    name = own or f"{path.parent} {reference}"  # without a series, what lies together is one
    if "NumberOfFrames" in head:  # enhanced, though it may hold one; sizes are checked before its frames are
        image_files.probe(path)
        head = dicom.dataset_of(path)
    size, number = (int(head.Rows), int(head.Columns)), int(head.get("InstanceNumber") or 0)
    planes = [dicom.frame_plane(path, head, frame) for frame in range(frames)]
    series = found.series.setdefault(name, Series(name, study or name, reference or None, modality or None))
    series.frames += [SeriesFrame(path, uid, frame, *size, plane) for frame, plane in enumerate(planes)]
    series.numbers += [number] * frames


def _referred(head: Any) -> Iterator[str]:
    """The series that an annotating object names, in each of the places where it may."""
    evidence = head.get("CurrentRequestedProcedureEvidenceSequence") or []
    for item in (head, *evidence):
        yield from (str(one.SeriesInstanceUID) for one in item.get("ReferencedSeriesSequence") or [])
    for reference in head.get("ReferencedFrameOfReferenceSequence") or []:
        for study in reference.get("RTReferencedStudySequence") or []:
            for one in study.get("RTReferencedSeriesSequence") or []:
                yield str(one.SeriesInstanceUID)


def _mentioned(path: Path) -> Iterator[str]:
    """The images that a report names anywhere."""
    from unveil.core import dicom

    for element in dicom.dataset_of(path).iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            yield str(element.value)


def _images_of(head: Any) -> Iterator[tuple[str, int]]:
    for study in head.get("CurrentRequestedProcedureEvidenceSequence") or []:
        for series in study.get("ReferencedSeriesSequence") or []:
            for image in series.get("ReferencedSOPSequence") or []:
                for frame in frame_numbers(image) or [0]:
                    yield str(image.ReferencedSOPInstanceUID), frame


def frame_numbers(reference: Any) -> list[int]:
    """The frames that a reference to an image names, from 0; DICOM counts from 1."""
    numbers = reference.get("ReferencedFrameNumber")
    if numbers is None:
        return []
    return [int(n) - 1 for n in (numbers if isinstance(numbers, Iterable) else [numbers])]
