"""Words of DICOM annotations: coded names as labels and attributes of findings."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from unveil.ingest.reading import IngestError

#: Coded lateralities as records name sides; others stay as they are written.
SIDES = {"right": "right", "left": "left", "right and left": "both", "bilateral": "both"}


def highdicom() -> ModuleType:
    """Raises ``IngestError`` where it is not installed."""
    try:
        import highdicom  # late: slow to import, and an extra
    except ImportError as error:
        raise IngestError("DICOM segmentations and reports need highdicom: pip install 'unveil[dicom]'") from error
    return highdicom  # type: ignore[no-any-return]


def meaning(item: Any, name: str) -> str:
    """The words of a coded entry; "" where there is none."""
    sequence = item.get(name) or []
    return str(sequence[0].get("CodeMeaning") or "").strip() if len(sequence) else ""


def side(word: str) -> str:
    return SIDES.get(word.lower(), word)


def described(segment: Any) -> tuple[str, dict[str, str]]:
    """The label of a segment and what else is said of it: its type in coded words is what it is; its own label often
    only counts, and is kept as the attribute ``segment``."""
    kinds = segment.get("SegmentedPropertyTypeCodeSequence") or []
    own = str(segment.get("SegmentLabel") or "").strip()
    anatomy = segment.get("AnatomicRegionSequence") or []
    modifiers = [
        *(meaning(kind, "SegmentedPropertyTypeModifierCodeSequence") for kind in kinds[:1]),
        *(meaning(region, "AnatomicRegionModifierSequence") for region in anatomy[:1]),
    ]
    attributes = {
        "segment": own,
        "category": meaning(segment, "SegmentedPropertyCategoryCodeSequence"),
        "body_part": meaning(segment, "AnatomicRegionSequence"),
        "side": next((side(word) for word in modifiers if word), ""),
        "tracking": str(segment.get("TrackingID") or "").strip(),
    }
    label = meaning(segment, "SegmentedPropertyTypeCodeSequence") or own
    if not label:
        raise ValueError("a segment without a type and a label")
    return label, {name: value for name, value in attributes.items() if value and value != label}
