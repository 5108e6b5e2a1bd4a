"""Errors in words: what a page is told of one, and what the terminal is."""

from __future__ import annotations

import os
import traceback

from unveil.core import files
from unveil.core.files import WriteError
from unveil.core.pixels import ImageError
from unveil.core.records import RecordError


def plain(error: Exception) -> str:
    """What is wrong, without the path of a file, the id of a row and what a library has said, which are made of names
    of patients all too often. Of an error that names none of these, all that it says."""
    if isinstance(error, ImageError):
        return error.plain or "the image cannot be read; the terminal says why"
    if isinstance(error, RecordError):
        return "what is shown cannot be read from its file as it was; the terminal says why"
    if isinstance(error, WriteError):
        cause = error.__cause__
        code = files.number(cause) if cause else None
        why = files.said(OSError(code, "")) if code else "the terminal says why"
        return f"it could not be kept: {why}"
    return str(error)


def unforeseen(error: BaseException) -> str:
    """Where in the code an error comes from that nobody foresaw, and its type. What it says is left out, since it may
    repeat what a row or a header holds."""
    places = traceback.extract_tb(error.__traceback__)[-8:]
    lines = [f"  {place.filename}:{place.lineno}, in {place.name}" for place in places]
    told = f"error: {type(error).__name__}; what it says may name a patient, and is shown with UNVEIL_DEBUG=1 only"
    return "\n".join([told, *lines])


def wants_all() -> bool:
    """Whether whoever runs this wants to see errors as they are."""
    return bool(os.environ.get("UNVEIL_DEBUG"))
