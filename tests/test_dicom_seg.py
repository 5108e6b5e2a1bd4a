"""Segmentations on DICOM series: each frame on the image that it names and lies in, whatever its number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.helpers.images import nifti
from tests.helpers.real import DATA, needs_data
from tests.helpers.volumes import SAGITTAL, segmentation, series
from unveil.core.geometry import decode_mask
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Finding, Record
from unveil.ingest.reading import Options
from unveil.ingest.runner import Summary, ingest

#: Rows 4 to 8 and columns 5 to 12, exclusive.
BOX = (5, 4, 12, 8)


def masks(*slices: int, segments: int = 1, count: int = 4) -> np.ndarray:
    """The box in some slices, one column more in each that follows."""
    drawn = np.zeros((count, 16, 20, segments), np.uint8)
    for n, k in enumerate(slices):
        drawn[k, 4:8, 5 : 12 + n] = 1
    return drawn


def read(folder: Path, **options: Any) -> tuple[dict[str, Record], Summary]:
    """The records by the last part of their files."""
    summary = ingest(folder, "auto", folder.parent / "out", Options(**options))
    records = read_jsonl(summary.records_file, Record)
    return {str(record.source.file).rpartition("/")[2]: record for record in records}, summary


def pixels(finding: Finding) -> np.ndarray:
    assert finding.mask
    return decode_mask(finding.mask)


def test_frames_go_by_the_images_they_name_and_not_by_their_number(tmp_path: Path) -> None:
    """The slices 1 and 3 of 4 are marked: their frames are the first and the second, since empty ones are left out. The
    file of slice k is called IM00(4 - k), so the names do not tell the order either."""
    images = series(tmp_path / "set" / "a" / "b")
    segmentation(tmp_path / "set" / "seg", images, masks(1, 3))
    records, summary = read(tmp_path / "set", slices="all")
    assert summary.format == "dicom" and not summary.rejected
    assert {name: [f.box for f in r.findings] for name, r in records.items()} == {
        "IM004": [],
        "IM003": [BOX],
        "IM002": [],
        "IM001": [(5, 4, 13, 8)],
    }
    [finding] = records["IM003"].findings
    assert finding.label == "Neoplasm" and pixels(finding).sum() == 28
    assert finding.attributes == {"segment": "segment 1", "category": "Morphologically Abnormal Structure"}
    assert {r.completeness for r in records.values()} == {"unknown"}


def test_slices_by_rule(tmp_path: Path) -> None:
    """Of the marked slices 0, 1, 3 the last has the largest area; every second of them is 0 and 3."""
    segmentation(tmp_path / "set" / "seg", series(tmp_path / "set"), masks(0, 1, 3))
    assert set(read(tmp_path / "set")[0]) == {"IM001"}
    assert set(read(tmp_path / "set", slices="every:2")[0]) == {"IM004", "IM001"}
    with pytest.raises(ValueError, match="every:3"):
        read(tmp_path / "set", slices="every:0")
    with pytest.raises(ValueError, match="no DICOM key object"):
        read(tmp_path / "set", slices="key")


def test_segments_may_overlap(tmp_path: Path) -> None:
    """Both segments cover the same pixels: two findings, neither of which takes anything from the other."""
    drawn = masks(2, segments=2)
    drawn[2, 0:10, 0:15, 1] = 1
    segmentation(tmp_path / "set" / "seg", series(tmp_path / "set"), drawn)
    [record] = read(tmp_path / "set")[0].values()
    assert [(f.label, f.box) for f in record.findings] == [("Neoplasm", BOX), ("Liver", (0, 0, 15, 10))]
    assert [pixels(f).sum() for f in record.findings] == [28, 150]


def test_fractions_are_shares_of_the_largest_value(tmp_path: Path) -> None:
    """With MaximumFractionalValue 200 a pixel stored as 100 is half and belongs to it, one of 98 does not (and neither
    is compared with 255)."""
    drawn = np.zeros((4, 16, 20, 1))
    drawn[1, 2, 3:6, 0] = 1.0, 0.5, 0.49
    segmentation(tmp_path / "set" / "seg", series(tmp_path / "set"), drawn, "FRACTIONAL")
    [record] = read(tmp_path / "set")[0].values()
    assert [f.box for f in record.findings] == [(3, 2, 5, 3)]


def test_label_maps_hold_all_segments_in_one_frame(tmp_path: Path) -> None:
    drawn = masks(2, segments=2)
    drawn[2, ..., 1] = 0
    drawn[2, 10:12, 1:4, 1] = 1
    segmentation(tmp_path / "set" / "seg", series(tmp_path / "set"), drawn, "LABELMAP")
    [record] = read(tmp_path / "set")[0].values()
    assert [(f.label, f.box) for f in record.findings] == [("Neoplasm", BOX), ("Liver", (1, 10, 4, 12))]


def test_padding_of_a_label_map_is_no_segment(tmp_path: Path) -> None:
    """Nothing describes the value 9, since PixelPaddingValue says that it is what is left."""
    images = series(tmp_path / "set")

    def padded(content: Dataset) -> None:
        content.PixelPaddingValue = 9
        content.PixelData = content.PixelData.replace(b"\0", b"\x09")

    segmentation(tmp_path / "set" / "seg", images, masks(1), "LABELMAP", padded)
    records, summary = read(tmp_path / "set")
    assert not summary.rejected and [f.box for f in records["IM003"].findings] == [BOX]


def test_a_segment_is_one_finding_unless_its_regions_are_asked_for(tmp_path: Path) -> None:
    drawn = masks(1)
    drawn[1, 12:14, 0:2] = 1
    segmentation(tmp_path / "set" / "seg", series(tmp_path / "set"), drawn)
    assert [f.box for r in read(tmp_path / "set")[0].values() for f in r.findings] == [(0, 4, 12, 14)]
    found = [f.box for r in read(tmp_path / "set", components="each")[0].values() for f in r.findings]
    assert found == [BOX, (0, 12, 2, 14)]


def test_a_frame_that_lies_elsewhere_than_its_image_is_refused(tmp_path: Path) -> None:
    """One of two frames says that it lies 50 mm away from the image that it names: which of both is wrong is not known,
    so nothing is taken of it, and its image is not complete."""

    def moved(content: Dataset) -> None:
        content.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient[2] += 50

    segmentation(tmp_path / "set" / "seg", series(tmp_path / "set"), masks(1, 3), change=moved)
    records, summary = read(tmp_path / "set", slices="all", completeness="exhaustive", allow_rejected=0.5)
    assert "50.00 mm from the image that it names" in summary.reasons[0].first.reason
    assert sorted(len(r.findings) for r in records.values()) == [0, 0, 0, 1]
    assert {r.completeness for r in records.values()} == {"partial"}


def test_frames_without_a_name_go_by_where_they_lie(tmp_path: Path) -> None:
    """As some programs write them. In another frame of reference millimetres mean nothing, and all is refused."""

    def unnamed(content: Dataset) -> None:
        for group in content.PerFrameFunctionalGroupsSequence:
            del group.DerivationImageSequence

    images = series(tmp_path / "set")
    segmentation(tmp_path / "set" / "seg", images, masks(1, 3), change=unnamed)
    records, summary = read(tmp_path / "set", slices="every:1")
    assert set(records) == {"IM003", "IM001"} and not summary.rejected

    def elsewhere(content: Dataset) -> None:
        unnamed(content)
        content.FrameOfReferenceUID = "1.2.3"

    segmentation(tmp_path / "set" / "seg", images, masks(1, 3), change=elsewhere)
    with pytest.raises(ValueError, match="another origin"):
        read(tmp_path / "set")


def test_a_part_of_the_image_is_laid_where_it_belongs(tmp_path: Path) -> None:
    """A segmentation of the columns 4 to 14 and the rows 2 to 10 alone, whose origin is moved by 4 columns of 1 mm and
    2 rows of 2 mm: what it marks at (1, 2) lies at (5, 4) of the image."""
    images = series(tmp_path / "set")
    cut = [series(tmp_path / "cut", size=(8, 10), origin=(-6.0, -16.0, 30.0))[k] for k in range(4)]
    for image, part in zip(images, cut, strict=True):
        part.SOPInstanceUID = image.SOPInstanceUID
    drawn = np.zeros((4, 8, 10, 1), np.uint8)
    drawn[1, 2:6, 1:8] = 1
    segmentation(tmp_path / "set" / "seg", cut, drawn)
    [record] = read(tmp_path / "set")[0].values()
    assert [f.box for f in record.findings] == [BOX] and record.size == (20, 16)


def test_a_region_between_the_pixels_of_the_image_is_told(tmp_path: Path) -> None:
    """A segmentation with pixels of a tenth: one that lies on no middle of a pixel of the image (row 0, column 2, of
    which the first middles are at 4.5) would be lost unseen, and its slice a true negative."""
    images = series(tmp_path / "set", spacing=(2.0, 2.0))
    drawn = np.zeros((4, 16, 20, 1), np.uint8)
    drawn[0, 0, 2] = drawn[1, :15, :15] = 1

    def fine(content: Dataset) -> None:
        content.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [0.2, 0.2]

    segmentation(tmp_path / "set" / "seg", images, drawn, change=fine)
    asked: dict[str, Any] = {"slices": "all", "completeness": "exhaustive", "box_units": "pixels"}
    records, summary = read(tmp_path / "set", **asked, allow_rejected=1)
    assert records["IM004"].completeness == "partial" and not records["IM004"].findings
    assert len(records["IM003"].findings) == 1 and records["IM003"].completeness == "exhaustive"
    assert summary.rejected == 1 and "covers no pixel" in summary.reasons[0].first.reason


def test_a_segmentation_of_a_series_that_is_not_here(tmp_path: Path) -> None:
    """It is refused by file and reason; the run goes on with the other."""
    images = series(tmp_path / "set")
    segmentation(tmp_path / "set" / "seg", images, masks(1))
    segmentation(tmp_path / "set" / "stray", series(tmp_path / "elsewhere", number=2), masks(1))
    records, summary = read(tmp_path / "set", allow_rejected=0.5)
    assert len(records) == 1 and summary.rejected == 1
    assert summary.reasons[0].first.file == "stray" and "none of which is here" in summary.reasons[0].first.reason


def test_sagittal_series_are_read_as_they_are_stored(tmp_path: Path) -> None:
    images = series(tmp_path / "set", cosines=SAGITTAL)
    segmentation(tmp_path / "set" / "seg", images, masks(2))
    [record] = read(tmp_path / "set")[0].values()
    assert record.plane and record.plane.plane == "sagittal" and [f.box for f in record.findings] == [BOX]
    assert record.plane.across == (0, 1, 0) and record.plane.down == (0, 0, -1)


def test_a_label_map_in_nifti_lies_on_a_dicom_series(tmp_path: Path) -> None:
    """Its axes run otherwise (left, front, feet), as programs write what they make of a series: it is laid on the
    slices by both affines. Voxel (i, j, k) of letters "RAI" is column 19 - i, row 15 - j, slice 3 - k."""
    series(tmp_path / "set" / "ct", spacing=(1.0, 1.0), origin=(0.0, 0.0, 0.0), step=1.0)
    volume = masks(1)[..., 0].transpose(2, 1, 0)[::-1, ::-1, ::-1]  # towards right, front, feet
    path = nifti(tmp_path / "set" / "ct_seg.nii.gz", np.ascontiguousarray(volume), "RAI")
    import nibabel

    image = nibabel.load(path)
    affine = image.affine.copy()
    affine[:3, 3] = -19, -15, 3
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), path)
    records, _ = read(tmp_path / "set", label_names=("1=tumour",))
    assert {name: [(f.label, f.box) for f in r.findings] for name, r in records.items()} == {"IM003": [("tumour", BOX)]}


def laid(path: Path, body_IJK: np.ndarray) -> None:
    """A map on the grid of ``series``: columns towards the left, rows of 2 mm to the back, slices of 3 mm upwards, the
    first voxel at 10, 20, 30 mm in NIfTI's own axes."""
    import nibabel

    affine = np.array([[-1.0, 0, 0, 10], [0, -2, 0, 20], [0, 0, 3, 30], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(body_IJK, affine), path)


def test_a_label_map_of_several_volumes_is_refused_on_dicom_too(tmp_path: Path) -> None:
    """The second volume would be lost unseen; what is called "ignore" is no finding, and its slice is not complete."""
    series(tmp_path / "set")
    body = np.ascontiguousarray(masks(1, 2)[..., 0].T)
    laid(tmp_path / "set" / "ct_seg.nii.gz", np.stack([body, body], axis=3))
    with pytest.raises(ValueError, match="holds 2 volumes; write a file for each"):
        read(tmp_path / "set", label_names=("1=tumour",))
    body[0:3, 0:3, 2] = 2
    laid(tmp_path / "set" / "ct_seg.nii.gz", body)
    options = {"label_names": ("1=tumour", "2=ignore"), "slices": "all", "completeness": "exhaustive"}
    records, _ = read(tmp_path / "set", **options)
    assert {name: ([f.label for f in r.findings], r.completeness) for name, r in records.items()} == {
        "IM004": ([], "exhaustive"),
        "IM003": (["tumour"], "exhaustive"),
        "IM002": (["tumour"], "partial"),
        "IM001": ([], "exhaustive"),
    }


def test_a_label_map_is_not_laid_on_another_patient(tmp_path: Path) -> None:
    """Slices of two patients lie at the same heights. The map has the pixels of the first one; where both have them, it
    belongs to whom it lies beside; where it lies beside neither, it is refused."""
    series(tmp_path / "set" / "a")
    series(tmp_path / "set" / "b", number=2, origin=(-12.0, -25.0, 33.0))
    names = {"label_names": ("1=tumour",), "slices": "every:1"}
    laid(tmp_path / "set" / "x_seg.nii.gz", np.ascontiguousarray(masks(1, 2)[..., 0].T))
    assert {r.source.file for r in read(tmp_path / "set", **names)[0].values()} == {"a/IM003", "a/IM002"}
    series(tmp_path / "set" / "b", number=2)
    with pytest.raises(ValueError, match="fits series of 2 origins"):
        read(tmp_path / "set", **names)
    (tmp_path / "set" / "x_seg.nii.gz").rename(tmp_path / "set" / "b" / "x_seg.nii.gz")
    assert {r.source.file for r in read(tmp_path / "set", **names)[0].values()} == {"b/IM003", "b/IM002"}


@needs_data
@pytest.mark.parametrize("name", ["seg_image_ct_binary_single_frame", "seg_image_sm_numbers"])
def test_real_segmentations_are_as_highdicom_itself_reads_them(name: str, tmp_path: Path) -> None:
    """Every pixel of every segment, against the library that wrote the files."""
    folder = DATA / "dicom_nifti_samples" / "highdicom" / "test_files"
    image = "ct_image" if "_ct_" in name else "sm_image"
    (tmp_path / "set").mkdir()
    for file in (name, image):
        (tmp_path / "set" / f"{file}.dcm").write_bytes((folder / f"{file}.dcm").read_bytes())
    summary = ingest(tmp_path / "set", "dicom", tmp_path / "out", Options(slices="every:1", allow_rejected=1))
    records = list(read_jsonl(summary.records_file, Record))
    content = highdicom.seg.segread(folder / f"{name}.dcm")
    source = str(content.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID)
    frames = sorted({record.plane.frame or 0 for record in records if record.plane})
    known: dict[str, Any] = {"combine_segments": False, "assert_missing_frames_are_empty": True}
    true = (
        content.get_pixels_by_source_frame(source, [f + 1 for f in frames], **known)
        if image == "sm_image"
        else content.get_pixels_by_source_instance([source], **known)
    )
    for record in records:
        assert record.plane
        own = true[frames.index(record.plane.frame or 0)]
        found = {f.attributes["segment"]: pixels(f) for f in record.findings}
        for n, segment in enumerate(content.SegmentSequence):
            expected = own[..., n].astype(bool)
            assert np.array_equal(found.get(segment.SegmentLabel, np.zeros_like(expected)), expected)
