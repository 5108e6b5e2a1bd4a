"""The dataset card: README.md as Hugging Face reads it, with its table of contents for machines at the top.

It says what is known of the data and what is not: sources with their licences and access, of which the strictest wins,
whether images were drawn, how complete the annotation is, how the files were made.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unveil import __version__
from unveil.core import access
from unveil.core.lesion_region import place
from unveil.core.records import Record, Source

STATEMENT = (
    "Research only. Not a medical device, not for diagnosis and not for clinical care. "
    "Nothing in it has been verified for use with patients."
)
#: The data set that ``unveil`` draws itself.
DRAWN = "synthetic"
#: How licences are written, and what the hub calls them.
LICENCES = {
    "cc0-1.0": ("cc0", "cc0-1.0", "cc0 1.0"),
    "cc-by-4.0": ("cc by 4.0", "cc-by-4.0"),
    "cc-by-sa-4.0": ("cc by-sa 4.0", "cc-by-sa-4.0"),
    "cc-by-nc-4.0": ("cc by-nc 4.0", "cc-by-nc-4.0"),
    "cc-by-nc-sa-4.0": ("cc by-nc-sa 4.0", "cc-by-nc-sa-4.0"),
    "cc-by-nc-nd-4.0": ("cc by-nc-nd 4.0", "cc-by-nc-nd-4.0"),
    "apache-2.0": ("apache-2.0", "apache 2.0"),
    "mit": ("mit",),
}
#: Upper bounds of the hub's classes of size.
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True)
class About:
    """What is known of an export beside its records."""

    name: str
    """Of the data set that is made."""
    digest: str
    """SHA-256 of the file of records that it is made of."""
    restricted: bool
    """Whether it was asked for although not all data are open."""


def licence_of(text: str | None) -> str:
    """What the hub calls a licence: "other" where it has no name for it, "unknown" where nobody has said."""
    if not text:
        return "unknown"
    plain = " ".join(text.lower().split())
    return next((name for name, forms in LICENCES.items() if plain in forms), "other")


def is_drawn(source: Source) -> bool:
    return source.dataset == DRAWN


def has_texts(record: Record) -> bool:
    """Whether a report, a phrase or a question goes along, which may name people."""
    return bool(record.report or record.sections or record.questions or any(f.phrase for f in record.findings))


def tasks(records: Iterable[Record]) -> list[str]:
    """What the data can teach, as the hub calls it."""
    found: set[str] = set()
    for record in records:
        if any(place(finding) is not None for finding in record.findings):
            found.add("object-detection")
        if any(finding.mask for finding in record.findings):
            found.add("image-segmentation")
        if record.findings:
            found.add("image-classification")
        if record.questions:
            found.add("visual-question-answering")
        if record.report or record.sections:
            found.add("image-to-text")
    return sorted(found)


def front(records: Sequence[Record], splits: Iterable[str], about: About) -> dict[str, Any]:
    """The values at the top of the card."""
    drawn = any(is_drawn(record.source) for record in records)
    languages = {q.language for r in records for q in r.questions} | {r.language for r in records}
    values: dict[str, Any] = {
        "pretty_name": about.name,
        "license": sorted({licence_of(record.source.licence) for record in records}),
        "task_categories": tasks(records),
        "language": sorted(language for language in languages if language),
        "tags": ["medical", "research-only", "not-for-clinical-care", "croissant", *(["synthetic"] if drawn else [])],
        "size_categories": [next((name for most, name in SIZES if len(records) < most), "1M<n<10M")],
        "configs": [
            {"config_name": "default", "data_files": [{"split": name, "path": f"{name}/**"} for name in splits]}
        ],
    }
    return {name: value for name, value in values.items() if value}


def sources(records: Iterable[Record]) -> list[tuple[Source, int]]:
    """Each data set in its version, with licence and access, and how many images are of it."""
    counts = Counter(Source(s.dataset, s.version, s.licence, s.access) for s in (record.source for record in records))
    return sorted(counts.items(), key=lambda one: str(one[0]))


def text(records: Sequence[Record], splits: Mapping[str, int], about: About) -> str:
    """The whole card; YAML reads what is written as JSON."""
    top = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in front(records, splits, about).items()]
    return "\n".join(["---", *top, "---", "", *_body(records, splits, about), ""])


def _body(records: Sequence[Record], splits: Mapping[str, int], about: About) -> list[str]:
    strictest = access.strictest(records)
    completeness = Counter(record.completeness for record in records)
    findings = sum(len(record.findings) for record in records)
    return [
        f"# {cell(about.name)}",
        "",
        f"**{STATEMENT}**",
        "",
        f"{len(records)} images with {findings} findings, their boxes (x, y, width, height in pixels) and names.",
        "",
        "## Splits",
        "",
        *table(("split", "images"), [(name, str(n)) for name, n in splits.items()]),
        "",
        "## Sources, licences and access",
        "",
        *table(
            ("data set", "version", "images", "licence", "access"),
            [
                (s.dataset, s.version or "unknown", str(n), s.licence or "unknown", s.access or "unknown")
                for s, n in sources(records)
            ],
        ),
        "",
        "The licence of each source holds for its images and annotations.",
        f"Access to the whole is that of its strictest source: **{strictest}** ({access.MEANINGS[strictest]}).",
        *(["**Do not publish**: it was written for those who may see all of its sources."] if about.restricted else []),
        "",
        "## How it was made",
        "",
        f"- Derived from {', '.join(cell(s.dataset) for s, _ in sources(records)) or 'nothing'} "
        f"by `unveil export records` {__version__}, from records with the SHA-256 {about.digest}.",
        f"- Synthetic data: {synthetic(records)}.",
        "- Annotation: by the sources. "
        + ", ".join(f"{n} images are annotated {_COMPLETE[name]}" for name, n in sorted(completeness.items()))
        + ". Where an annotation is not known to be exhaustive, an unmarked place is no negative.",
        "- Images were written anew from their pixels, without what files told beside them; burned-in text stays.",
        "- Patients, studies and images stand under pseudonyms, a keyed hash."
        + (" Texts stand as they were." if any(map(has_texts, records)) else ""),
        "",
    ]


_COMPLETE = {"exhaustive": "exhaustively", "partial": "in part", "unknown": "nobody knows how completely"}


def synthetic(records: Sequence[Record]) -> str:
    """Whether images were drawn, in words; of other sources only they themselves can tell."""
    drawn = sum(is_drawn(record.source) for record in records)
    if drawn == len(records):
        return "yes, all images are drawn"
    return f"yes, {drawn} of {len(records)} images are drawn" if drawn else "none that the records tell of"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *([cell(value) for value in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def cell(value: str) -> str:
    """A user's text as Markdown shows it, on one line."""
    text = " ".join(value.split()).replace("\\", "\\\\")
    return "".join(f"\\{c}" if c in "|`*_[]<>#" else c for c in text)
