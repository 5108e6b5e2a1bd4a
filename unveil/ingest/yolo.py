"""YOLO (ultralytics, Roboflow, darknet, CVAT, Label Studio): a text file per image, and the classes' names once.

A row is ``class cx cy w h`` (a box; a sixth number is a confidence), the same with key points behind it (of which the
box is kept), or ``class x1 y1 x2 y2 x3 y3 …`` (a polygon, which gives mask and box), all as shares of the image's width
and height. An image and its label file have the same name and lie in the same folders, but for those that are called
images or labels: ``train/images/a.png`` with ``train/labels/a.txt``, ``Images/train/a.png`` with
``Labels/train/a.txt``, ``train/a.png`` with ``train/a.txt``. The split is what the description of the classes says of
the image's folder, else what lists and names of folders say.
"""

from __future__ import annotations

import codecs
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from unveil.core import pixels
from unveil.core.records import Finding, Record, Split
from unveil.ingest.class_names import LOOKED_FOR, Described, described, is_names, names_classes
from unveil.ingest.conventions import declared, in_pixels, points_in_pixels
from unveil.ingest.folder import Folder
from unveil.ingest.labels import findings_among, no_place
from unveil.ingest.lookup import folded
from unveil.ingest.published import list_name
from unveil.ingest.reading import AnnotationError, Image, Rejected, boxed, number, outlined, parse_all

__all__ = ["ENDINGS", "LOOKED_FOR", "found", "labels", "read"]

#: Of labels, and of the names of the classes.
ENDINGS = (".txt", ".yaml", ".yml", ".names")

#: Folders that tell images from labels, and nothing else.
SIDES = frozenset({"images", "image", "imgs", "img", "jpegimages", "labels", "label", "annotations", "txt"})

#: What an image and its label file have in common: the folders that count, and the stem.
Key = tuple[str, ...]


def found(folder: Folder) -> list[Path]:
    """The files that name classes, where there are label files too: labelImg leaves such a list beside VOC as well."""
    names = [path for path in folder.files() if is_names(path) or names_classes(path)]
    return names if names and labels(folder) else []


def labels(folder: Folder) -> list[Path]:
    """The label files, of which some may belong to no image."""
    return list(chain(*_texts(folder)[0].values()))


def read(folder: Folder) -> Iterator[Record | Rejected]:
    """Every image with its labels; label files without an image are rejected."""
    about = described(folder)
    _enter_lists(folder, about)
    rows, others = _texts(folder)
    of_image = {path: _of(folder, path, rows) for path in folder.images}
    stray = sorted(set(chain(*rows.values())).difference(*of_image.values()))
    alike = {image for path in stray for image in folder.index.candidates(path.name)}
    for path, files in of_image.items():
        try:
            doubt = bool((stray and not files) or path in alike or _of(folder, path, others))
            yield from _record(folder, about, path, files, doubt)
        except (AnnotationError, pixels.ImageError) as error:
            yield Rejected(folder.relative(path), None, str(error), sum(_count(folder, file) for file in files))
    for path in stray:
        yield Rejected(folder.relative(path), None, "no image belongs to this label file", _count(folder, path))


def _enter_lists(folder: Folder, about: Described) -> None:
    """The lists of splits that the description names and their own names do not tell."""
    for path, split in about.lists.items():
        if list_name(path) is None:

            def meant(name: str, near: Path = path.parent) -> Path | None:
                try:
                    return folder.find(name, near)
                except AnnotationError:
                    return None

            folder.lists.enter(folder.relative(path), folder.text(path), split, meant, folder.options)


def _texts(folder: Folder) -> tuple[dict[Key, list[Path]], dict[Key, list[Path]]]:
    """The text files that hold labels (those below a folder called labels, elsewhere those that look like it), and the
    others that lie beside images."""
    labels: dict[Key, list[Path]] = defaultdict(list)
    others: dict[Key, list[Path]] = defaultdict(list)
    for path in folder.files(".txt"):
        if is_names(path):
            continue
        usual = "labels" in _folders(folder, path) and not list_name(path)
        kind = labels if usual or _looks_like_labels(path) else others
        kind[_key(folder, path, path.stem)].append(path)
    return labels, others


def _folders(folder: Folder, path: Path) -> Key:
    return tuple(folded(folder.relative(path)).split("/")[:-1])


def _key(folder: Folder, path: Path, stem: str) -> Key:
    return *(part for part in _folders(folder, path) if part not in SIDES), folded(stem)


def _looks_like_labels(path: Path) -> bool:
    """Whether a file is empty or begins with two numbers, or a name and four, as no report and no list of images; nor
    does it begin with eight numbers and a name, as DOTA's oriented boxes."""
    with path.open("rb") as file:
        lines = file.read(2**10).removeprefix(codecs.BOM_UTF8).split(b"\n")
    words = next((line.split() for line in lines if line.strip()), [b"0", b"0"])
    numbers = [_is_number(word) for word in words[:9]]
    if numbers == [True] * 8 + [False]:
        return False
    return numbers[:2] == [True, True] or numbers[1:5] == [True] * 4


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _of(folder: Folder, image: Path, texts: dict[Key, list[Path]]) -> list[Path]:
    """The text files of an image, the one in the usual place first; a.png.txt is one as well."""
    found = [*texts.get(_key(folder, image, image.stem), ()), *texts.get(_key(folder, image, image.name), ())]
    return sorted(found, key=lambda path: "labels" not in _folders(folder, path))


def _rows(folder: Folder, path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a label file with their numbers."""
    return [(row, line.split()) for row, line in enumerate(folder.text(path).splitlines(), 1) if line.strip()]


def _count(folder: Folder, path: Path) -> int:
    try:
        return len(_rows(folder, path))
    except AnnotationError:  # no text: whatever it holds is lost
        return 1


def _record(
    folder: Folder, about: Described, path: Path, found: Sequence[Path], doubt: bool
) -> Iterator[Record | Rejected]:
    """``doubt`` tells that labels of the image may lie in some file that is not understood as its own."""
    if not found and folder.options.missing_labels == "reject":
        reason = "no label file of this name; if such images have no finding, say --missing-labels negative"
        yield Rejected(folder.relative(path), None, reason, rows=0)
        return
    image = folder.open(path)
    rows = _rows(folder, found[0]) if found else []
    if other := next((file for file in found[1:] if _rows(folder, file) != rows), None):
        names = f"{folder.relative(found[0])} and {folder.relative(other)}"
        raise AnnotationError(f"two label files that differ: {names}: remove one")
    file = folder.relative(found[0]) if found else ""
    convention = declared("yolo", folder.options)
    rows, denied = findings_among(
        folder,
        file,
        rows,
        lambda row: _known(row[0], about.names),
        lambda row: no_place(row[1:], image, *convention),
    )
    findings, bad = parse_all(rows, lambda row: _finding(row, folder, image, about), file)
    yield from [*denied, *bad]
    if doubt and not findings:
        why = "some label file has no image, or a text beside it is not read as labels"
        folder.note(f"image without labels, which is no negative since {why}", folder.relative(path))
    lost = bool(denied or bad) or (doubt and not findings)
    yield folder.record(image, findings, "exhaustive", lost, split=_split(folder, path, about))


def _split(folder: Folder, image: Path, about: Described) -> Split | None:
    if folder.options.splits == "none":
        return None
    parts = _folders(folder, image)
    for ending, split in about.folders.items():
        if any(parts[i : i + len(ending)] == ending for i in range(len(parts))):
            return split
    return folder.split(image)


def _finding(row: list[str], folder: Folder, image: Image, about: Described) -> Finding:
    label = _name(row[0], about.names)
    numbers = [number(text) for text in row[1:]]
    order, units = declared("yolo", folder.options)
    confident = len(numbers) == 5 and 0 <= numbers[4] <= 1
    if about.keypoints and len(numbers) not in (4, 4 + about.keypoints):
        raise AnnotationError(f"kpt_shape says {about.keypoints} numbers behind a box, not {len(numbers) - 4}")
    keypoints = len(numbers) == 4 + about.keypoints > 4 or _has_keypoints(numbers)
    if len(numbers) == 4 or confident or keypoints:
        if confident:
            folder.note("row with a sixth number, taken for a confidence: is it a model's answer?", image.file)
        if keypoints:
            folder.note("row with key points, of which the box was kept", image.file)
        box = in_pixels(numbers[:4], image, order, units)
        return boxed(label, box, image, confidence=row[5] if confident else None)
    if len(numbers) == 6 and 0 <= numbers[4] <= 1 and row[6].isdigit():
        raise AnnotationError("six numbers, of which the last is whole: a triangle, or a confidence and a track's id?")
    if len(numbers) < 6 or len(numbers) % 2:
        raise AnnotationError(f"a row needs a class and 4 numbers or x, y pairs, not {len(numbers)} numbers")
    return outlined(label, [points_in_pixels(numbers, image, units)], image)


def _name(text: str, names: dict[int, str]) -> str:
    """The name of a class, which is given by its number, or else by the name itself."""
    try:
        chosen = number(text, "the class")
    except AnnotationError:
        if text in names.values():
            return text
        raise
    if chosen not in names:
        raise AnnotationError(f"class {chosen:g} is not among the names, which are {min(names)} to {max(names)}")
    return names[int(chosen)]


def _known(text: str, names: dict[int, str]) -> str:
    """The name of a class, "" where that is none, which is told later."""
    try:
        return _name(text, names)
    except AnnotationError:
        return ""


def _has_keypoints(numbers: Sequence[float]) -> bool:
    """Whether numbers are a box with points of x, y and visibility, where nothing declares how many: visibility is 0, 1
    or 2 throughout, some point is visible, and all that are lie in the box. Hardly a polygon is like that by chance."""
    if len(numbers) < 7 or (len(numbers) - 4) % 3:
        return False
    cx, cy, w, h = numbers[:4]
    points = list(zip(numbers[4::3], numbers[5::3], numbers[6::3], strict=True))
    visible = [(x, y) for x, y, seen in points if seen]
    return (
        all(seen in (0, 1, 2) for _, _, seen in points)
        and len(visible) > 0
        and all(abs(x - cx) <= w / 2 and abs(y - cy) <= h / 2 for x, y in visible)
    )
