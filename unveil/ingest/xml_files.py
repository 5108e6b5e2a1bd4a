"""XML that others wrote: read whole, without entities."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from unveil.ingest.files import text_of
from unveil.ingest.reading import AnnotationError, Options


def root_of(path: Path, options: Options) -> Element:
    """The root of an XML file, as ``parsed`` gives it, whatever its encoding."""
    raw = path.read_bytes()
    declared = re.match(rb"""<\?xml[^>]*encoding=["']([\w.-]+)""", raw)
    try:
        return parsed(raw)
    except _Unreadable:  # perhaps the encoding, which Python knows more of
        encoding = options.encoding or (declared and declared[1].decode("ascii"))
        try:
            return parsed(text_of(path, encoding))
        except LookupError as error:
            raise AnnotationError(f"not readable as XML: {error}") from error


class _Unreadable(AnnotationError):
    """Text that is no XML, or not in the encoding that it names."""


def parsed(text: bytes | str) -> Element:
    """The root of an XML text, with all tags in small letters and without namespaces.

    Entities, which can grow without end or name other files, are refused. Raises ``AnnotationError``.
    """
    try:
        root: Element | None = defusedxml.ElementTree.fromstring(text)
    except DefusedXmlException as error:
        raise AnnotationError(f"XML entities are not allowed: {error}") from error
    except (ParseError, LookupError, ValueError) as error:
        raise _Unreadable(f"not readable as XML: {error}") from error
    if root is None:
        raise AnnotationError("the XML file is empty")
    for element in root.iter():
        element.tag = element.tag.rsplit("}", 1)[-1].lower()
    return root
