"""DICOM folders: reports, frames, windows, who is in them, and files that are not what they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from tests.helpers.real import DATA, needs_data
from tests.helpers.volumes import ROOT, in_patient, report, segmentation, series, structure_set
from unveil.core import image_files
from unveil.core.image_plane import in_patient as place
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.reading import Options
from unveil.ingest.runner import Summary, ingest


def read(folder: Path, **options: Any) -> tuple[list[Record], Summary]:
    summary = ingest(folder, "auto", folder.parent / "out", Options(**{"slices": "every:1", **options}))
    return list(read_jsonl(summary.records_file, Record)), summary


def marked(folder: Path, **tags: Any) -> list[Dataset]:
    """Four slices, of which the second and the third are marked."""
    images = series(folder, **tags)
    drawn = np.zeros((4, 16, 20, 1), np.uint8)
    drawn[1:3, 4:8, 5:12] = 1
    segmentation(folder / "seg", images, drawn)
    return images


def region(kind: str, points: list[tuple[float, float]], image: Dataset) -> Any:
    source = highdicom.sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID)
    return ("region", highdicom.sr.ImageRegion(kind, np.array(points), source))


def test_regions_of_reports(tmp_path: Path) -> None:
    """In pixels (0, 0) is the corner of the first pixel: a polyline from (5, 4) to (12, 8) is that box, a circle around
    (8, 8) through (8, 11) reaches from 5 to 11 (pixels by their middles), an ellipse by the ends of its axes. In
    millimetres whole numbers are middles of pixels."""
    images = series(tmp_path / "set")
    corners = in_patient(images[2], [(4.5, 3.5), (11.5, 3.5), (11.5, 7.5), (4.5, 7.5), (4.5, 3.5)])
    solid = highdicom.sr.ImageRegion3D("POLYGON", corners, images[2].FrameOfReferenceUID)
    regions = [
        region("POLYLINE", [(5, 4), (12, 4), (12, 8), (5, 8), (5, 4)], images[1]),
        region("CIRCLE", [(8, 8), (8, 11)], images[1]),
        region("ELLIPSE", [(2, 8), (12, 8), (7, 5), (7, 11)], images[1]),
        region("POINT", [(3, 3)], images[1]),
        ("region", solid),
    ]
    report(tmp_path / "set" / "sr", images, regions)
    (one, two), summary = read(tmp_path / "set", allow_rejected=0.5)
    assert [f.box for f in one.findings] == [(5, 4, 12, 8), (5, 5, 11, 11), (2, 5, 12, 11)]
    assert one.findings[0].label == "Nodule" and one.findings[0].attributes == {
        "category": "Morphologically Abnormal Structure",
        "tracking": "lesion 1",
        "body_part": "Lung",
        "side": "left",
    }
    assert [f.box for f in two.findings] == [(5, 4, 12, 8)]
    assert summary.rejected == 1 and "encloses nothing" in summary.reasons[0].first.reason


def test_a_region_that_is_wrong_is_lost_to_its_own_slice(tmp_path: Path) -> None:
    """A group of four regions, of which the second covers no pixel and the third names an image that is not here: the
    fourth is read all the same; where the third lies nobody can tell, so no slice is a true negative. Without it only
    the slice of the second is not."""
    images = series(tmp_path / "set")
    corners: list[tuple[float, float]] = [(5, 4), (12, 4), (12, 8), (5, 8), (5, 4)]
    speck: list[tuple[float, float]] = [(5, 4), (5.1, 4), (5.1, 4.1), (5, 4)]
    elsewhere = pydicom.dcmread(tmp_path / "set" / "IM001")
    elsewhere.SOPInstanceUID = f"{ROOT}.9"
    drawn = [(images[1], corners), (images[2], speck), (elsewhere, corners), (images[3], corners)]
    regions = [region("POLYLINE", points, image)[1] for image, points in drawn]
    asked: dict[str, Any] = {"slices": "all", "completeness": "exhaustive", "allow_rejected": 1}
    for some, unknown in (([*regions[:2], regions[3]], False), (regions, True)):
        report(tmp_path / "set" / "sr", images, [("regions", some)], [elsewhere] if unknown else [])
        records, summary = read(tmp_path / "set", **asked)
        assert [len(r.findings) for r in records] == [0, 1, 0, 1]
        assert [r.completeness == "partial" for r in records] == [unknown, unknown, True, unknown]
        assert summary.rejected == 1 + unknown


def test_a_report_on_a_segment_tells_of_that_segment(tmp_path: Path) -> None:
    """Its words are added to the segment's: the region is one finding, not two."""
    images = marked(tmp_path / "set")
    content = pydicom.dcmread(tmp_path / "set" / "seg")
    source = highdicom.sr.SourceImageForSegmentation(images[1].SOPClassUID, images[1].SOPInstanceUID)
    segment = highdicom.sr.ReferencedSegmentationFrame(
        content.SOPClassUID, content.SOPInstanceUID, 1, segment_number=1, source_image=source
    )
    report(tmp_path / "set" / "sr", images, [("segment", segment)], [content])
    records, summary = read(tmp_path / "set")
    assert not summary.rejected and [len(r.findings) for r in records] == [1, 1]
    [finding] = records[0].findings
    assert finding.label == "Neoplasm"
    assert (finding.attributes["finding"], finding.attributes["side"]) == ("Nodule", "left")


def test_frames_of_one_file_are_cut(tmp_path: Path) -> None:
    """An enhanced file keeps places with its frames; each marked one becomes a PNG, named by its number from 1."""
    images = series(tmp_path / "plain")
    shared, frames = Dataset(), []
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = images[0].ImageOrientationPatient
    measures.PixelSpacing = images[0].PixelSpacing
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    for image in images:
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = image.ImagePositionPatient
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    single = images[0]
    single.SharedFunctionalGroupsSequence, single.PerFrameFunctionalGroupsSequence = [shared], frames
    single.NumberOfFrames = 4
    single.PixelData = b"".join(image.PixelData for image in images)
    del single.ImagePositionPatient, single.ImageOrientationPatient, single.PixelSpacing
    (tmp_path / "set").mkdir()
    single.save_as(tmp_path / "set" / "enhanced")
    corners = [(4.5, 3.5), (11.5, 3.5), (11.5, 7.5), (4.5, 7.5)]
    structure_set(tmp_path / "set" / "rt", images, {"a": [(None, in_patient(images[2], corners))]})
    [record], _ = read(tmp_path / "set")
    assert record.source.file == "enhanced#frame-3" and record.image.endswith(".png")
    assert record.plane and record.plane.frame == 2 and record.plane.origin == (-10, -20, 36)
    assert [f.box for f in record.findings] == [(5, 4, 12, 8)] and record.modality == "CT"
    shown = image_files.read(tmp_path / "set" / "enhanced", frame=2).array
    assert np.array_equal(image_files.read(tmp_path / "out" / record.image).array, shown)


def test_enhanced_files_of_one_frame_know_their_places(tmp_path: Path) -> None:
    """They keep place and spacing where those of many frames do: a contour finds its slice, and mm are kept."""
    images = series(tmp_path / "set")
    corners = [(4.5, 3.5), (11.5, 3.5), (11.5, 7.5), (4.5, 7.5)]
    structure_set(tmp_path / "set" / "rt", images, {"a": [(None, in_patient(images[2], corners))]})
    for path in (tmp_path / "set").glob("IM*"):
        image, frame, (position, orientation, measures) = (
            pydicom.dcmread(path),
            Dataset(),
            (Dataset() for _ in range(3)),
        )
        position.ImagePositionPatient, measures.PixelSpacing = image.ImagePositionPatient, image.PixelSpacing
        orientation.ImageOrientationPatient = image.ImageOrientationPatient
        frame.PlanePositionSequence, frame.PlaneOrientationSequence = [position], [orientation]
        frame.PixelMeasuresSequence = [measures]
        image.PerFrameFunctionalGroupsSequence, image.NumberOfFrames = [frame], 1
        del image.ImagePositionPatient, image.ImageOrientationPatient, image.PixelSpacing
        image.save_as(path)
    [record], _ = read(tmp_path / "set")
    assert [f.box for f in record.findings] == [(5, 4, 12, 8)]
    assert record.plane and record.plane.origin == (-10, -20, 36) and record.plane.spacing == (2, 1)


def test_images_may_lie_apart_from_what_is_marked_on_them(tmp_path: Path) -> None:
    images = marked(tmp_path / "set")
    title = highdicom.sr.CodedConcept("113000", "DCM", "Of Interest")
    content = highdicom.ko.KeyObjectSelection(title, referenced_objects=[images[1]])
    picked = highdicom.ko.KeyObjectSelectionDocument(
        [images[1]], content, f"{ROOT}.44", 44, f"{ROOT}.44.1", 1, "drawn", institution_name="drawn"
    )
    picked.save_as(tmp_path / "set" / "ko")
    (tmp_path / "pictures").mkdir()
    for path in (tmp_path / "set").glob("IM*"):
        path.rename(tmp_path / "pictures" / path.name)
    records, _ = read(tmp_path / "set", images=tmp_path / "pictures")
    assert [r.source.file for r in records] == ["IM003", "IM002"] and all(r.findings for r in records)
    assert len(read(tmp_path / "set", images=tmp_path / "pictures", slices="key")[0]) == 1


def test_places_are_those_of_dicom(tmp_path: Path) -> None:
    """The middle of the pixel in column 3 and row 5 by the equation of the standard, oblique too."""
    tilted = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)
    images = marked(tmp_path / "set", cosines=tilted)
    for record in read(tmp_path / "set")[0]:
        image = pydicom.dcmread(record.image)
        assert record.plane and record.plane.spacing == (2, 1)
        assert place(record.plane, 3.5, 5.5) == pytest.approx(tuple(in_patient(image, [(3, 5)])[0]))
    assert len(images) == 4


def test_an_image_with_its_own_window_stays_as_it_is(tmp_path: Path) -> None:
    """Else soft tissue for CT, -160 to 240, or what the user says; both are kept with the record."""
    marked(tmp_path / "set")
    [record, _], _ = read(tmp_path / "set")
    assert record.image == str(tmp_path / "set" / "IM003") and record.plane and record.plane.window == (0, 199)
    [record, _], _ = read(tmp_path / "set", window=(0.0, 50.0))
    assert record.image.endswith(".png") and record.plane and record.plane.window == (0, 50)
    marked(tmp_path / "bare", number=2, WindowCenter=None, WindowWidth=None)
    [record, _], _ = read(tmp_path / "bare")
    assert record.plane and record.plane.window == (-160, 240) and record.modality == "CT"
    with pytest.raises(ValueError, match="the lower value comes first"):
        read(tmp_path / "set", window=(50.0, 0.0))


def test_slices_of_a_study_stay_together_and_nobody_is_named(tmp_path: Path) -> None:
    """The study is a keyed hash: neither it nor the patient's number stands anywhere in what is written."""
    marked(tmp_path / "set" / "one")
    other = marked(tmp_path / "set" / "two", number=2)
    assert other[0].PatientID == "P2"
    records, summary = read(tmp_path / "set", patients_from="dicom")
    assert len({r.study for r in records}) == 2 == len({(r.study, r.patient) for r in records})
    text = summary.records_file.read_text()
    assert ROOT not in text and '"P2"' not in text and "Nobody" not in text
    assert all(json.loads(line)["study"] for line in text.splitlines())


def test_a_dicomdir_is_not_followed(tmp_path: Path) -> None:
    """It names a file outside the folder; it is not opened, and nothing of it is read."""
    marked(tmp_path / "set")
    directory = pydicom.dcmread(tmp_path / "set" / "IM001", stop_before_pixels=True)
    record = Dataset()
    record.ReferencedFileID = ["XX", "XX", "SECRET"]
    directory.DirectoryRecordSequence = [record]
    for name in ("DICOMDIR", "dicomdir"):
        directory.save_as(tmp_path / "set" / name)
        written = (tmp_path / "set" / name).read_bytes()
        (tmp_path / "set" / name).write_bytes(written.replace(b"XX", b".."))
    records, summary = read(tmp_path / "set")
    assert len(records) == 2 and not summary.rejected


def test_files_that_are_broken_are_told_and_the_run_goes_on(tmp_path: Path) -> None:
    """A segmentation that ends too early, an image that announces 60,000 x 60,000 pixels, one that was cut, a second
    file of the same image, and a file that only begins as DICOM does."""
    images = marked(tmp_path / "set")
    whole = (tmp_path / "set" / "seg").read_bytes().replace(b".77.", b".78.")  # another object
    (tmp_path / "set" / "cut").write_bytes(whole[:-60])
    (tmp_path / "set" / "again").write_bytes((tmp_path / "set" / "IM001").read_bytes())
    (tmp_path / "set" / "nothing").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    huge = pydicom.dcmread(tmp_path / "set" / "IM003")
    huge.Rows = huge.Columns = 60_000
    huge.save_as(tmp_path / "set" / "IM003")
    short = (tmp_path / "set" / "IM002").read_bytes()
    (tmp_path / "set" / "IM002").write_bytes(short[:-300])
    good = [(4.5, 3.5), (11.5, 3.5), (11.5, 7.5), (4.5, 7.5)]
    structure_set(tmp_path / "set" / "rt", images, {"a": [(0, in_patient(images[0], good))]})
    records, summary = read(tmp_path / "set", allow_rejected=1)
    assert [r.source.file for r in records] == ["IM004"]
    told = (tmp_path / "out" / "rejected.jsonl").read_text()
    assert all(f'"{name}"' in told for name in ("IM003", "IM002", "nothing", "cut"))
    assert "more than the limit" in told and "cannot reshape" in told
    assert any("SOP instance of another file" in note for note in summary.notes)


def test_images_alone_are_no_dicom_folder_of_ours(tmp_path: Path) -> None:
    """A table beside DICOM images is a table, as before; with a segmentation too, auto asks."""
    series(tmp_path / "set")
    (tmp_path / "set" / "labels.csv").write_text("image,label\nIM001,nodule\nIM002,mass\n")
    assert read(tmp_path / "set")[1].format == "csv"
    drawn = np.ones((4, 16, 20, 1), np.uint8)
    segmentation(tmp_path / "set" / "seg", series(tmp_path / "other", number=2), drawn)
    with pytest.raises(ValueError, match=r"2 ways.*--format dicom"):
        read(tmp_path / "set")


def test_key_slices_are_those_that_somebody_has_picked(tmp_path: Path) -> None:
    """A key object selection names the second image of four, of which the second and the third are marked."""
    images = marked(tmp_path / "set")
    title = highdicom.sr.CodedConcept("113000", "DCM", "Of Interest")
    content = highdicom.ko.KeyObjectSelection(title, referenced_objects=[images[1]])
    known = {"series_instance_uid": f"{ROOT}.44", "series_number": 44, "sop_instance_uid": f"{ROOT}.44.1"}
    document = highdicom.ko.KeyObjectSelectionDocument(
        [images[1]], content, **known, instance_number=1, manufacturer="drawn", institution_name="drawn"
    )
    document.save_as(tmp_path / "set" / "ko")
    records, _ = read(tmp_path / "set", slices="key")
    assert [r.source.file for r in records] == ["IM003"] and len(records[0].findings) == 1


@needs_data
def test_a_real_liver_lies_where_the_liver_is(tmp_path: Path) -> None:
    """dcmqi's three slices of a CT: within the mask there is soft tissue of even density, mirrored there is not."""
    from unveil.core.geometry import decode_mask

    folder = DATA / "dicom_nifti_samples" / "dcmqi" / "segmentations"
    (tmp_path / "set").mkdir()
    for path in folder.rglob("*.dcm"):
        (tmp_path / "set" / path.name).write_bytes(path.read_bytes())
    records, summary = read(tmp_path / "set")
    assert len(records) == 3 and not summary.rejected
    for record in records:
        [liver] = record.findings
        assert liver.label == "Liver" and liver.mask
        values, mask = image_files.read(record.image, windowed=False).array, decode_mask(liver.mask).astype(bool)
        assert 30 < np.median(values[mask]) < 120 and values[mask].std() < values[np.flip(mask, 1)].std() / 2


@needs_data
def test_a_real_label_map_lies_on_its_real_series(tmp_path: Path) -> None:
    """TotalSegmentator's 20 slices, of which a program that took names away has emptied every UID, and the map it made:
    the liver (5) lies where the CT is even."""
    from unveil.core.geometry import decode_mask

    folder = DATA / "dicom_nifti_samples" / "totalsegmentator"
    (tmp_path / "set" / "ct").mkdir(parents=True)
    for path in (folder / "example_ct_dicom").iterdir():
        (tmp_path / "set" / "ct" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "set" / "example_seg_dicom.nii.gz").write_bytes((folder / "example_seg_dicom.nii.gz").read_bytes())
    names = tuple(f"{n}=liver" if n == 5 else f"{n}=other {n}" for n in range(1, 118))
    records, summary = read(tmp_path / "set", slices="every:10", label_names=names)
    assert summary.format == "dicom" and len(records) == 2 and not summary.rejected
    for record in records:
        mask = np.any([decode_mask(f.mask) for f in record.findings if f.mask and f.label == "liver"], axis=0)
        values = image_files.read(record.image, windowed=False).array
        assert 0 < np.median(values[mask]) < 200 and values[mask].std() < 60
