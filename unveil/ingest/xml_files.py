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
    """The root of an XML file, with all tags in small letters and without namespaces.

    Entities, which can grow without end or name other files, are refused. Raises ``AnnotationError``.
    """
    raw = path.read_bytes()
    declared = re.match(rb"""<\?xml[^>]*encoding=["']([\w.-]+)""", raw)
    try:
        try:
            root: Element | None = defusedxml.ElementTree.fromstring(raw)
        except (ParseError, LookupError, ValueError):  # perhaps the encoding, which Python knows more of
            encoding = options.encoding or (declared and declared[1].decode("ascii"))
            root = defusedxml.ElementTree.fromstring(text_of(path, encoding))
    except DefusedXmlException as error:
        raise AnnotationError(f"XML entities are not allowed: {error}") from error
    except (ParseError, LookupError) as error:
        raise AnnotationError(f"not readable as XML: {error}") from error
    if root is None:
        raise AnnotationError("the XML file is empty")
    for element in root.iter():
        element.tag = element.tag.rsplit("}", 1)[-1].lower()
    return root
