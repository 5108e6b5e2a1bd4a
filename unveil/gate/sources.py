"""Which data sets may be shared with others at all: only those that somebody has said to be open, under a licence."""

from __future__ import annotations

import re
from collections.abc import Iterable

from unveil.core.records import Record
from unveil.gate import GateError

#: What stands in place of a licence that nobody knows.
_UNKNOWN = {"", "-", "?", "n/a", "na", "none", "unknown", "not stated", "not known", "unspecified"}

#: Data sets that are known to be shared under an agreement only, and how their names are written once all but letters
#: and digits is a space. The first ones' terms are noted in the project's references; of the others it is common
#: knowledge that they are given on application, and no agreement was read. A list like this is never complete.
UNDER_AGREEMENT: dict[str, str] = {
    "MIMIC": r"mimic(?: ?(?:cxr|iv|iii|ii|ext|ecg|echo|ed|note|cdm|diff|eye|[234]))+(?: ?jpg| ?vqa)?\b",
    "MS-CXR": r"ms ?cxr(?: ?t)?\b",
    "VinDr": r"vin ?dr\b|vindr ?(?:cxr|pcxr|mammo|spine ?xr|rib ?cxr|med)|vinbigdata",
    "PadChest": r"pad ?chest(?: ?gr)?\b|bimcv",
    "Chest ImaGenome": r"chest ?imagenome",
    "CheXpert": r"che ?xpert(?: ?plus)?\b|chexphoto\b|chexlocalize\b",
    "eICU": r"eicu(?: ?crd)?\b",
    "BRSET": r"m?brset\b",
    "EchoNet": r"echo ?net\b",
    "UK Biobank": r"uk ?bio ?bank\b|ukbb\b",
    "ADNI": r"adni\b",
    "OASIS brains": r"oasis ?(?:[1234]|brains)\b",
    "PPMI": r"ppmi\b",
    "NLST": r"nlst\b",
    "EMBED": r"emory breast|embed mammo\w*",
    "REFLACX": r"reflacx\b",
    "RadGraph": r"radgraph\b",
}
#: In the names of files, where a word may be anything: MIMIC's own folders, and only the names above.
_LAYOUT = re.compile(r"(?:^|/)p1\d/p1\d{7}/s5\d{7}(?:/|$)")
#: In a data set's name and in its licence also names that are common words in a file's.
_NAMED = {"MIMIC": r"mimic\b", "a PhysioNet data set": r"physio ?net (?:credentialed|restricted|contributor)"}
#: Words of a licence that is none, but an agreement.
_AGREEMENT = (
    r"data us(?:e|age) (?:agreement|certification)|research use agreement|credentialed|\bdua\b|end user agreement"
)

_NAMES = {name: re.compile(rf"\b(?:{pattern})") for name, pattern in UNDER_AGREEMENT.items()}
_WORDS = {name: re.compile(rf"\b(?:{pattern})") for name, pattern in _NAMED.items()}


def known_agreement(record: Record) -> str | None:
    """The data set under an agreement that a record is of, by the names it goes by; None for none that is known."""
    source = record.source
    named, licence, file = (_spaced(text) for text in (source.dataset, source.licence, source.file))
    for name, pattern in _NAMES.items():
        if any(pattern.search(text) for text in (named, licence, file)):
            return name
    for name, pattern in _WORDS.items():
        if pattern.search(named) or pattern.search(licence):
            return name
    if _LAYOUT.search((source.file or "").replace("\\", "/")):
        return "MIMIC"
    return None


def _spaced(text: str | None) -> str:
    return re.sub(r"[^a-z0-9]+", " ", (text or "").lower()).strip()


def fault(record: Record | None) -> str | None:
    """Why a record's data set must not leave this machine, or why nobody can tell; None where it may."""
    if record is None:
        return "its record is not known, so it must not leave this machine"
    source = record.source
    if source.access not in (None, "open"):
        return (
            f"{source.dataset} is {source.access} data, which must not be shared with others: ask an expert on this "
            "machine"
        )
    if name := known_agreement(record):
        return (
            f"{source.dataset} goes by the name of {name}, which is known to be shared under an agreement, whatever "
            "else is said: ask an expert on this machine"
        )
    if re.search(_AGREEMENT, _spaced(source.licence)):
        return f"the licence of {source.dataset} speaks of an agreement: ask an expert on this machine"
    if (source.licence or "").strip().lower() in _UNKNOWN:
        return (
            f"the licence of {source.dataset} is not known: ingest it again with --licence, and with --access open if "
            "it may be shared with anybody"
        )
    if source.access is None:
        return (
            f"nobody has said who may see {source.dataset}: ingest it again with --access open if it may be shared "
            "with anybody, else with --access dua or credentialed"
        )
    return None


def check(item: str, record: Record | None) -> None:
    """Raises ``GateError`` with the item's id where its data set must not leave this machine, or nobody can tell."""
    if why := fault(record):
        raise GateError(f"{item}: {why}")


def look_over(items: Iterable[tuple[str, Record | None]]) -> None:
    """Looks at all that a command is going to ask about, before the first of it leaves.

    Items are ids with their records. Raises ``GateError`` with the first that must not leave, and how many there are.
    """
    known: dict[str, tuple[str, str | None]] = {}
    for item, record in items:
        name = record.id if record else item
        if name not in known:
            known[name] = item, fault(record)
    faults = [(item, why) for item, why in known.values() if why]
    if faults:
        item, why = faults[0]
        count = f"{len(faults)} of {len(known)} records must not leave, so nothing was sent"
        raise GateError(f"{item}: {why} ({count})")


def problems(records: Iterable[Record]) -> list[str]:
    """Why some of these records must not leave, each reason once."""
    return list(dict.fromkeys(why for record in records if (why := fault(record))))
