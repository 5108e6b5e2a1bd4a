"""Which NIfTI volumes are images and which are masks of them: told by folders and names, never by values.

nnU-Net's raw form, BIDS with derivatives, folders of images and masks, masks beside their image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unveil.core.records import Completeness, Split
from unveil.ingest import label_maps
from unveil.ingest.folder import Folder
from unveil.ingest.label_maps import LabelKind
from unveil.ingest.reading import Rejected

SUFFIXES = (".nii", ".nii.gz")

#: Words in the name of a file or a folder that say that it holds masks.
MASKS = frozenset({
    "seg", "segm", "segs", "segmentation", "segmentations", "mask", "masks", "label", "labels", "labelmap", "lbl",
    "gt", "groundtruth", "roi", "rois", "annotation", "annotations", "dseg", "aseg",
})  # fmt: skip
#: Magnetic resonance, as channels and files are called.
_RESONANCE = frozenset({
    "mr", "mri", "t1", "t1w", "t1c", "t1ce", "t1gd", "t1n", "t2", "t2w", "t2f", "flair", "adc", "dwi", "pd", "pdw",
    "t2star", "swi", "cine",
})  # fmt: skip


@dataclass(frozen=True)
class MaskFile:
    """A volume of marks; ``name`` is what all of it is, where its own name says so."""

    path: Path
    name: str | None = None
    kinds: tuple[LabelKind, ...] = ()


@dataclass(frozen=True)
class VolumeCase:
    """One examination: the image in one or several channels, and its masks, all on one grid."""

    images: tuple[tuple[Path, str | None], ...]
    """Files, each with the name of its channel."""
    masks: tuple[MaskFile, ...]
    usual: Completeness = "unknown"
    patient: str | None = None
    split: Split | None = None
    channels: tuple[str, ...] = ()
    """Names of the volumes in a file of four dimensions."""
    among: bool = False
    """Whether the masks belong to those images alone whose grid they share; else all must share it."""


@dataclass
class Cases:
    found: list[VolumeCase] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)
    """Volumes without a mask."""
    alone: list[Path] = field(default_factory=list)
    """Masks by their names that have no image in NIfTI: it may be a DICOM series."""


def cases(folder: Folder) -> Cases:
    """All cases of a folder."""
    found = Cases()
    left = set(folder.files(*SUFFIXES))
    for take in (_nnunet, _bids, _plain):
        for case in take(folder, left, found):
            found.found.append(case)
            left.difference_update(path for path, _ in case.images)
            left.difference_update(mask.path for mask in case.masks)
    found.left = sorted(left)
    return found


def stem(path: Path) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE)


def modality(*names: str | None) -> str | None:
    """CT, MR or PT, where a name of a channel or a file has a word that says so."""
    for name in filter(None, names):
        words = set(re.findall(r"[a-z0-9]+", name.lower()))
        for kind, such in (("CT", {"ct", "cect", "ncct", "cta"}), ("MR", _RESONANCE), ("PT", {"pet", "pt", "suv"})):
            if words & such:
                return kind
    return None


def _nnunet(folder: Folder, left: set[Path], found: Cases) -> Iterator[VolumeCase]:
    """``imagesTr/CASE_0000.nii.gz`` (a file for each channel) or, as in the Decathlon, ``imagesTr/CASE.nii.gz``, with
    ``labelsTr/CASE.nii.gz``. Images without labels (``imagesTs``) are known to be nothing."""
    for description in folder.named("dataset.json"):
        root = description.parent
        masks = [path for path in sorted(left) if path.parent in (root / "labelsTr", root / "labelsTs")]
        if not masks:
            continue
        kinds, channels = label_maps.of_json(folder, description)
        both = {path.parent.name for path in masks} == {"labelsTr", "labelsTs"}
        splits: dict[str, Split] = {"labelsTr": "train", "labelsTs": "test"} if both else {}
        images: dict[tuple[str, str], list[Path]] = {}
        for path in sorted(left):
            if path.parent in (root / "imagesTr", root / "imagesTs"):
                name = re.sub(r"_\d{4}$", "", stem(path))
                for key in {name, stem(path)}:
                    images.setdefault((path.parent.name, key), []).append(path)
        for mask in masks:
            own = images.get((mask.parent.name.replace("labels", "images"), stem(mask)))
            if own is None:
                found.rejected.append(Rejected(folder.relative(mask), None, "no image of this case is here"))
                left.discard(mask)
                continue
            numbers = [int(match[1]) if (match := re.search(r"_(\d{4})$", stem(path))) else 0 for path in own]
            named = [channels[n] if n < len(channels) else None for n in numbers]
            yield VolumeCase(
                tuple(zip(own, named, strict=True)),
                (MaskFile(mask, kinds=tuple(kinds)),),
                "exhaustive",
                split=splits.get(mask.parent.name),
                channels=tuple(channels) if len(own) == 1 else (),
            )


_ENTITY = re.compile(r"([a-zA-Z]+)-([a-zA-Z0-9]+)")


def _bids(folder: Folder, left: set[Path], found: Cases) -> Iterator[VolumeCase]:
    """``derivatives/**/sub-01_*_dseg.nii.gz`` or ``_mask``, with the ``anat`` images of the subject (and session) on
    whose grid it lies."""
    anatomy: dict[tuple[str | None, str | None], list[Path]] = {}
    masks: list[Path] = []
    for path in sorted(left):
        if path.name.startswith("sub-"):
            if re.search(r"_(dseg|mask)$", stem(path)) and "derivatives" in path.parts:
                masks.append(path)
            elif path.parent.name == "anat" and not re.search(r"_(dseg|mask|probseg)$", stem(path)):
                anatomy.setdefault(_subject(path), []).append(path)
    by_images: dict[tuple[Path, ...], list[Path]] = {}
    for path in masks:
        images = tuple(anatomy.get(_subject(path), ()))
        if not images:
            found.rejected.append(Rejected(folder.relative(path), None, "no anat image of its subject and session"))
            left.discard(path)
        else:
            by_images.setdefault(images, []).append(path)
    for images, own in by_images.items():
        subject, _ = _subject(images[0])
        pairs = tuple((image, stem(image).rpartition("_")[2]) for image in images)
        yield VolumeCase(pairs, tuple(_derived(folder, path) for path in own), patient=subject, among=True)


def _derived(folder: Folder, path: Path) -> MaskFile:
    entities = dict(_ENTITY.findall(stem(path)))
    if stem(path).endswith("_mask"):  # of one thing, which its name tells
        return MaskFile(path, entities.get("label") or entities.get("desc"))
    return MaskFile(path, kinds=tuple(_sidecar(folder, path)))


def _subject(path: Path) -> tuple[str | None, str | None]:
    entities = dict(_ENTITY.findall(stem(path)))
    return entities.get("sub"), entities.get("ses")


def _sidecar(folder: Folder, mask: Path) -> list[LabelKind]:
    """The names of a label map: of the table with its own name, else of one above whose entities all are the map's."""
    tables = [path for path in folder.named("*dseg.tsv") if mask.is_relative_to(path.parent)]
    own = set(_ENTITY.findall(stem(mask)))
    fitting = [path for path in tables if set(_ENTITY.findall(path.stem)) <= own]
    nearest = max(fitting, key=lambda path: (len(path.parts), len(_ENTITY.findall(path.stem))), default=None)
    return label_maps.of_text(folder, nearest) if nearest else []


def _plain(folder: Folder, left: set[Path], found: Cases) -> Iterator[VolumeCase]:
    """Masks in folders beside those of the images, or with words such as ``_seg`` in their names."""
    beside = _Beside(left)
    named = tuple(own_kinds(folder))
    masks: dict[tuple[Path, ...], list[MaskFile]] = {}
    for path in sorted(left):
        if _words(path.parent.name) & MASKS and path.parent != folder.root:
            images, name = _in_folders(path, beside)
        elif _words(stem(path)) & MASKS:
            images, name = _by_name(path, beside.images.get(path.parent, ()))
        else:
            continue
        if images:
            masks.setdefault(tuple(images), []).append(MaskFile(path, name, named))
        else:
            found.alone.append(path)
            left.discard(path)
    for of, files in masks.items():
        yield VolumeCase(tuple((image, None) for image in of), tuple(files), among=len(of) > 1)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))


def own_kinds(folder: Folder) -> list[LabelKind]:
    """The names in the label files of ITK-SNAP, where all of them say the same."""
    found = [label_maps.of_text(folder, path) for path in folder.named("*.label", "*.lbl", "*label*.txt")]
    told = [kinds for kinds in found if kinds]
    return told[0] if told and all(kinds == told[0] for kinds in told) else []


class _Beside:
    """Volumes by their folders."""

    def __init__(self, paths: set[Path]) -> None:
        self.images: dict[Path, list[Path]] = {}
        """Those of a folder without a word for masks in their names."""
        self.named: dict[Path, dict[str, list[Path]]] = {}
        """Those of a folder by their names."""
        for path in sorted(paths):
            self.named.setdefault(path.parent, {}).setdefault(stem(path), []).append(path)
            if not _words(stem(path)) & MASKS:
                self.images.setdefault(path.parent, []).append(path)
        self.folders: dict[Path, list[Path]] = {}
        """Folders that are not called as masks, by the folder that they are in."""
        for parent in self.named:
            if not _words(parent.name) & MASKS:
                self.folders.setdefault(parent.parent, []).append(parent)


def _in_folders(mask: Path, beside: _Beside) -> tuple[list[Path], str | None]:
    """The image of a mask in a folder of masks: of the same name in a folder beside it, else the only volume in the
    folder above, of which each mask shows one thing (``s0001/ct.nii.gz`` with ``s0001/segmentations/liver.nii.gz``)."""
    above = mask.parent.parent
    for parent in beside.folders.get(above, ()):
        for name in filter(None, (stem(mask), _base(stem(mask)))):
            if same := [path for known in (name, f"{name}_0000") for path in beside.named[parent].get(known, ())]:
                return same, None
    single = beside.images.get(above, [])
    return (single, stem(mask).replace("_", " ")) if len(single) == 1 else ([], None)


def _base(name: str) -> str:
    """A name up to its first word for masks."""
    parts = re.split(r"([_\-. ])", name)
    for k in range(0, len(parts), 2):
        if _words(parts[k]) & MASKS:
            return "".join(parts[:k]).rstrip("_-. ")
    return name


def _by_name(mask: Path, images: Sequence[Path]) -> tuple[list[Path], str | None]:
    """The image of a mask beside it: ``X`` for ``X_seg``, ``X-label`` and ``X_tumour_mask`` (which is called tumour),
    ``X_t1`` and ``X_t2`` for ``X_seg``, and the only other volume for ``segmentation``."""
    name = stem(mask)
    base = _base(name)
    after = [word for word in re.split(r"[_\-. ]", name[len(base) :]) if word and not _words(word) & MASKS]
    dropped: list[str] = []
    while base:
        own = [path for path in images if stem(path).lower() == base.lower()]
        own = own or [path for path in images if re.match(re.escape(base) + r"[_\-. ]", stem(path), re.IGNORECASE)]
        if own:
            words = [word for word in (*dropped, *after) if not word.isdigit()]
            return own, " ".join(words) or None
        base, sign, last = base.rpartition(next((c for c in reversed(base) if c in "_-. "), "_"))
        if not sign:
            break
        dropped.insert(0, last)
    return (list(images), None) if len(images) == 1 and not base and not dropped else ([], None)
