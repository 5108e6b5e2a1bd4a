"""Sex and age of the person whom an image shows: as tables and headers write them, and in bands for figures by group.

Ages over 89 are one value, 90, which means 90 and more: an exact one may tell a person (HIPAA's Safe Harbor,
45 CFR 164.514(b)(2)(i)(C)). So none is ever kept.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

#: As DICOM has it: F, M and O of PatientSex (PS3.3 C.7.1.1).
Sex = Literal["female", "male", "other"]

#: Years that stand for all ages over 89.
OLDEST = 90.0
#: An age above is a mistake or a code: NIH ChestX-ray14 has some of more than 400 years.
HIGHEST = 120.0
#: Bands of age, each with the years from which on it is meant, the last first.
BANDS = (("65+", 65.0), ("40-64", 40.0), ("18-39", 18.0), ("0-17", 0.0))

_SEXES: dict[str, Sex] = {
    "f": "female", "female": "female", "m": "male", "male": "male", "o": "other", "other": "other",
}  # fmt: skip
#: How tables say that they do not know.
_UNKNOWN = ("", "u", "unknown", "n/a", "na", "nan", "none", "null", "-", "?")
#: A number of years, or with DICOM's letter (PS3.5, AS) of years, months, weeks or days.
_AGE = re.compile(r"(\d{1,4}(?:\.\d+)?) ?([ymwd]?)")
_OLD = re.compile(r"(?:> ?89|>= ?90|90 ?\+)")
_PER_YEAR = {"": 1.0, "y": 1.0, "m": 12.0, "w": 365.25 / 7, "d": 365.25}
#: The day that stands in headers for a birth that nobody knows.
_NO_BIRTH = date(1900, 1, 1)


def sex(text: str) -> Sex | None:
    """What a cell or PatientSex says; None where it says that nobody knows. Raises ``ValueError`` for anything else,
    such as a number, whose meaning would be a guess."""
    said = text.strip().lower()
    if said in _UNKNOWN:
        return None
    if said not in _SEXES:
        raise ValueError("a sex is F, M or O, or its word")
    return _SEXES[said]


def age(text: str) -> float | None:
    """Years out of 58, 58.0, 058Y, 018M, 012W or 003D, to hundredths; ``OLDEST`` for all from it on, and for 90+.

    None where it says that nobody knows. Raises ``ValueError`` for what is none, for more than ``HIGHEST`` years, and
    for 0 in years, which mostly stands for an age that is not known: a baby's is given in months, weeks or days.
    """
    said = text.strip().lower()
    if said in _UNKNOWN:
        return None
    if _OLD.fullmatch(said):
        return OLDEST
    if not (told := _AGE.fullmatch(said)):
        raise ValueError("an age is a number of years, or one with Y, M, W or D behind it")
    years = float(told[1]) / _PER_YEAR[told[2]]
    if years > HIGHEST or (years == 0 and told[2] in ("", "y")):
        raise ValueError(f"an age lies above 0 and up to {HIGHEST:g} years")
    return min(round(years, 2), OLDEST)


def between(birth: str, study: str) -> str | None:
    """The age at a study by two of DICOM's dates, such as 19700331, as PatientAge would tell it: in years, and below
    two of them in days.

    None where a date is missing or none, where birth is not before the study, since one day in place of all dates is
    what programs leave that make files anonymous, and for a birth on the first day of 1900, which means no birth.
    """
    born, seen = _day(birth), _day(study)
    if born is None or seen is None or not born < seen or born == _NO_BIRTH:
        return None
    years = seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day))
    return f"{years:03}Y" if years > 1 else f"{(seen - born).days:03}D"


def _day(text: str) -> date | None:
    told = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", text.strip())
    try:
        return date(int(told[1]), int(told[2]), int(told[3])) if told else None
    except ValueError:  # the 31st of February
        return None


def band(years: float) -> str:
    """The band of an age: 0-17, 18-39, 40-64 or 65+."""
    return next(name for name, least in BANDS if years >= least)
