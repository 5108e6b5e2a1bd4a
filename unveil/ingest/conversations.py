"""Conversations about images, as models are taught with: questions and answers in turn, in four dialects.

LLaVA: ``image`` and ``conversations`` of ``from`` and ``value``. ShareGPT: ``images`` and ``messages`` of ``role`` and
``content``, or ``conversations``. ms-swift: the same with ``objects``, whose names and boxes stand in the text as
``<ref-object>`` and ``<bbox>``. LLaMA-Factory: files that ``dataset_info.json`` names, with keys as it says.

Each turn of a person is a question, in order; a later one follows the one before it. Where ``--text-boxes`` says how
boxes are written, those of the texts become neutral markup, and findings where a name stands beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unveil.core.box_formats import BOX_FORMATS, PIXELS, View, boxes_in, mark, neutral
from unveil.core.geometry import Box, BoxError, scale
from unveil.core.records import Question, Record, Split
from unveil.core.untrusted import listed, quoted
from unveil.ingest.asked import Album, AskedRow, Marked, begins, taken, text
from unveil.ingest.catalogue import Format
from unveil.ingest.folder import Folder
from unveil.ingest.published import SPLIT_NAMES, split_in
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, boxed, misfit, number

ENDINGS = (".json", ".jsonl")
#: LLaMA-Factory's table of files.
INFO = "dataset_info.json"
#: Who speaks, by the words of the dialects.
ASKS, ANSWERS, SETS = frozenset({"human", "user"}), frozenset({"gpt", "assistant", "model"}), frozenset({"system"})
#: The keys of the turns; the second is as LLaVA-Med writes it.
TURNS = ("conversations", "conversatons", "messages")
IMAGE = re.compile(r"<\|?(?:image|vision_start|vision_end|image_pad)\|?>")
#: A name before its box, as Qwen2-VL and InternVL write it.
_NAMED = re.compile(r"(?:<\|object_ref_start\|>|<ref>)([^<]{1,200})(?:<\|object_ref_end\|>|</ref>)\s*\Z")
#: A name in the same object as its box, in JSON.
_LABELLED = re.compile(r'"label"\s*:\s*"([^"]{1,200})"')
#: What may be a box in a text, where nobody has said how boxes are written.
_PERHAPS = re.compile(r"<\|box_start\|>|<box>|<loc\d{4}>|\[\s*\d+(?:\.\d+)?(?:\s*,\s*\d+(?:\.\d+)?){3}\s*\]")
_PLACES = re.compile(r"<(bbox|ref-object)>")


@dataclass(frozen=True)
class Keys:
    """What a dialect calls its parts."""

    turns: tuple[str, ...] = TURNS
    images: tuple[str, ...] = ("image", "images")
    role: tuple[str, ...] = ("from", "role")
    content: tuple[str, ...] = ("value", "content")
    asks: frozenset[str] = ASKS
    answers: frozenset[str] = ANSWERS
    sets: frozenset[str] = SETS
    system: tuple[str, ...] = ("system",)


@dataclass(frozen=True)
class Objects:
    """The names and boxes of an ms-swift row, in the order of their places in the texts."""

    names: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    shares: bool = False
    """Whether boxes are shares of width and height, else pixels."""


@dataclass(frozen=True)
class Conversation:
    """One row: its image as it is named, and its turns."""

    image: str
    turns: tuple[tuple[str, str], ...]
    id: str = ""
    objects: Objects = field(default_factory=Objects)


def conversation(item: Mapping[str, Any], keys: Keys = Keys()) -> Conversation:
    """A row as a conversation. Raises ``AnnotationError`` where it has not one image, or turns that are none."""
    images = [image for name in keys.images for image in _list(item.get(name))]
    turns: list[tuple[str, str]] = []
    asked: str | None = None
    spoken = next((item[name] for name in keys.turns if isinstance(item.get(name), list)), None)
    if spoken is None:
        raise AnnotationError(f"a list of turns is needed, called {' or '.join(keys.turns)}; it has {listed(item)}")
    for turn in spoken:
        role, content, shown = _turn(turn, keys)
        images += shown
        if role in keys.sets:
            continue
        if role in keys.asks and asked is None:
            asked = content
        elif role in keys.answers and asked is not None:
            turns.append((asked, content))
            asked = None
        else:
            raise AnnotationError(f"a turn of {quoted(role)} where {'an answer' if asked else 'a question'} is due")
    if not turns:
        raise AnnotationError("no question with an answer")
    names = [image.get("path") or image.get("url") if isinstance(image, Mapping) else image for image in images]
    if len(names) != 1 or sum(len(re.findall(r"<image>", asked)) for asked, _ in turns) > 1:
        raise AnnotationError("no image" if not names else "several images, of which a question can have one")
    if not text(names[0]):
        raise AnnotationError(f"an image is named by a text, not {quoted(names[0])}")
    whole = tuple((_plain(asked), _plain(answer)) for asked, answer in turns)
    return Conversation(text(names[0]), whole, text(item.get("id")), _objects(item.get("objects")))


def _list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _turn(turn: Any, keys: Keys) -> tuple[str, str, list[Any]]:
    """Who speaks, what, and the images that stand in it, where it is a list of parts."""
    if not isinstance(turn, Mapping):
        raise AnnotationError(f"a turn is an object, not {quoted(turn)}")
    role = next((text(turn[name]).lower() for name in keys.role if name in turn), "")
    content = next((turn[name] for name in keys.content if name in turn), None)
    if isinstance(content, str):
        return role, content, []
    if not isinstance(content, list) or not all(isinstance(part, Mapping) for part in content):
        raise AnnotationError(f"a turn says a text, not {quoted(content)}")
    said = "".join(text(part.get("text")) for part in content if part.get("type") == "text")
    return role, said, [part[name] for part in content for name in ("image", "image_url") if part.get(name)]


def _plain(said: str) -> str:
    """A text without the places of its image."""
    return IMAGE.sub("", said).strip()


def _objects(value: Any) -> Objects:
    if not isinstance(value, Mapping):
        return Objects()
    names, boxes = _list(value.get("ref")), _list(value.get("bbox"))
    if not all(isinstance(box, list) and len(box) == 4 for box in boxes):
        raise AnnotationError(f"a box of objects needs four numbers: {quoted(boxes)}")
    kind = text(value.get("bbox_type")) or "real"
    if kind not in ("real", "norm1"):
        raise AnnotationError(f"boxes of objects are real or norm1, not {quoted(kind)}")
    numbers: list[Box] = []
    for box in boxes:
        x1, y1, x2, y2 = (number(one, "the box") for one in box)
        numbers.append((x1, y1, x2, y2))
    return Objects(tuple(map(text, names)), tuple(numbers), kind == "norm1")


def rows_of(
    told: Conversation, album: Album, image: Path, file: str, row: int, split: Split | None, known: Mapping[str, Any]
) -> list[AskedRow]:
    """Its turns, each a question that has the name of the one that it follows; the first has the row's objects. Rows of
    one id, as LLaVA has of an image, are told apart by their places."""
    own, rows = f"{Path(file).stem}-{row}", list[AskedRow]()
    name = album.distinct(image, told.id or own, f"{told.id}-{own}")
    for place, (asked, answer) in enumerate(told.turns, 1):
        if not asked or not answer:
            raise AnnotationError(f"turn {place} is empty")
        closed = answer.lower().rstrip(".") in ("yes", "no")
        before = f"{name}/{place - 1}" if place > 1 else None
        question = Question(asked, answer, "closed" if closed else "open", f"{name}/{place}", follows=before)
        rows.append(AskedRow(file, row, question, split, known, None if before else told.objects))
    return rows


def enter(folder: Folder, path: Path, album: Album, keys: Keys = Keys()) -> Iterator[Rejected]:
    """Takes the rows of a file into the album, and gives those that cannot be taken."""
    file, split = folder.relative(path), split_in(folder.relative(path))

    def take(row: int, item: dict[str, Any]) -> None:
        told = conversation(item, keys)
        place = album.find(told.image, path.parent)
        own = SPLIT_NAMES.get(text(item.get("split")).lower(), split)
        with album.about(place):
            for asked in rows_of(told, album, place, file, row, own, {}):
                album.add(place, asked)

    yield from taken(folder, path, take)


def marked(folder: Folder, image: Image, rows: Sequence[AskedRow]) -> Marked:
    """The questions with the boxes of their texts in neutral markup, and those that have a name as findings."""
    told = Marked([])
    places: dict[tuple[str, int], _Places] = {}
    broken: set[tuple[str, int]] = set()
    for row in rows:
        assert row.question
        whole = row.file, row.row
        if row.marks is not None:
            places[whole] = _Places(row.marks, image)
        objects = places.get(whole)
        try:
            if whole in broken:
                raise AnnotationError("a turn after one that was rejected")
            if objects is not None:
                objects.asked = ""
            texts = [_written(one, folder, image, objects, told) for one in (row.question.text, row.question.answer)]
            told.asked.append(replace(row, question=replace(row.question, text=texts[0], answer=texts[1])))
        except (AnnotationError, BoxError) as error:
            broken.add(whole)
            told.rejected.append(Rejected(row.file, row.row, str(error), misfit=misfit(error)))
    return told


class _Places:
    """The objects of a row, of which each place in its texts takes the next."""

    def __init__(self, objects: Objects, image: Image) -> None:
        whole = (image.width, image.height)
        self.names = iter(objects.names)
        self.asked = ""
        """The only name in the question, which its answer places."""
        self.boxes = iter([scale(box, (1, 1), whole) if objects.shares else box for box in objects.boxes])


def _written(said: str, folder: Folder, image: Image, objects: _Places | None, told: Marked) -> str:
    """A text with its boxes in neutral markup; those with a name are added to the findings."""
    if objects is not None and _PLACES.search(said):
        return _placed(said, folder, image, objects, told)
    named = folder.options.text_boxes
    if named is None:
        if _PERHAPS.search(said):
            folder.note("texts in which boxes may stand: --text-boxes says how they are written", image.file)
        return said
    form = PIXELS if named == PIXELS.name else BOX_FORMATS[named]
    view = View(form, (image.width, image.height), (image.width, image.height))
    for start, end in boxes_in(said, form):
        label = _name_of(said, start, end) or folder.options.default_label
        boxes, wrong = view.read(said[start:end])
        if wrong or not boxes:
            raise AnnotationError(f"a box in the text that is none as {named}: {quoted(said[start:end])}")
        if label:
            told.findings += [boxed(label, box, image) for box in boxes]
        else:
            folder.note("boxes in texts without a name are no findings (--default-label gives one)", image.file)
    return neutral(said, view)


def _name_of(said: str, start: int, end: int) -> str:
    """The name that stands before a box, or in the same JSON object; "" where none does."""
    if found := _NAMED.search(said, 0, start):
        return found[1].strip()
    left, right = said.rfind("{", 0, start + 1), said.find("}", end - 1)
    inside = _LABELLED.search(said, max(left, said.rfind("}", 0, start)), right) if left >= 0 and right >= 0 else None
    return inside[1].strip() if inside else ""


def _placed(said: str, folder: Folder, image: Image, objects: _Places, told: Marked) -> str:
    """A text of ms-swift, whose places take their names and boxes from the row's objects."""
    name = objects.asked

    def put(found: re.Match[str]) -> str:
        nonlocal name
        if found[1] == "ref-object":
            name = next(objects.names, "")
            return name
        box = next(objects.boxes, None)
        if box is None:
            raise AnnotationError("more places for boxes than objects have boxes")
        label = name or folder.options.default_label
        if label:
            told.findings.append(boxed(label, box, image))
        return mark(box)

    written = _PLACES.sub(put, said)
    objects.asked = name if said.count("<ref-object>") == 1 else ""
    return written


def _speaks(path: Path) -> bool:
    """Whether turns stand at the beginning of a file."""
    return any(begins(path, name) for name in TURNS)


def _found(folder: Folder, *groups: tuple[str, ...], without: tuple[str, ...] = ()) -> list[Path]:
    """The files at whose beginning stand all keys of one of the groups, and none of those that tell another dialect;
    those that a LLaMA-Factory's table names are that dialect's."""
    listed = {*_info(folder), *folder.named(INFO)}

    def such(path: Path) -> bool:
        return any(begins(path, *keys) for keys in groups) and not any(begins(path, key) for key in without)

    return [path for path in folder.showing(_speaks, *ENDINGS) if path not in listed and such(path)]


def _info(folder: Folder) -> dict[Path, Mapping[str, Any]]:
    """The files that ``dataset_info.json`` names, each with what it says of it."""
    files: dict[Path, Mapping[str, Any]] = {}
    for table in folder.named(INFO):
        content = folder.json(table)
        for about in content.values() if isinstance(content, dict) else ():
            if isinstance(about, Mapping) and isinstance(name := about.get("file_name"), str):
                meant = table.parent / name
                files |= {path: about for path in folder.files(*ENDINGS) if path == meant}
    return files


def found_llava(folder: Folder) -> list[Path]:
    """Files with ``image`` and ``conversations``."""
    return _found(folder, ("image", "conversations"), ("image", "conversatons"))


def found_sharegpt(folder: Folder) -> list[Path]:
    """Files with ``images`` and turns, and no objects."""
    return _found(folder, ("images", "messages"), ("images", "conversations"), without=("objects", "annotations"))


def found_swift(folder: Folder) -> list[Path]:
    """Files with ``messages`` and ``objects``."""
    return _found(folder, ("messages", "objects"))


def found_factory(folder: Folder) -> list[Path]:
    """The files that ``dataset_info.json`` names in the form of ShareGPT."""
    return [path for path, about in _info(folder).items() if about.get("formatting") == "sharegpt"]


def read_llava(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a conversation is about."""
    yield from _read(folder, dict.fromkeys(found_llava(folder), Keys()))


def read_sharegpt(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a conversation is about."""
    yield from _read(folder, dict.fromkeys(found_sharegpt(folder), Keys()))


def read_swift(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a conversation is about."""
    yield from _read(folder, dict.fromkeys(found_swift(folder), Keys()))


def read_factory(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a conversation is about, with the keys that the table of the files names."""
    about = _info(folder)
    yield from _read(folder, {path: _keys(folder, about[path]) for path in found_factory(folder)})


def _keys(folder: Folder, about: Mapping[str, Any]) -> Keys:
    """What ``columns`` and ``tags`` of a file's entry name; the rest is as LLaMA-Factory has it by default."""
    parts = [part for name in ("columns", "tags") if isinstance(part := about.get(name), Mapping)]
    named = {name: text(value) for part in parts for name, value in part.items()}
    if "images" not in named:
        raise IngestError(f"{INFO}: {quoted(about.get('file_name'))} has no column for images")
    return Keys(
        turns=(named.get("messages", "conversations"),),
        images=(named["images"],),
        role=(named.get("role_tag", "from"),),
        content=(named.get("content_tag", "value"),),
        asks=frozenset({named.get("user_tag", "human").lower()}),
        answers=frozenset({named.get("assistant_tag", "gpt").lower()}),
        sets=frozenset({named.get("system_tag", "system").lower()}),
    )


def _read(folder: Folder, files: Mapping[Path, Keys]) -> Iterator[Record | Rejected | Incomplete]:
    album = Album(folder)
    for path, keys in files.items():
        if folder.asked(path):
            yield from enter(folder, path, album, keys)
    yield from album.records("unknown", lambda image, rows: marked(folder, image, rows))


DIALECTS = (
    Format(
        "llava",
        read_llava,
        "JSON with image and conversations",
        found_llava,
        ENDINGS,
        help="LLaVA's conversations: image, and turns of from and value",
    ),
    Format(
        "sharegpt",
        read_sharegpt,
        "JSON with images and messages or conversations",
        found_sharegpt,
        ENDINGS,
        help="ShareGPT's conversations: images, and turns of role and content",
    ),
    Format(
        "ms-swift",
        read_swift,
        "JSON with messages and objects",
        found_swift,
        ENDINGS,
        help="ms-swift's conversations, with names and boxes under objects",
    ),
    Format(
        "llama-factory",
        read_factory,
        "conversations that dataset_info.json names",
        found_factory,
        ENDINGS,
        help="LLaMA-Factory's conversations, with keys as dataset_info.json names them",
    ),
)
