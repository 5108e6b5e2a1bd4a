"""Reports by section: what stands under which heading, and which sentences speak of an earlier study.

Headings are those of the reports that are published with chest radiographs: FINDINGS:, IMPRESSION: and the like at the
beginning of a line, with INDICATION: and TECHNIQUE: before them, below a line FINAL REPORT. Where a heading stands
twice, as with an addendum, the last one counts, which is the practice with MIMIC-CXR.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Literal

from unveil.core.answers import clean
from unveil.core.records import Record

#: What becomes of sentences about an earlier study.
Earlier = Literal["keep", "drop"]
#: What of a report is asked for: one of its sections, or findings and impression, else all of it.
Part = Literal["findings", "impression", "report"]

#: Headings by the name of their section, in the order in which reports have them.
HEADINGS: dict[str, tuple[str, ...]] = {
    "examination": ("examination", "exam", "study", "type of examination", "procedure"),
    "indication": (
        *("indication", "indications", "history", "clinical history", "clinical indication", "clinical information"),
        *("reason for exam", "reason for examination", "reason for the exam", "clinical statement"),
    ),
    "technique": ("technique", "techniques", "views", "protocol"),
    "comparison": ("comparison", "comparisons", "comparison studies", "comparison study", "prior study"),
    "findings": ("findings", "finding", "chest findings", "report", "observations"),
    "impression": ("impression", "impressions", "conclusion", "conclusions", "opinion", "assessment", "summary"),
    "recommendation": ("recommendation", "recommendations"),
    "notification": ("notification", "notifications"),
    "addendum": ("addendum", "wet read"),
}
_NAMES = {heading: name for name, headings in HEADINGS.items() for heading in headings}
_LONGEST_FIRST = sorted(_NAMES, key=len, reverse=True)
_HEADING = re.compile(
    rf"^[^\S\n]*(?:({'|'.join(heading.replace(' ', '[ ]+') for heading in _LONGEST_FIRST)})"
    r"(?:[^\S\n]*:|(?=[^\S\n]*$))|(?:final|preliminary)[ ]+report[^\S\n]*:?[^\S\n]*$)",
    re.I | re.M,
)


def sections(text: str) -> dict[str, str]:
    """The sections of a report by name, in small letters, as they stand there; none where it has no heading.

    A heading stands at the beginning of a line, with a colon, or alone on its line in capitals. What stands before the
    first one, as behind a line FINAL REPORT, belongs to no section.
    """
    found = [one for one in _HEADING.finditer(text) if one[0].rstrip().endswith(":") or one[0].isupper()]
    parts: dict[str, str] = {}
    for one, after in zip_longest(found, found[1:]):
        inside = text[one.end() : after.start() if after else len(text)].strip()
        if one[1] and inside:
            parts[_NAMES[" ".join(one[1].lower().split())]] = inside
    return parts


#: What describes an image; the others tell why and how it was made, and what it was compared with.
DESCRIBING = ("findings", "impression")


def description(record: Record) -> str:
    """What a record's report says of the image: findings and impression, else all of the report, else its sections."""
    own = record.sections or sections(record.report or "")
    told = [own[name] for name in DESCRIBING if own.get(name, "").strip()]
    if told:
        return "\n".join(told)
    return record.report or "\n".join(own.values())


def part(record: Record, name: Part, earlier: Earlier = "keep") -> str:
    """A part of a record's report as a question's answer: without control tokens; empty where there is none.

    ``earlier`` tells what becomes of its sentences about an earlier study.
    """
    own = record.sections or sections(record.report or "")
    told = clean(description(record) if name == "report" else own.get(name, ""))
    if earlier == "drop":
        return " ".join(s for s in sentences(told) if not refers_to_prior(s))
    return told


_NO_OTHER = re.compile(
    r"\b(?:no|without|lack of|absence of)\s+(?:\w+\s+){0,3}?(?:prior|previous|earlier|comparison)s?\b"
    r"[^.;]{0,40}?(?:available|comparison|studies|study|exams?|examinations?|images?|films?|radiographs?)\b[^.;]*",
    re.I,
)
_PRIOR = re.compile(
    r"\b(?:un(?:changed|altered)|no\s+(?:significant\s+|interval\s+|substantial\s+)*change|interval(?:ly)?|again|"
    r"compar(?:ed|ison|ed\s+with)|in\s+comparison|new|newly|since|previous(?:ly)?|prior|earlier|former|"
    r"persist(?:s|ent|ently|ing)?|stable|remain(?:s|ed|ing)?|still|"
    r"(?:has|have)\s+(?:\w+\s+)?(?:increased|decreased|improved|worsened|resolved|progressed|cleared|enlarged|developed)|"
    r"(?:re)?demonstrated\s+again|redemonstrat(?:ed|ion)|increasing(?:ly)?|decreasing|improv(?:ed|ing|ement)|"
    r"wors(?:ened|ening)|resol(?:ved|ving|ution)|progress(?:ed|ion|ing|ive))\b",
    re.I,
)


def refers_to_prior(sentence: str) -> bool:
    """Whether a sentence of a report speaks of an earlier study, as "unchanged", "again seen" and "new" do.

    Nobody can tell that from the image alone. That there is no earlier study to compare with is no such sentence.
    """
    return _PRIOR.search(_NO_OTHER.sub(" ", sentence)) is not None


def sentences(text: str) -> list[str]:
    """The sentences of a text; a stop within a number or behind a number of a list ends none."""
    parts = re.split(r"(?<=[.!?])(?<!\b\d\.)\s+(?=[A-Z0-9_(])|\n\s*\n", text)
    return [" ".join(part.split()) for part in parts if part and part.strip()]
