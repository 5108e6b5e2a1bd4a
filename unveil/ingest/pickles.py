"""Pickles of plain values: lists, dicts, texts and whole numbers, and nothing else.

A pickle is a program. Here its instructions are looked at before any is carried out, and only those are admitted that
make such values: none that names, calls or builds anything else.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from unveil.core.untrusted import MAX_DEPTH, quoted
from unveil.ingest.files import refuse_pointer
from unveil.ingest.reading import AnnotationError, IngestError

#: The instructions that make lists, dicts, texts and whole numbers, or keep and fetch one of them.
ADMITTED = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "POP_MARK", "POP",
    "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING",
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4",
    "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET", "MEMOIZE",
})  # fmt: skip
#: Those that keep a value under a number: room is laid out for all numbers below it.
_KEEPING = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
#: Bytes of a file; PathVQA's largest has some two million.
LARGEST = 2**28


def plain(path: Path) -> Any:
    """The value of a pickle of plain values. Raises ``IngestError`` with the file and what in it is something else; no
    code of it is ever run."""
    try:
        refuse_pointer(path)
        if path.stat().st_size > LARGEST:
            raise AnnotationError(f"more than {LARGEST} bytes")
        file = io.BytesIO(path.read_bytes())  # which lays out no more than there is, whatever a length says
        _check(file)
        file.seek(0)
        value = _Plain(file, encoding="utf-8").load()
        _check_places(value)
        return value
    except (AnnotationError, pickle.UnpicklingError) as error:
        raise IngestError(f"{path}: this pickle is not opened: {error}") from error
    except (ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise IngestError(f"{path}: no pickle, or a damaged one ({error})") from error


def _check(file: BinaryIO) -> None:
    """Raises ``AnnotationError`` at the first instruction that is not admitted."""
    for number, (code, argument, place) in enumerate(pickletools.genops(file)):
        if code.name not in ADMITTED:
            named = f" {quoted(argument)}" if argument is not None else ""
            raise AnnotationError(
                f"{code.name}{named} at byte {place}; only lists, dicts, texts and whole numbers are read from one, "
                "since any other may run a program"
            )
        if code.name in _KEEPING and isinstance(argument, int) and argument > number:
            raise AnnotationError(f"{code.name} {argument} at byte {place}: it would need memory for that many values")


def _check_places(value: Any) -> None:
    """Raises ``AnnotationError`` where a list or a dict stands in two places, or deep in others: some bytes that name
    one list in another many times over are endless to whoever writes the value out."""
    level, seen, depth = [value], set[int](), 0
    while level := [one for one in level if isinstance(one, list | dict)]:
        depth += 1
        for one in level:
            if id(one) in seen:
                raise AnnotationError("one list or dict in it stands in several places")
            seen.add(id(one))
        if depth > MAX_DEPTH:
            raise AnnotationError(f"nested more than {MAX_DEPTH} deep")
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]


class _Plain(pickle.Unpickler):
    """Knows no class and no function: a second lock on the same door."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it refers to something outside")
