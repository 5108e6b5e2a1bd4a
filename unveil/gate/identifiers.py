"""What identifies somebody in a text."""

from __future__ import annotations

import re
from pathlib import Path

from unveil.records import Record

_TITLE = r"(?:Dr|Prof|Mr|Mrs|Ms|Miss|Mme|Herr|Frau)\b\.?|DR\.|MR\.|MRS\."

#: What identifies a person in a text. The name of a pattern is told, the text never.
PATTERNS: dict[str, re.Pattern[str]] = {
    "date of birth": re.compile(r"\b(?:d\.?o\.?b\b|date of birth|birth ?date|born (?:on|in)\b)", re.I),
    "date": re.compile(
        r"\b(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2}))\b"
        r"|\b\d{1,2}(?:st|nd|rd|th)?\.? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,? \d{4}\b"
        r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}\b",
        re.I,
    ),
    "age over 89": re.compile(r"\b(?:9\d|1[01]\d)[ -]?(?:years?|yrs?|y/?o)\b", re.I),
    "phone number": re.compile(
        r"\b(?:tel|phone|telephone|fax|mobile|pager)\b\W{0,3}\+?[\d(]|\+\d[\d ()/.-]{7,}\d"
        r"|(?<!\d)\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)|\b0\d{2,4}[ /-]\d{4,}",
        re.I,
    ),
    "e-mail": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "record number": re.compile(
        r"\b(?:mrn|accession|medical record|(?:patient|hospital|case) (?:id|no|number)|nhs|ssn)\b"
        r"[^\w\n]{0,4}(?:(?:no|number|id)\b[^\w\n]{0,3})?\w*\d|\b\d{3}-\d{2}-\d{4}\b|(?<![\w.])[A-Z]{0,4}-?\d{6,}\b"
        r"|\b[A-Z]{1,4}-?\d{5,}\b|\b\d+(?:\.\d+){4,}\b",
        re.I,
    ),
    "patient": re.compile(
        r"(?:^|[.;,])[^\S\n]*(?:patient|pt)(?: name)?\s*[:=]|\bpatient(?:['’]s)? name\b"
        r"|\bpatient\s*[:=]\s*(?-i:[A-Z0-9])",
        re.I | re.M,
    ),
    "titled name": re.compile(rf"\b(?:{_TITLE})\s*[A-Z][\w'’-]+"),
}


def identifying(text: str, record: Record | None = None) -> str | None:
    """The name of what identifies somebody in a text: a pattern, or what the record itself is known by."""
    for name, pattern in PATTERNS.items():
        if pattern.search(text):
            return name
    if record and any(re.search(rf"(?<!\w){re.escape(known)}(?!\w)", text) for known in _known(record)):
        return "identifier of the record"
    return None


def _known(record: Record) -> list[str]:
    """What a record is known by; very short ones would be found everywhere."""
    file = record.source.file or record.image
    names = (record.id, record.patient, record.study, file, Path(file).name, Path(file).stem)
    return [name for name in names if name and len(name) >= 4]
