"""Parquet and Arrow files with an image in each row, as the Hugging Face Hub distributes data sets.

A cell of the image is its bytes, its path, or both in a struct. Bytes are written once as a file beside the records,
however many rows repeat them. Files are read some rows at a time; none of the scripts that may lie beside them is run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unveil.core.records import Record, Split
from unveil.core.untrusted import JsonError, listed, parse_json
from unveil.ingest import hub
from unveil.ingest.archive import ALLOWED, MOST_TIMES
from unveil.ingest.asked import Album, AskedRow
from unveil.ingest.catalogue import Format
from unveil.ingest.columns import ROLES, key
from unveil.ingest.files import refuse_pointer
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Rejected

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".parquet", ".arrow")
#: Rows that are in memory at a time, each with its image.
BATCH = 32
#: What ``datasets`` leaves beside the files that it opens: results of map, and the order of rows that were shuffled.
_CACHE = re.compile(r"cache-\w+\.arrow")
#: The title of a card: in its header, and above its text.
_TITLE = re.compile(r"^(?:pretty_name:|# )(.*)$", re.MULTILINE)


def found(folder: Folder) -> list[Path]:
    """Such files; one that cannot be opened counts, since reading it tells what is wrong."""
    return [path for path in folder.showing(_has_images, *ENDINGS) if not _CACHE.fullmatch(path.name)]


def _has_images(path: Path) -> bool:
    if path.suffix.lower() == ".arrow":
        return True
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return True
    try:
        return _image_column(pq.read_schema(path)) is not None
    except (pa.ArrowException, OSError):
        return True


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of the files' rows."""
    album = Album(folder)
    yield from enter(folder, filter(folder.asked, found(folder)), album)
    yield from album.records("unknown", lambda image, rows: hub.marked(folder, image, rows))


#: What a row says of its image, as ``hub.asked``: folder, file, number of the row, its other cells, split, classes.
Taking = Callable[[Folder, str, int, Mapping[str, Any], Split | None, hub.Classes], AskedRow]


def enter(folder: Folder, paths: Iterable[Path], album: Album, asked: Taking = hub.asked) -> Iterator[Rejected]:
    """Takes the rows of files into the album, and gives those that cannot be taken."""
    images = _Images(folder)
    for path in paths:
        file = folder.relative(path)
        split = folder.split(path, path)
        with _File(folder, path) as table:
            for row, item in table.rows():
                content = item.pop(table.image)
                try:
                    place, made = images.place(content, path)
                    with album.about(place):
                        album.add(place, asked(folder, file, row, item, split, table.classes), made)
                except AnnotationError as error:
                    yield Rejected(file, row, str(error))


class _Images:
    """The images of cells, each written once."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.written: dict[bytes, tuple[Path, str]] = {}
        self.names: set[str] = set()

    def place(self, cell: Any, path: Path) -> tuple[Path, str | None]:
        """The file of a cell's image, and what it is called if it was made. Raises ``AnnotationError``."""
        if isinstance(cell, list):
            if len(cell) != 1:
                raise AnnotationError(f"several images, of which a question can have one: {len(cell)}")
            cell = cell[0]
        content, name = (cell.get("bytes"), cell.get("path")) if isinstance(cell, Mapping) else (cell, None)
        if isinstance(content, str):
            content, name = None, content
        if isinstance(content, bytes) and content:
            digest = hashlib.sha256(content).digest()
            if digest not in self.written:
                called = f"{self.folder.relative(path)}#{Path(name).name if name else digest.hex()[:16]}"
                called = f"{called}-{digest.hex()[:16]}" if called in self.names else called
                self.names.add(called)
                self.written[digest] = self.folder.make(called, content), called
            return self.written[digest]
        if isinstance(name, str) and name:
            return self.folder.find(name, path.parent), None
        raise AnnotationError("a row without an image")


class _File:
    """A file as a table, opened; its footer is checked before any row is read."""

    def __init__(self, folder: Folder, path: Path) -> None:
        self.file, self.path = folder.relative(path), path
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise IngestError(f"{self.file}: reading it needs pyarrow: pip install 'unveil[parquet]'") from error
        self._errors = (pa.ArrowException, OSError)
        try:
            refuse_pointer(path)
            if path.suffix.lower() == ".parquet":
                self._parquet = pq.ParquetFile(path)
                self.schema: pa.Schema = self._parquet.schema_arrow
                _check(self._parquet.metadata, path.stat().st_size)
            else:
                self._parquet = None
                self._source = pa.memory_map(str(path))
                _check_plain(pa, self._source)
                self._arrow = self._stream(pa)
                self.schema = self._arrow.schema
        except (*self._errors, AnnotationError) as error:
            raise IngestError(f"{self.file}: {error}") from error
        image = _image_column(self.schema)
        names = [name for name in self.schema.names if name != image]
        if image is None or not hub.says_something(names):
            missing = "column for the image" if image is None else "question, objects, label or report"
            raise IngestError(f"{self.file}: it has no {missing}; its columns are {listed(self.schema.names)}")
        self.image, self.classes = image, _classes(self.schema)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        if self._parquet is not None:
            self._parquet.close()
        else:
            self._source.close()

    def _stream(self, pa: Any) -> Any:
        """The file as ``save_to_disk`` writes it, a stream, or in the form of a file."""
        try:
            return pa.ipc.open_stream(self._source)
        except pa.ArrowInvalid:
            self._source.seek(0)
            reader = pa.ipc.open_file(self._source)
            return pa.RecordBatchReader.from_batches(
                reader.schema, map(reader.get_batch, range(reader.num_record_batches))
            )

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each row by its number from 1."""
        batches = self._arrow if self._parquet is None else self._parquet.iter_batches(BATCH)
        number = 0
        try:
            for batch in batches:
                for start in range(0, batch.num_rows, BATCH):
                    for item in batch.slice(start, BATCH).to_pylist():
                        number += 1
                        yield number, item
        except (*self._errors, UnicodeError) as error:  # texts are made from bytes when a row is taken
            raise IngestError(f"{self.file}: damaged after row {number} ({error}); copy it again") from error


def _check(metadata: Any, size: int) -> None:
    """Raises ``AnnotationError`` where a footer promises what a file of this size cannot or should not hold."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows, unpacked = sum(group.num_rows for group in groups), sum(group.total_byte_size for group in groups)
    if rows != metadata.num_rows or metadata.num_rows > size:
        raise AnnotationError(
            f"not opened: its footer counts {metadata.num_rows} rows, its parts {rows}, in {size} bytes"
        )
    packed = sum(group.column(n).total_compressed_size for group in groups for n in range(group.num_columns))
    if packed > size or min((group.total_byte_size for group in groups), default=0) < 0:
        raise AnnotationError(f"not opened: its footer counts {packed} bytes of columns in a file of {size}")
    if unpacked > max(ALLOWED, MOST_TIMES * size):
        raise AnnotationError(
            f"not opened: it would grow to {unpacked / 1e9:.3g} GB, more than {MOST_TIMES} times its size"
        )


def _check_plain(pa: Any, source: Any) -> None:
    """Raises ``AnnotationError`` where batches are compressed: nothing before them says to how much they grow, and
    ``save_to_disk`` compresses none."""
    if source.read(6) != b"ARROW1":
        source.seek(0)
    else:
        source.seek(8)  # what stands in the form of a file is a stream with an index behind it
    for message in pa.ipc.MessageReader.open_stream(source):
        if message.type in _PLACES and _compressed(message.metadata.to_pybytes(), _PLACES[message.type]):
            raise AnnotationError("not opened: its batches are compressed; write it again without, or as Parquet")
    source.seek(0)


#: Fields that lead from a message to the compression of what it holds, by the kind of message (Arrow's Message.fbs).
_PLACES = {"record batch": (2, 3), "dictionary": (2, 1, 3)}


def _compressed(message: bytes, fields: Sequence[int]) -> bool:
    """Whether the last of these fields is there."""
    at: int | None = 0
    for number in fields:
        if at is None:
            return False
        at = _field(message, _table(message, at), number)
    return at is not None


def _table(raw: bytes, at: int) -> int:
    return int(at + int.from_bytes(raw[at : at + 4], "little"))


def _field(raw: bytes, table: int, number: int) -> int | None:
    """Where a field of a flat buffer's table stands; None where it has none."""
    fields = table - int.from_bytes(raw[table : table + 4], "little", signed=True)
    at = fields + 4 + 2 * number
    if at >= fields + int.from_bytes(raw[fields : fields + 2], "little"):
        return None
    offset = int.from_bytes(raw[at : at + 2], "little")
    return table + offset if offset else None


def _image_column(schema: pa.Schema) -> str | None:
    """The column of the images: one of bytes and path, of bytes, or one that is called as images are."""
    import pyarrow as pa

    usual = {name: place for place, name in enumerate(("image", "images", "img", "picture", *ROLES["image"]))}
    named = sorted((name for name in schema.names if key(name) in usual), key=lambda name: usual[key(name)])
    structs = [field.name for field in schema if _is_image(pa, field.type)]
    binary = [field.name for field in schema if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)]
    for some in ([name for name in named if name in structs], structs, named, binary):
        if some:
            return str(some[0])
    return None


def _is_image(pa: Any, kind: Any) -> bool:
    """Whether cells are structs with bytes, or lists of such."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _classes(schema: pa.Schema) -> hub.Classes:
    """The names of numbered classes, as the features of ``datasets`` in the file's metadata have them."""
    found: dict[tuple[str, ...], Sequence[str]] = {}
    try:
        told = parse_json((schema.metadata or {}).get(b"huggingface", b"{}"), lenient=True)
        features = told["info"]["features"]
    except (JsonError, KeyError, TypeError):
        return found

    def walk(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, list):
            for inner in value:
                walk(inner, path)
        elif isinstance(value, dict) and value.get("_type") == "ClassLabel":
            names = value.get("names")
            found[path] = list(map(str, names)) if isinstance(names, list) else []
        elif isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, path if name in ("feature", "_type") else (*path, name))

    walk(features, ())
    return found


def mirror(folder: Folder, name: str) -> list[Path]:
    """The Parquet files of a copy on the Hub whose card's title, or whose folder, has the name of a set."""
    files = folder.files(".parquet")
    cards = [path.read_bytes()[: 2**14].decode("utf-8", "replace") for path in folder.named("readme.md") if files]
    titles = [title for card in cards for title in _TITLE.findall(card)[:2]]
    return files if any(key(name) in key(said) for said in (folder.root.name, *titles)) else []


FORMAT = Format(
    "parquet",
    read,
    "Parquet or Arrow files with a column for the image",
    found,
    ENDINGS,
    help="the Hub's Parquet and Arrow: an image a row with a question, objects, a label or a report",
)
