"""``unveil export boxes``: DICOM reports and segmentations, read back by highdicom, and millimetres."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import generate_uid

from tests.helpers.exporting import answered
from tests.helpers.images import dicom, nifti
from tests.helpers.outcomes import NORMAL, diagnosis
from tests.helpers.real import DATA, needs_data
from unveil import cli
from unveil.core import image_files, image_plane
from unveil.core.geometry import Box
from unveil.core.records import Dialogue, ImagePlane, Prediction, Record
from unveil.export import dicom_words
from unveil.export.seg import filled
from unveil.export.source_dicom import plane_of

hd = pytest.importorskip("highdicom", reason="DICOM objects are written by highdicom, which is not installed")

A, B = (4.0, 2.0, 20.0, 12.0), (30.0, 5.0, 40.0, 20.0)
SAID: tuple[tuple[str, Box], ...] = (("nodule", A), ("erguss \\ größer", B), ("nodule", B))
SAMPLES = DATA / "dicom_nifti_samples"


def ct(path: Path, **tags: Any) -> Path:
    """A slice of 20 x 40 pixels, 2 mm from row to row and 0.5 mm from column to column, with a patient's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    uid = generate_uid(entropy_srcs=[str(path)])
    usual: dict[str, Any] = {
        "SOPInstanceUID": uid, "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4",
        "FrameOfReferenceUID": "1.2.3.5", "SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Ann",
        "PatientID": "7", "PatientBirthDate": "", "PatientSex": "F", "StudyDate": "20200101", "StudyTime": "",
        "StudyID": "", "AccessionNumber": "", "ReferringPhysicianName": "", "PixelSpacing": [2, 0.5],
        "SliceThickness": 1, "ImagePositionPatient": [10, 20, 30], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    }  # fmt: skip
    return dicom(path, np.arange(800, dtype=np.uint16).reshape(20, 40), **(usual | tags))


def given_back(root: Path, form: str, rows: Sequence[Record], said: str = "", more: Sequence[str] = ()) -> int:
    """The exit code of the command where a model has said the same of all images."""
    asked = [Dialogue(f"d{r.id}", r.id, r.image, "test", "diagnosis", "?", "") for r in rows]
    answers = [
        Prediction(d.id, d.record, "diagnosis", said or diagnosis(*SAID), "json-pixels", (40, 20), "/home/me/sft")
        for d, r in zip(asked, rows, strict=True)
    ]
    words = answered(root, rows, asked, answers)
    return cli.main(["export", "boxes", *words, "--form", form, "--out", str(root / "out"), *more])


def slice_of(root: Path, name: str = "a.dcm", **tags: Any) -> Record:
    ct(root / name, **tags)
    return Record(name, name, 40, 20)


def regions(path: Path) -> list[tuple[str, list[float]]]:
    """The findings of a report with the smallest boxes around their polylines."""
    groups = hd.sr.srread(path).content.get_planar_roi_measurement_groups()
    found = []
    for group in groups:
        points = group.roi.value
        assert group.roi.graphic_type == hd.sr.GraphicTypeValues.POLYLINE and (points[0] == points[-1]).all()
        found.append((group.finding_type.meaning, [*points.min(0).tolist(), *points.max(0).tolist()]))
    return found


def test_a_report_has_the_boxes_of_the_answer(tmp_path: Path) -> None:
    """DICOM takes no backslash in a name; a model's name comes without the folders of this machine."""
    assert given_back(tmp_path, "sr", [slice_of(tmp_path)]) == 0
    [path] = (tmp_path / "out").iterdir()
    assert path.name == "a.sr.dcm"
    assert regions(path) == [("nodule", [*A]), ("erguss größer", [*B]), ("nodule", [*B])]
    report = hd.sr.srread(path)
    assert report.StudyInstanceUID == "1.2.3"
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert report.SeriesDescription == "Research only, not verified, not for clinical care"
    assert str(report.PatientName) == "Müller^Ann", "as the source names her, in another character set"
    text = str(report)
    assert "'sft'" in text and "/home/me" not in text and "Device" in text and "99UNVEIL" in text


def test_a_report_refers_to_its_image(tmp_path: Path) -> None:
    import pydicom

    given_back(tmp_path, "sr", [slice_of(tmp_path)])
    source = pydicom.dcmread(tmp_path / "a.dcm")
    [group, *_] = hd.sr.srread(tmp_path / "out/a.sr.dcm").content.get_planar_roi_measurement_groups()
    reference = group.roi.ContentSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert "ReferencedFrameNumber" not in reference


def test_a_frame_of_several_is_told(tmp_path: Path) -> None:
    """The third frame, counted from 0 in records and from 1 in DICOM; a segmentation of it is not made."""
    tags: dict[str, Any] = {"NumberOfFrames": 4, "PixelData": np.arange(3200, dtype=np.uint16).tobytes()}
    row = replace(slice_of(tmp_path, **tags), plane=ImagePlane("a.dcm", frame=2))
    assert given_back(tmp_path, "sr", [row]) == 0
    [group, *_] = hd.sr.srread(tmp_path / "out/a.sr.dcm").content.get_planar_roi_measurement_groups()
    assert group.roi.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber == 3
    assert given_back(tmp_path, "seg", [row], more=["--restart"]) == 1


def test_a_segmentation_has_a_segment_for_each_name(tmp_path: Path) -> None:
    """Of 16 x 10 and 10 x 15 pixels, which for the nodule are two boxes: 160 + 150; segments may overlap."""
    assert given_back(tmp_path, "seg", [slice_of(tmp_path)]) == 0
    segmentation = hd.seg.segread(tmp_path / "out/a.seg.dcm")
    assert [s.SegmentLabel for s in segmentation.SegmentSequence] == ["nodule", "erguss größer"]
    assert segmentation.SegmentationType == "BINARY" and segmentation.ContentLabel == "RESEARCH_ONLY"
    [(_, _, uid)] = segmentation.get_source_image_uids()
    [masks_HWS] = segmentation.get_pixels_by_source_instance([uid])
    expected = np.stack([filled([A, B], 40, 20), filled([B], 40, 20)], -1)
    assert (masks_HWS == expected).all() and expected.sum((0, 1)).tolist() == [310, 150]


def test_a_radiograph_without_a_place_in_the_patient(tmp_path: Path) -> None:
    flat: dict[str, Any] = dict.fromkeys(
        ("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "PatientID")
    )
    row = slice_of(tmp_path, SOPClassUID="1.2.840.10008.5.1.4.1.1.1", Modality="CR", **flat)
    assert given_back(tmp_path, "seg", [row]) == 0
    assert hd.seg.segread(tmp_path / "out/a.seg.dcm").number_of_segments == 2
    assert given_back(tmp_path, "sr", [row], more=["--restart"]) == 0
    assert given_back(tmp_path, "mm", [row], more=["--restart"]) == 1


@pytest.mark.parametrize(
    ("box", "pixels"),
    [((0.4, 0.4, 2.6, 1.4), 3), ((1.1, 1.1, 1.3, 1.2), 1), ((39.9, 19.9, 40.0, 20.0), 1), ((0, 0, 40, 20), 800)],
)
def test_pixels_of_a_box(box: Box, pixels: int) -> None:
    """(0.4, 0.4, 2.6, 1.4) goes to (0, 0, 3, 1); a box within a pixel keeps that one."""
    assert filled([box], 40, 20).sum() == pixels


def test_objects_of_a_study_share_a_series_and_each_has_a_name_of_its_own(tmp_path: Path) -> None:
    rows = [
        slice_of(tmp_path, "a/1.dcm"),
        slice_of(tmp_path, "b/1.dcm"),
        slice_of(tmp_path, "c/1.dcm", StudyInstanceUID="1.2.4"),
    ]
    assert given_back(tmp_path, "sr", [*rows, replace(rows[0], id="../../1.dcm")]) == 0
    found = {path.name: hd.sr.srread(path) for path in (tmp_path / "out").iterdir()}
    assert sorted(found) == ["1.sr.dcm", "a_1.sr.dcm", "b_1.sr.dcm", "c_1.sr.dcm"]
    assert found["a_1.sr.dcm"].SeriesInstanceUID == found["b_1.sr.dcm"].SeriesInstanceUID
    assert found["a_1.sr.dcm"].SeriesInstanceUID != found["c_1.sr.dcm"].SeriesInstanceUID
    assert len({one.SOPInstanceUID for one in found.values()}) == 4


def test_without_highdicom_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    assert given_back(tmp_path, "sr", [slice_of(tmp_path)]) == 1
    assert "pip install 'unveil[dicom]'" in capsys.readouterr().err
    assert given_back(tmp_path, "mm", [slice_of(tmp_path)]) == 0


def test_what_cannot_be_given_back_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nifti(tmp_path / "v.nii", np.zeros((40, 20, 3), np.int16))
    rows = [
        slice_of(tmp_path),
        Record("volume", "cut.png", 40, 20, plane=ImagePlane("v.nii", frame=1)),
        replace(slice_of(tmp_path, "small.dcm"), width=20),
        slice_of(tmp_path, "nameless.dcm", StudyInstanceUID=None),
        replace(slice_of(tmp_path, "side.dcm"), plane=ImagePlane("side.dcm", plane="coronal")),
    ]
    assert given_back(tmp_path, "sr", rows) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.sr.dcm"]
    told = json.loads((tmp_path / "out.run.json").read_text())
    assert (told["written"], told["left_out"]) == (1, {"images that cannot be reported on": 4})
    said = " ".join(capsys.readouterr().err.split())
    assert "NIfTI, no DICOM image; of a volume, --form mm gives millimetres" in said


@pytest.mark.parametrize("form", ["sr", "seg"])
def test_what_a_source_lacks_is_told_of_it_and_a_fault_of_ours_is_not(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A patient of two sexes is the file's fault; a name that cannot be written as a code, and a full disk, are not."""
    rows = [slice_of(tmp_path), slice_of(tmp_path, "bad.dcm", PatientSex=["F", "M"])]
    assert given_back(tmp_path, form, rows) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "left out 1 images that cannot be reported on" in said and "bad.dcm: taking over its header failed" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"a.{form}.dcm"]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert given_back(tmp_path, form, rows[:1], more=["--restart"]) == 1
    assert "left out" not in capsys.readouterr().err

    def broken(label: str) -> None:
        raise KeyError(label)

    monkeypatch.setattr(dicom_words, "concept", broken)
    with pytest.raises(KeyError):
        given_back(tmp_path, form, rows[:1], more=["--restart"])


def test_an_image_without_boxes_has_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert given_back(tmp_path, "sr", [slice_of(tmp_path)], NORMAL) == 1
    assert "left out 1 images without a predicted box, such as a.dcm" in " ".join(capsys.readouterr().err.split())


def test_millimetres_by_hand(tmp_path: Path) -> None:
    """(4, 2, 20, 12) at 0.5 mm and 2 mm from (10, 20, 30), whose pixel's edge is (9.75, 19): 11.75 to 19.75, 23 to 43.

    A record's own plane goes before the header of its file.
    """
    own = ImagePlane(spacing=(1.0, 1.0), origin=(0.5, 0.5, 7.0), across=(1.0, 0.0, 0.0), down=(0.0, 1.0, 0.0))
    rows = [slice_of(tmp_path), Record("cut", "cut.png", 40, 20, plane=own)]
    assert given_back(tmp_path, "mm", rows, diagnosis(("nodule", A))) == 0
    first, second = map(json.loads, (tmp_path / "out/boxes.jsonl").read_text().splitlines())
    assert first == {
        "record": "a.dcm", "label": "nodule", "box": [4, 2, 20, 12],
        "corners": [[11.75, 23, 30], [19.75, 23, 30], [19.75, 43, 30], [11.75, 43, 30]],
        "axes": "LPS", "unit": "mm", "model": "sft", "dialogue": "da.dcm",
    }  # fmt: skip
    assert second["corners"] == [[4, 2, 7], [20, 2, 7], [20, 12, 7], [4, 12, 7]]


def test_a_slice_that_was_taken_upright_is_reported_on(tmp_path: Path) -> None:
    """Coronal, as many of MR are: columns lead to the left, rows to the feet; no cut through a volume."""
    row = slice_of(tmp_path, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    row = replace(row, plane=ImagePlane("a.dcm", frame=0, plane="coronal"))
    assert given_back(tmp_path, "sr", [row], diagnosis(("nodule", A))) == 0
    assert given_back(tmp_path, "mm", [row], diagnosis(("nodule", A)), ["--restart"]) == 0
    told = json.loads((tmp_path / "out/boxes.jsonl").read_text())
    assert told["corners"][0] == [11.75, 20, 27] and told["corners"][2] == [19.75, 20, 7]


@pytest.mark.parametrize("tags", [{"PixelSpacing": 2}, {"ImagePositionPatient": 10}, {"ImageOrientationPatient": [1]}])
def test_a_header_that_tells_half_a_place_is_left_out(tags: dict[str, Any], tmp_path: Path) -> None:
    """One number where there are several: no error of this program, and the other image is given back."""
    rows = [slice_of(tmp_path), slice_of(tmp_path, "half.dcm", **tags)]
    assert given_back(tmp_path, "mm", rows, diagnosis(("nodule", A))) == 0
    assert [json.loads(line)["record"] for line in (tmp_path / "out/boxes.jsonl").read_text().splitlines()] == ["a.dcm"]


@needs_data
@pytest.mark.parametrize(
    "file",
    ["highdicom/test_files/ct_image.dcm", "highdicom/test_files/dx_image.dcm", "dcmqi/segmentations/ct-3slice/01.dcm",
     "pydicom/CT_small.dcm", "pydicom/MR_small_bigendian.dcm", "pydicom/JPEG2000.dcm"],
)  # fmt: skip
def test_real_images_get_their_boxes_back(file: str, tmp_path: Path) -> None:
    """As reports and as segmentations; where the header tells a place in the patient, there and back again."""
    if not (SAMPLES / file).exists():
        pytest.skip(f"no {file} among the samples")
    header = image_files.probe(SAMPLES / file)
    row = Record(file, str(SAMPLES / file), header.width, header.height)
    box = (header.width / 4, header.height / 4, header.width / 2, header.height / 2)
    said = diagnosis(("nodule", (10.0, 5.0, 20.0, 10.0)))  # of a picture of 40 x 20
    assert given_back(tmp_path, "sr", [row], said) == 0
    [path] = (tmp_path / "out").iterdir()
    assert regions(path) == [("nodule", [*box])]
    assert given_back(tmp_path, "seg", [row], said, ["--restart"]) == 0
    [path] = (tmp_path / "out").iterdir()
    segmentation = hd.seg.segread(path)
    [(_, _, uid)] = segmentation.get_source_image_uids()
    [mask_HW1] = segmentation.get_pixels_by_source_instance([uid])
    assert (mask_HW1[..., 0] == filled([box], *row.size)).all()
    if header.orientation and "ct" in file.lower():
        plane = plane_of(row, tmp_path / "records.jsonl")
        assert image_plane.in_image(plane, image_plane.in_patient(plane, 4.0, 2.0)) == pytest.approx(
            (4, 2, 0), abs=1e-6
        )
