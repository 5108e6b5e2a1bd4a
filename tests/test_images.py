"""``predict --image``: the same questions with the image taken away, which each answer and run.json tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import write_both
from unveil.core import image_files, pixels
from unveil.core.geometry import encode_mask
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.lesion_noise import LesionMap, Noise
from unveil.core.lesion_region import NOTHING
from unveil.core.provenance import OutputError
from unveil.core.records import Dialogue, Finding, Prediction, Record, RecordError, Shown
from unveil.core.shown import NO_OTHER, Altered, altered
from unveil.evaluate import images, predict
from unveil.testing.models import loaded

CHANGED: tuple[Shown, ...] = (
    *("blank", "noise", "shuffled", "other-patient", "lesion-hidden", "elsewhere-hidden", "lesion-only"),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the test split: r4 with a nodule of p2, beside which there is room, and r5, normal, of p5."""
    folder = write_both(tmp_path_factory.mktemp("data"), 6)
    nodule = Finding("nodule", (10.0, 10.0, 20.0, 20.0))
    small: dict[str, Any] = {"r4": {"findings": (nodule,)}, "r5": {"patient": "p5"}}
    rows = [replace(r, **small.get(r.id, {})) for r in read_jsonl(folder / "records.jsonl", Record)]
    write_jsonl(folder / "records.jsonl", rows)
    return folder


@pytest.fixture
def config(data: Path, tiny_folder: Path, tmp_path: Path) -> predict.Config:
    return predict.Config(
        data / "dialogues.jsonl",
        tmp_path / "predictions.jsonl",
        model=str(tiny_folder),
        max_new_tokens=4,
        records=data / "records.jsonl",
    )


def answers(config: predict.Config) -> list[Prediction]:
    return list(read_jsonl(predict.main(config), Prediction))


def test_records_that_nothing_needs_are_told_what_takes_them(config: predict.Config) -> None:
    with pytest.raises(RecordError, match="--records: only another --engine, or an --image that was taken away, needs"):
        predict.main(config)


def test_other_patients_may_be_one_person_where_patients_are_not_known(
    config: predict.Config, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody knows whose r5 is: r4 is shown it, and it is shown r4."""
    shown = replace(config, image="other-patient")
    asked = [d for d in read_jsonl(config.dialogues, Dialogue) if d.split == "test"]
    assert images.images(shown).shown(asked) == asked and "one person's" not in capsys.readouterr().err
    rows = [replace(r, patient=None if r.id == "r5" else r.patient) for r in read_jsonl(data / "records.jsonl", Record)]
    write_jsonl(data / "unknown.jsonl", rows)
    answers(replace(shown, records=data / "unknown.jsonl"))
    said = "--image other-patient: of 2 images it is not known whose they are or whose is shown"
    assert said in " ".join(capsys.readouterr().err.split())
    about = json.loads((config.out.parent / "predictions.jsonl.run.json").read_text())["shown"]
    assert about["perhaps_one_person"] == 2


@pytest.mark.parametrize("shown", CHANGED)
def test_each_answer_and_the_run_tell_what_was_shown(shown: Shown, config: predict.Config) -> None:
    found = answers(replace(config, image=shown, image_seed=3))
    of_lesion = shown in ("lesion-hidden", "elsewhere-hidden", "lesion-only")
    assert {p.record for p in found} == ({"r4"} if of_lesion else {"r4", "r5"})
    assert {p.shown for p in found} == {shown}
    wanted = {"r4": "r5", "r5": "r4"} if shown == "other-patient" else {}
    assert {p.record: p.shown_record for p in found if p.shown_record} == wanted
    about = json.loads((config.out.parent / "predictions.jsonl.run.json").read_text())["shown"]
    assert (about["image"], about["seed"], about["images"]) == (shown, 3, 1 if of_lesion else 2)
    assert about["left_out"] == ({NOTHING: 1} if of_lesion else {})


def test_the_run_tells_of_the_images_that_are_asked_about(
    config: predict.Config, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of r6, normal as r5, nothing is asked; --limit leaves no image out. The records are looked through once."""
    rows = list(read_jsonl(data / "records.jsonl", Record))
    normal = next(r for r in rows if r.id == "r5")
    write_jsonl(tmp_path / "records.jsonl", [*rows, replace(normal, id="r6", patient="p6")])
    looked: list[Shown] = []

    def counted(shown: Shown, *more: Any) -> Altered:
        looked.append(shown)
        return altered(shown, *more)

    monkeypatch.setattr(images, "altered", counted)
    answers(replace(config, image="lesion-hidden", records=tmp_path / "records.jsonl", limit=1))
    about = json.loads((config.out.parent / "predictions.jsonl.run.json").read_text())["shown"]
    assert (about["images"], about["left_out"]) == (1, {NOTHING: 1})
    assert looked == ["lesion-hidden"]


def test_the_model_sees_what_is_to_be_shown(config: predict.Config, data: Path) -> None:
    """And boxes are read in the own image's pixels, another patient's image too."""
    chat = loaded("llava_siglip").chat
    asked = [d for d in read_jsonl(config.dialogues, Dialogue) if d.record == "r4"][:1]
    own = pixels.to_rgb(image_files.read(data / "4.png"))
    other = pixels.to_rgb(image_files.read(data / "5.png"))
    rows = [r for r in read_jsonl(data / "records.jsonl", Record) if r.split == "test"]
    for shown in CHANGED:
        (row,) = images.images(replace(config, image=shown)).encoded(chat, asked)
        wanted = chat.process(altered(shown, rows).pixels("r4", own, other))
        assert row.seen.digest == wanted.digest and row.seen.view.size == own.shape[1::-1]
        assert row.seen.digest != chat.process(own).digest
        assert row.prompt == chat.encode(asked[0], data / "4.png", with_answer=False).prompt


def test_images_that_cannot_be_shown_so_are_counted(
    config: predict.Config, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here both images are of one patient."""
    rows = [replace(r, patient="same") for r in read_jsonl(data / "records.jsonl", Record)]
    write_jsonl(tmp_path / "records.jsonl", rows)
    with pytest.raises(RecordError, match="no image that is asked about can be shown as other-patient"):
        predict.main(replace(config, image="other-patient", records=tmp_path / "records.jsonl"))
    assert f"2 images are left out: {NO_OTHER}" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"image": "lesion-hidden", "records": None}, "--image lesion-hidden: it needs --records"),
        ({"image": "blank", "engine": "vllm"}, "--image blank: only this process shows it"),
        ({"image": "own"}, "leave it out"),
    ],
)
def test_what_does_not_go_together_is_refused(change: dict[str, Any], match: str, config: predict.Config) -> None:
    with pytest.raises(RecordError, match=match):
        predict.main(replace(config, **change))


def test_records_of_other_images_are_refused(config: predict.Config, data: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "r.jsonl", [r for r in read_jsonl(data / "records.jsonl", Record) if r.id != "r4"])
    with pytest.raises(RecordError, match=r"its record is not in .*r\.jsonl"):
        predict.main(replace(config, image="lesion-only", records=tmp_path / "r.jsonl"))


def test_a_mask_of_another_size_than_the_image_is_told(config: predict.Config, data: Path, tmp_path: Path) -> None:
    """The file has been made larger since it was ingested: where the lesion is in it, nobody knows."""
    rows = [replace(r, width=r.width * 2) if r.id == "r4" else r for r in read_jsonl(data / "records.jsonl", Record)]
    mask = encode_mask(np.ones((rows[4].height, rows[4].width), bool) & (np.arange(rows[4].width) < 8))
    rows[4] = replace(rows[4], findings=(Finding("nodule", (0.0, 0.0, 8.0, float(rows[4].height)), mask),))
    write_jsonl(tmp_path / "records.jsonl", rows)
    with pytest.raises(pixels.ImageError, match=r"r4.*4\.png has 33 x 47 pixels, its record 66 x 47"):
        predict.main(replace(config, image="lesion-hidden", records=tmp_path / "records.jsonl"))


def test_a_noised_image_is_not_taken_away_without_a_word(config: predict.Config, tmp_path: Path) -> None:
    noised = [replace(d, noise=Noise(LesionMap(whole=True), 0)) for d in read_jsonl(config.dialogues, Dialogue)]
    write_jsonl(tmp_path / "d.jsonl", noised)
    with pytest.raises(RecordError, match="has noise of its own"):
        predict.main(replace(config, image="blank", dialogues=tmp_path / "d.jsonl"))


def test_another_image_or_seed_is_another_run(config: predict.Config) -> None:
    predict.main(replace(config, image="noise", kinds=("detection",)))
    with pytest.raises(OutputError, match="image noise -> blank"):
        predict.main(replace(config, image="blank", kinds=("detection",)))
    with pytest.raises(OutputError, match="image_seed 0 -> 1"):
        predict.main(replace(config, image="noise", image_seed=1, kinds=("detection",)))


def test_what_was_made_before_there_was_the_option_counts(config: predict.Config) -> None:
    """A run.json of an older version lacks it: that run showed the own images, which is the default."""
    own = replace(config, records=None, kinds=("detection",))
    before = predict.main(own).stat().st_ino
    told = config.out.parent / "predictions.jsonl.run.json"
    about = json.loads(told.read_text())
    del about["config"]["image"], about["config"]["image_seed"]
    told.write_text(json.dumps(about))
    assert predict.main(own).stat().st_ino == before
    with pytest.raises(OutputError, match="image own -> blank"):
        predict.main(replace(own, image="blank"))


def test_arrays_are_left_as_they_are(data: Path) -> None:
    own = pixels.to_rgb(image_files.read(data / "4.png"))
    before = own.copy()
    rows = [r for r in read_jsonl(data / "records.jsonl", Record) if r.split == "test"]
    for shown in CHANGED:
        altered(shown, rows).pixels("r4", own, own)
    assert np.array_equal(own, before)
