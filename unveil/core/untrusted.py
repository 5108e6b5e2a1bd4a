"""JSON that others wrote, and values of theirs in messages: read strictly, quoted briefly.

Python's own reader takes more than JSON is: ``NaN``, a key that stands twice (the last one silently wins), half of a
surrogate pair, which no file in UTF-8 can hold again. And it gives up in several ways: at thousands of digits with a
``ValueError``, at deep nesting with a ``RecursionError`` here or in whatever looks at the value next. Here all of that
is one ``JsonError``.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

#: Lists and objects within one another. Annotation files need some six; Python itself gives up at about a thousand.
MAX_DEPTH = 64
#: Digits of a whole number: more than an id made of a UUID (39), fewer than a float can hold (308).
MAX_DIGITS = 100
#: Characters of a user's value that a message repeats: enough to find it, too few to spill a patient's report.
QUOTED = 80


class JsonError(ValueError):
    """Text that is no JSON, or JSON that means nothing or nothing definite; the message says what."""


def parse_json(text: str | bytes, *, lenient: bool = False) -> Any:
    """The value of JSON text (bytes: UTF-8, a byte-order mark is passed over).

    Raises ``JsonError`` for whatever is no JSON, for a key that stands twice, for numbers of thousands of digits and
    for nesting deeper than ``MAX_DEPTH``; and, unless ``lenient``, for numbers that are not finite or have more than
    ``MAX_DIGITS`` digits and for text with half a character. ``lenient`` is for a file of a million rows: it is faster,
    and one such value there is the fault of its row, to be told by whoever takes it up, not of the whole file.
    """
    try:
        decoder = _LENIENT if lenient else _STRICT
        if isinstance(text, bytes):
            decoder = decoder if lenient or _may_be_long(text) else _SHORT
            text = text.removeprefix(codecs.BOM_UTF8).decode()
        value = decoder.decode(text)
        # each level needs a bracket, and counting them is fast
        if text.count("[") + text.count("{") > MAX_DEPTH:
            _check_depth(value)
        if not lenient and _HALF.search(text):  # only such an escape makes one, and most are halves of a whole
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise JsonError(f"nested more than {MAX_DEPTH} deep") from error
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8 ({error}); save the file as UTF-8") from error
    except UnicodeEncodeError as error:
        raise JsonError(f"a text holds half a character ({error.object[error.start]!r}); write it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error}") from error
    except JsonError:
        raise
    except ValueError as error:  # ``int`` refuses thousands of digits, as they take time in their square
        raise JsonError("a number of thousands of digits") from error
    return value


def parse_at(text: str, start: int) -> tuple[Any, int]:
    """The value of JSON that begins at a place of a text, ``lenient`` as above, and where it ends.

    For text that is read a part at a time: raises ``json.JSONDecodeError`` where the value is none, or goes on in the
    next part, and ``JsonError`` for the rest. The value may stand within two others.
    """
    try:
        value, end = _LENIENT.raw_decode(text, start)
        if text.count("[", start, end) + text.count("{", start, end) > MAX_DEPTH - 2:
            _check_depth([[value]])
    except RecursionError as error:
        raise JsonError(f"nested more than {MAX_DEPTH} deep") from error
    except (json.JSONDecodeError, JsonError):
        raise
    except ValueError as error:
        raise JsonError("a number of thousands of digits") from error
    return value, end


def read_json(path: Path, *, lenient: bool = False) -> Any:
    """The value of a JSON file; ``JsonError`` names the file."""
    try:
        return parse_json(path.read_bytes(), lenient=lenient)
    except JsonError as error:
        raise JsonError(f"{path}: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """The value of a JSON file that holds an object, lenient as above; ``JsonError`` names the file."""
    value = read_json(path, lenient=True)
    if not isinstance(value, dict):
        raise JsonError(f"{path}: {quoted(value)} stands where an object is needed")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise JsonError(f"the key {quoted(twice)} stands twice in one object")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise JsonError(f"a number of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise JsonError(f"the number {quoted(digits)} is not finite")
    return value


_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_LENIENT = json.JSONDecoder(object_pairs_hook=_object)
_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_finite, parse_constant=_finite)
#: The same for text whose numbers are all short, so that none of them needs to be looked at: files are full of them.
_SHORT = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_finite)
_SHAPE = bytes.maketrans(b"0123456789E", b"0000000000e")


def _may_be_long(text: bytes) -> bool:
    """Whether a number may have too many digits, or leave the range of floats: its exponent then has three digits."""
    shape = text.translate(_SHAPE, b"+")
    return b"0" * MAX_DIGITS in shape or b"0e000" in shape


def _check_depth(value: Any) -> None:
    """Level by level, so that depth needs no stack."""
    level, depth = [value], 0
    while level:
        if (depth := depth + 1) > MAX_DEPTH:
            raise RecursionError
        inner: Iterable[Any] = (v.values() if type(v) is dict else v for v in level)
        level = [item for items in inner for item in items if type(item) is dict or type(item) is list]


def shortened(text: str, most: int = QUOTED) -> str:
    """The text, or its beginning where it is longer."""
    return text if len(text) <= most else text[: most - 1] + "…"


def readable(text: str) -> str:
    """A message without what nobody reads: words of hundreds of letters, such as an id that is a whole report."""
    return re.sub(r"[^\s/]{200,}", lambda word: shortened(word[0]), text)


def quoted(value: Any, most: int = QUOTED) -> str:
    """A user's value as a message shows it: as Python writes it, without its middle where that is longer."""
    # of a long value a part is written out only, since the whole may be megabytes
    if isinstance(value, dict):
        value = dict(islice(value.items(), most))
    text = repr(value[: most + 1] if isinstance(value, (str, bytes, list, tuple)) else value)
    return text if len(text) <= most else f"{text[: most - 2]}…{text[-1]}"


def printable(text: str) -> str:
    """The text with an escape for each half character, which no file in UTF-8 can hold: they come out of JSON and YAML,
    and out of the names of files that were not written in UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def listed(values: Iterable[Any], most: int = 2 * QUOTED) -> str:
    """Users' names one after the other, as a message shows them."""
    return shortened(", ".join(shortened(str(value)) for value in values), most)
