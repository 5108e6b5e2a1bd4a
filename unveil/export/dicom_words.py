"""What every DICOM object of predictions says: that it is research, of which program and model, what was found."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from unveil import __version__
from unveil.core.pixels import reported
from unveil.export.output import ExportError

#: Of a series, 64 characters at most.
DESCRIPTION = "Research only, not verified, not for clinical care"
MANUFACTURER = "unveil"
#: The private coding scheme of names of findings, whose codes are made of the names themselves.
SCHEME = "99UNVEIL"
#: Numbers of the series, which sort them behind those of a scanner.
SERIES_NUMBER = 9000
#: Characters that DICOM's long strings hold.
LONG = 64


def highdicom() -> ModuleType:
    """The library; raises ``ExportError`` where it is not installed."""
    try:
        import highdicom
    except ImportError as error:
        raise ExportError("DICOM reports and segmentations need highdicom: pip install 'unveil[dicom]'") from error
    return highdicom  # type: ignore[no-any-return]


@contextmanager
def taken_over(path: Path) -> Iterator[None]:
    """Within, an object is made of what the header of a source says: whatever is amiss with that is an ``ImageError``
    of its file. What needs no header stands outside, so that a fault of ours is not told as one of the file.

    Patients' names of one part, as pseudonyms are, are taken over without a word.
    """
    with warnings.catch_warnings(), reported(path, "taking over its header"):
        warnings.filterwarnings("ignore", message=".*unlikely to represent the intended person name")
        yield


def long_string(text: str) -> str:
    """A text as DICOM's long strings hold it: one line without a backslash, cut where it is longer."""
    text = " ".join(re.sub(r"[\\\x00-\x1f\x7f]+", " ", text).split()) or "?"
    return text if len(text) <= LONG else text[: LONG - 1] + "…"


def concept(label: str) -> Any:
    """The name of a finding as a code: the same name has the same code everywhere."""
    code = hashlib.sha256(label.encode()).hexdigest()[:12].upper()
    return highdicom().sr.CodedConcept(value=code, scheme_designator=SCHEME, meaning=long_string(label))


def model_name(model: str) -> str:
    """A model's name without the folders of this machine."""
    return long_string(Path(model).name if Path(model).is_absolute() else model)


def common(instance: int, series: str) -> dict[str, Any]:
    """What an object says of itself. ``series`` is the UID of its series, which all objects of a study share."""
    hd = highdicom()
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    return {
        "series_instance_uid": series,
        "series_number": SERIES_NUMBER,
        "sop_instance_uid": hd.UID(),
        "instance_number": instance,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MANUFACTURER,
        "software_versions": __version__,
        "device_serial_number": "0",
        "series_description": DESCRIPTION,
        "specific_character_set": "ISO_IR 192",
        "coding_schemes": [
            CodingSchemeIdentificationItem(designator=SCHEME, name="Names of findings as the data have them")
        ],
    }
