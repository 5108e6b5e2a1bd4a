"""What a folder may hold that no reader reads: what it is, and the way on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from unveil.core.files import is_pointer
from unveil.core.untrusted import listed
from unveil.ingest import yolo
from unveil.ingest.folder import Folder
from unveil.ingest.reading import IngestError
from unveil.ingest.sheet import Sheet, head

#: Bytes of a file that show what it is.
LOOKED_AT = 2**16
#: Bytes of a pointer of Git LFS: by its specification less than these.
LARGEST_POINTER = 1024
#: Kinds that one message names.
NAMED = 3

FETCHED = "`git lfs pull` fetches it"

#: Other programs' JSON, by keys that it has somewhere at its beginning.
JSON: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"question", "answer"}), "questions, in rows that name no image"),
    (frozenset({"labelGroups", "datasets"}), "a project of MD.ai; write its boxes into a table, a row for each"),
    (frozenset({"findings", "completeness"}), "records of unveil; --data is for what they are made of"),
)

#: Files by their endings.
ENDINGS: dict[tuple[str, ...], str] = {
    (".zip",): "an archive; name it as --data, or unpack it",
    (".tar", ".tgz", ".tar.gz", ".7z", ".rar"): "an archive; unpack it",
    (".xlsx", ".xls", ".ods"): "a spreadsheet; save it as csv",
    (".nii", ".nii.gz"): "volumes, of which no name tells image and mask; call them such as a.nii.gz and a_seg.nii.gz",
    (".roi",): "outlines of ImageJ; save a mask for each image, such as a.png and a_mask.png",
    (".nrrd", ".mha", ".mhd"): "volumes; save image and mask as NIfTI, such as a.nii.gz and a_seg.nii.gz",
}


def of_file(path: Path) -> str:
    """What to say to a user who has given a file in place of a folder."""
    folder, name = Folder(path.resolve().parent), path.name.lower()
    kinds = (tell(folder, path) for endings, tell in KINDS.items() if name.endswith(endings))
    said = next(filter(None, kinds), "")
    return f"{path} is {said}, and give its folder" if said else f"{path} is a file: give its folder"


def described(folder: Folder, *among: str) -> str:
    """Each kind in a sentence with an example; "" where there is nothing that could be an annotation.

    With the endings ``among`` only what other programs have written into such files.
    """
    kinds = _foreign(folder, among) if among else _kinds(folder)
    return " ".join(said for _, said in zip(range(NAMED), kinds, strict=False))


def held(folder: Folder) -> str:
    """How many images and other files there are, and what JSON has."""
    others = set(folder.files()).difference(folder.images)
    endings = Counter(path.suffix.lower() or "no ending" for path in others)
    named = listed(f"{n} x {ending}" for ending, n in endings.most_common())
    return f"It holds {len(folder.images)} images and {named or 'nothing else'}. {keys(folder)}".rstrip()


def keys(folder: Folder) -> str:
    """What the JSON of a folder has, of the first files that are not one for each image; "" where there is none."""
    said = []
    for path in folder.files(".json", ".jsonl")[:NAMED]:
        if there := list(dict.fromkeys(re.findall(r'"(\w{1,40})"\s*:', _start(path)))):
            said.append(f"{folder.relative(path)} has the keys {listed(there)}.")
    return " ".join(said)


def unopened(folder: Folder) -> str:
    """What a user should know who misses something: files that only say where another one is kept, and files that were
    refused unopened; "" where there are none."""
    said = []
    small = (path for path in folder.listing.files if path.stat().st_size < LARGEST_POINTER)
    if pointers := list(filter(is_pointer, small)):
        more = f" and {len(pointers) - 1} more" if len(pointers) > 1 else ""
        said.append(f"{folder.relative(pointers[0])}{more}: a pointer of Git LFS, not the file itself: {FETCHED}.")
    if refused := folder.listing.refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        said.append(f"{refused[0].file}{more}: {refused[0].reason}.")
    return " ".join(said)


def _foreign(folder: Folder, among: tuple[str, ...]) -> Iterator[str]:
    """Files of other programs by their kind; of tables a reader itself tells what it misses."""
    for kind, tell in KINDS.items():
        if among and tell is _table:
            continue
        chosen = [path for path in folder.files(*kind) if not among or path.name.lower().endswith(among)]
        told = [(path, said) for path in chosen if (said := tell(folder, path))]
        for said, count in Counter(said for _, said in told).items():
            first = next(path for path, other in told if other == said)
            more = f" (and {count - 1} more)" if count > 1 else ""
            yield f"{folder.relative(first)}{more} is {said}."


def _kinds(folder: Folder) -> Iterator[str]:
    yield from _foreign(folder, ())
    if labels := yolo.labels(folder):
        yield (
            f"{folder.relative(labels[0])} looks like YOLO, and nothing names the classes: "
            "write their names into classes.txt, one a line."
        )


def _json(folder: Folder, path: Path) -> str:
    keys = set(re.findall(r'"(\w+)"\s*:', _start(path)))
    return next((said for needed, said in JSON if needed <= keys), "")


def _table(folder: Folder, path: Path) -> str:
    """A table that is none of ours; what is wrong with it, or its columns, of which the user can choose."""
    try:
        sheet = Sheet(folder.relative(path), path, head(path), folder.options)
        image = sheet.columns.name("image") or sheet.image_guess(folder)
        others = [name for name in sheet.columns.unused if name != image]
        label = sheet.columns.name("label") or sheet.label_guess(others)
    except IngestError as error:
        return f"a table that cannot be used: {error}"
    return (
        f"a table with the columns {listed(sheet.header)}; if they name images and findings, "
        f"say which, such as --columns image={image} label={label}"
    )


def _start(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(LOOKED_AT).replace(b"\0", b"").decode("utf-8", "replace")  # of UTF-16 too


#: How files with one of these endings are told, those first that most likely are what is missed.
KINDS: dict[tuple[str, ...], Callable[[Folder, Path], str]] = {
    (".json", ".jsonl"): _json,
    **{endings: lambda folder, path, said=said: said for endings, said in ENDINGS.items()},  # type: ignore[misc]
    (".csv", ".tsv"): _table,
}
