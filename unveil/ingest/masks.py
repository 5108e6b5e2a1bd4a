"""Masks: folders of images and of masks that are called as they are, one or several for each image.

A mask lies in a folder called masks beside images, as ``masks/a.png`` or, by what it shows, ``masks/liver/a.png``; or
under the image's name with a word behind it, ``a_mask.png``, ``a_mask_1.png``; or as BiomedParse writes it,
``a_CT_abdomen+liver.png``. Its values are foreground and background, or classes whose names ``--label-names`` or a file
``mask.txt`` tell. An empty mask says that there is nothing to find; an image without a mask was looked at by nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from unveil.core import pixels
from unveil.core.records import Finding, Record
from unveil.core.untrusted import listed, quoted
from unveil.ingest import mask_files
from unveil.ingest.cells import named
from unveil.ingest.folder import IMAGE_SUFFIXES, Folder
from unveil.ingest.lookup import folded
from unveil.ingest.mask_files import Value
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected

LOOKED_FOR = "images of masks that are called as other images"
#: A file of names of values, as SLAKE has it.
NAMES = "mask.txt"
#: What a folder of masks is called, among other words, and what stands behind the name of a mask.
FOLDERS = frozenset({"mask", "masks", "segmentation", "segmentations", "groundtruth"})
_BEHIND = re.compile(r"(.+?)[ _-](mask|masks|segmentation|seg|groundtruth|gt)([ _-]?\d+)?", re.IGNORECASE)
#: BiomedParse: case, modality and site, and what is shown, with + between its words.
_BIOMEDPARSE = re.compile(r"(.+_([A-Za-z-]+)_[A-Za-z-]+)\+(.+)")


class Mask(NamedTuple):
    """A mask: its file, the name of its image without ending, and what its own name says that it shows."""

    path: Path
    image: str
    label: str | None = None
    modality: str | None = None
    partial: bool = False
    """Whether it is one of a set that does not mark all there is."""


def found(folder: Folder) -> list[Path]:
    """The masks of images that are there."""
    masks = _masks(folder)
    images = _images(folder, masks)
    return [mask.path for mask in masks if mask.image in images]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that has a mask."""
    masks = _masks(folder)
    images = _images(folder, masks)
    names = _names(folder)
    of_image: dict[Path, list[Mask]] = {}
    for mask in masks:
        if not folder.asked(mask.path):
            continue
        try:
            of_image.setdefault(_meant(folder, mask, images.get(mask.image, [])), []).append(mask)
        except AnnotationError as error:
            yield Rejected(folder.relative(mask.path), None, str(error))
    for path, some in of_image.items():
        try:
            yield from _record(folder, path, some, names)
        except (AnnotationError, pixels.ImageError) as error:
            yield Rejected(folder.relative(path), None, str(error), len(some))
    yield from folder.unlisted(of_image)


def _masks(folder: Folder) -> list[Mask]:
    """All files that may be masks, by the user's pattern or by how masks are usually called."""
    pattern = folder.options.mask_pattern
    files = folder.files(*IMAGE_SUFFIXES)
    if pattern:
        asked = _compiled(pattern)
        return [mask for path in files if (mask := _asked(folder, path, asked))]
    parents = {parent: _in_masks(folder, parent) for parent in {path.parent for path in files}}
    perhaps = [path for path in files if parents[path.parent] is not None or _BEHIND.fullmatch(path.stem)]
    if not perhaps:  # as of most folders, which may hold a million images
        return []
    plain = {folded(path.stem) for path in files if parents[path.parent] is None}
    return [mask for path in perhaps if (mask := _usual(path, parents[path.parent], plain))]


def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern of paths; ``*`` is anything within a name, and it may begin in any folder."""
    if "{image}" not in pattern:
        raise IngestError(f"mask pattern {quoted(pattern)} needs {{image}}, such as masks/{{image}}.png")
    parts = re.split(r"(\{image\}|\{label\}|\*)", pattern.strip("/"))
    groups = {"{image}": "(?P<image>[^/]+?)", "{label}": "(?P<label>[^/]+?)", "*": "[^/]*"}
    if any(parts.count(name) > 1 for name in ("{image}", "{label}")):
        raise IngestError(f"mask pattern {quoted(pattern)} names {{image}} or {{label}} twice")
    return re.compile("(?:.*/)?" + "".join(groups.get(part, re.escape(part)) for part in parts), re.IGNORECASE)


def _asked(folder: Folder, path: Path, pattern: re.Pattern[str]) -> Mask | None:
    told = pattern.fullmatch(folder.relative(path))
    return Mask(path, folded(told["image"]), told.groupdict().get("label")) if told else None


def _usual(path: Path, below: tuple[str, ...] | None, plain: set[str]) -> Mask | None:
    """A mask by its folder, as ``_in_masks`` tells it, or its name; ``plain`` are the names of files that lie in no
    folder of masks."""
    stem = path.stem
    behind = _BEHIND.fullmatch(stem)
    if below is None:
        return Mask(path, folded(behind[1])) if behind and folded(behind[1]) in plain else None
    if told := _BIOMEDPARSE.fullmatch(stem):
        return Mask(path, folded(told[1]), told[3].replace("+", " "), told[2], partial=True)
    kinds = [part for part in below if part.lower() not in SPLIT_NAMES]
    image = behind[1] if behind and folded(stem) not in plain else stem
    return Mask(path, folded(image), kinds[-1] if kinds else None)


def _in_masks(folder: Folder, parent: Path) -> tuple[str, ...] | None:
    """The folders below one that is called as of masks, down to ``parent``; None where none is."""
    parts = folder.relative(parent).split("/")
    for i, part in enumerate(parts):
        if FOLDERS & set(re.findall("[a-z]+", part.lower())):
            return tuple(parts[i + 1 :])
    return None


def _images(folder: Folder, masks: Sequence[Mask]) -> dict[str, list[Path]]:
    """The images that are no masks, by their names without ending."""
    taken = {mask.path for mask in masks}
    images: dict[str, list[Path]] = {}
    for path in folder.images:
        if path not in taken:
            images.setdefault(folded(path.stem), []).append(path)
    return images


def _meant(folder: Folder, mask: Mask, images: Sequence[Path]) -> Path:
    """The image of a mask: of several that are called so, the one in the most folders of the mask's own."""
    if not images:
        raise AnnotationError(f"no image {quoted(mask.image)}, whose mask it would be")
    own = set(folder.relative(mask.path.parent).split("/"))
    shared = [len(own & set(folder.relative(image.parent).split("/"))) for image in images]
    best = [image for image, n in zip(images, shared, strict=True) if n == max(shared)]
    if len(best) > 1:
        raise AnnotationError(f"several images are called as this mask ({listed(map(folder.relative, best))})")
    return best[0]


def _names(folder: Folder) -> dict[Value, str]:
    """What the values of masks mean, by the user's word or by a file; empty where they are foreground alone."""
    text, where = "\n".join(f"{value}:{name}" for value, name in named(folder.options).items()), "label names"
    files = [] if text else folder.named(NAMES)
    try:
        if files:
            where = folder.relative(files[0])
            text = folder.text(files[0])
        names = mask_files.names_of(text)
    except AnnotationError as error:
        raise IngestError(f"{where}: {error}") from error
    if len({isinstance(value, tuple) for value in names}) > 1:
        raise IngestError(f"{where}: values are either grey or colours, not both")
    return names


def _record(
    folder: Folder, path: Path, masks: Sequence[Mask], names: Mapping[Value, str]
) -> Iterator[Record | Rejected]:
    image = _opened(folder, path, masks)
    findings: list[Finding] = []
    bad: list[Rejected] = []
    for mask in masks:
        try:
            findings += _findings(folder, mask, image, names)
        except (AnnotationError, pixels.ImageError) as error:
            bad.append(Rejected(folder.relative(mask.path), None, str(error)))
    yield from bad
    if len(bad) == len(masks):
        return
    yield folder.record(
        image,
        findings,
        "partial" if any(mask.partial for mask in masks) else "exhaustive",
        bool(bad),
        split=folder.split(path),
        modality=folder.options.modality or masks[0].modality or image.modality,
    )


def _opened(folder: Folder, path: Path, masks: Sequence[Mask]) -> Image:
    """An image in the frame of the first mask that fits it; raises what is wrong with the first where none does."""
    wrong = []
    for mask in masks:
        try:
            return folder.open(path, mask_files.size(mask.path), folder.relative(mask.path))
        except (AnnotationError, pixels.ImageError) as error:
            wrong.append(error)
    raise wrong[0]


def _findings(folder: Folder, mask: Mask, image: Image, names: Mapping[Value, str]) -> list[Finding]:
    parts = folder.options.components == "each"
    if names and mask.label is None:
        colours = any(isinstance(value, tuple) for value in names)
        return mask_files.by_class(mask_files.values(mask.path, image, colours), names, parts)
    label = mask.label or folder.options.default_label
    if label is None:
        raise IngestError(
            "nothing names what the masks show: say --default-label NAME, --label-names 1=NAME for their values, or "
            "--mask-pattern with {label}"
        )
    return mask_files.findings(label, mask_files.foreground(mask.path, image), parts)
