"""Records of a few boxes, questions on them, and answers: what outcomes and metrics are tried on."""

from __future__ import annotations

from unveil.core.records import Completeness, Dialogue, Finding, Kind, Prediction, Record
from unveil.evaluate.metrics import outcomes

SIZE = 100
A, B, C = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0), (80.0, 0.0, 90.0, 10.0)


def record(*findings: tuple, name: str = "r", complete: bool = True, modality: str | None = "X-ray", **more) -> Record:
    found = tuple(Finding(label, box) for label, box in findings)
    completeness: Completeness = "exhaustive" if complete else "partial"
    return Record(name, f"{name}.png", SIZE, SIZE, modality, findings=found, completeness=completeness, **more)


def dialogue(
    kind: Kind, answer: str = "", target: str | None = None, name: str = "d", of: str = "r", **more
) -> Dialogue:
    return Dialogue(name, of, f"{of}.png", more.pop("split", "test"), kind, "?", answer, target, **more)


def predicted(d: Dialogue, answer: str, **more) -> Prediction:
    return Prediction(d.id, d.record, d.kind, answer, more.pop("box_format", "json-pixels"), (SIZE, SIZE), "m", **more)


def outcome(r: Record, d: Dialogue, answer: str, **more):
    return outcomes([r], [d], [predicted(d, answer, **more)])[0]


def diagnosis(*findings: tuple) -> str:
    """An answer in three steps, with boxes as the model writes them."""
    where = "; ".join(str([int(v) for v in box]) for _, box in findings)
    return f"Detection: abnormal.\nLocalisation: {where}.\nRecognition: {'; '.join(n for n, _ in findings)}."


NORMAL = "Detection: normal.\nLocalisation: none.\nRecognition: nothing abnormal."


def of_diagnosis(r: Record, answer: str):
    return outcome(r, dialogue("diagnosis", of=r.id), answer)
