"""Synthetic patients: everything follows from the seed, and what is said of a picture is true of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from unveil.core.geometry import box_of_mask, decode_mask, ious
from unveil.core.records import Record
from unveil.synthetic import canvas
from unveil.synthetic.dataset import ABNORMALITIES, MODALITIES, Patient, draw_patient, synthetic_records


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Thirty patients, some ninety images."""
    return list(synthetic_records(tmp_path_factory.mktemp("drawn"), 30, seed=3))


def test_four_modalities_and_a_dozen_abnormalities() -> None:
    assert len(MODALITIES) >= 4 and len(ABNORMALITIES) >= 12


def test_the_same_seed_draws_the_same_bytes(records: list[Record], tmp_path: Path) -> None:
    """Whatever the number of processes; another seed draws something else."""
    again = list(synthetic_records(tmp_path / "a", 5, seed=3, workers=1))
    assert [r.source.sha256 for r in again] == [r.source.sha256 for r in records[: len(again)]]
    assert [(r.findings, r.report, r.questions) for r in again] == [
        (r.findings, r.report, r.questions) for r in records[: len(again)]
    ]
    other = list(synthetic_records(tmp_path / "b", 2, seed=4, workers=1))
    assert not {r.source.sha256 for r in other} & {r.source.sha256 for r in records}


def test_records_are_whole(records: list[Record]) -> None:
    for record in records:
        assert record.patient and record.modality in MODALITIES and record.completeness == "exhaustive"
        for f in record.findings:
            assert (
                f.box
                and f.mask
                and f.attributes["body_part"]
                and {"shape", "edge", "density", "texture"} <= set(f.attributes)
            )
            assert f.box == box_of_mask(decode_mask(f.mask)), "the box is that of the mask"
            assert 0 <= f.box[0] < f.box[2] <= record.width and 0 <= f.box[1] < f.box[3] <= record.height
            assert min(f.box[2] - f.box[0], f.box[3] - f.box[1]) >= 10


def test_patients_have_several_images_and_images_several_abnormalities(records: list[Record]) -> None:
    images = {r.patient: [q for q in records if q.patient == r.patient] for r in records}
    assert all(2 <= len(rows) <= 4 for rows in images.values())
    assert all(len({q.modality for q in rows}) == 1 for rows in images.values())
    assert {len(r.findings) for r in records} == {0, 1, 2}
    for record in records:
        boxes = [f.box for f in record.findings if f.box]
        assert all(ious([a], [b])[0, 0] < 0.2 for a, b in pairwise(boxes))


def test_words_are_true(records: list[Record]) -> None:
    """Report and questions say of each picture what was drawn."""
    for record in records:
        labels = {f.label for f in record.findings}
        text = (record.report or "").lower()
        assert all(label in text for label in labels) and ("no abnormality" in text) == (not labels)
        answers = {q.text: q.answer for q in record.questions}
        assert answers.get("What kind of image is this?", record.modality) == record.modality
        assert answers.get("How many abnormalities are there?", str(len(record.findings))) == str(len(record.findings))
        for question, answer in answers.items():
            if question.startswith("Is there a "):
                assert (question[len("Is there a ") : -1] in labels) == (answer == "Yes")


@pytest.mark.parametrize("modality", MODALITIES)
def test_sides_are_the_patients(modality: str) -> None:
    """In X-ray and CT the patient's right is on the image's left."""
    module = MODALITIES[modality]
    for seed in range(6):
        rng = np.random.default_rng(seed)
        anatomy = module.draw_anatomy(rng)
        for label in module.ABNORMALITIES:
            (found,) = module.draw(anatomy, [label], rng).findings
            assert found.label == label
            if found.side and found.body_part != "liver":
                middle = np.flatnonzero(found.mask.any(0)).mean()
                assert (middle < 128) == (found.side == "right"), f"{label} {found.side} at {middle:.0f}"


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_abnormality_changes_the_picture_where_its_mask_is(modality: str) -> None:
    """Drawn twice from one state, with and without it: inside the mask the grey differs more than outside."""
    module = MODALITIES[modality]
    for label in module.ABNORMALITIES:
        inside, outside = [], []
        for seed in range(4):
            anatomy = module.draw_anatomy(np.random.default_rng(seed))
            picture = module.draw(anatomy, [label], np.random.default_rng(seed + 100))
            grey, mask = picture.pixels.astype(float).mean(2), picture.findings[0].mask
            near = _grown(mask) & ~mask
            inside.append(grey[mask].mean())
            outside.append(grey[near].mean())
        assert np.abs(np.subtract(inside, outside)).mean() > 4, label


def _grown(mask: np.ndarray, by: int = 8) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    out = np.zeros_like(mask)
    out[max(rows.min() - by, 0) : rows.max() + by, max(columns.min() - by, 0) : columns.max() + by] = True
    return out


def test_unknown_labels_and_empty_runs_are_refused(tmp_path: Path) -> None:
    module = MODALITIES["CT"]
    with pytest.raises(ValueError, match="wart"):
        module.draw(module.draw_anatomy(np.random.default_rng(0)), ["wart"], np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least one patient"):
        list(synthetic_records(tmp_path, 0))


def test_upsampling_is_smooth_and_exact_on_planes() -> None:
    """A cubic B-spline repeats what is linear: knots 0, 1, ..., 6 become a straight line with 4 / 8 knots a pixel."""
    knots = np.tile(np.arange(7.0), (7, 1))
    row = canvas.upsampled(knots, 8)[0]
    assert np.allclose(np.diff(row), 4 / 8, atol=1e-6)


def test_a_patient_can_be_drawn_again_alone() -> None:
    first, again = (list(draw_patient(Patient(3, 7))) for _ in range(2))
    assert all(np.array_equal(a.pixels, b.pixels) for (a, _), (b, _) in zip(first, again, strict=True))
