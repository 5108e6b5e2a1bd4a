"""NIfTI images with masks: which belong together, on one grid, cut by anatomy, with names for values."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from tests.helpers.images import nifti
from tests.helpers.real import DATA, needs_data
from unveil.core import image_files
from unveil.core.geometry import decode_mask
from unveil.core.image_plane import in_patient
from unveil.core.jsonl import read_jsonl
from unveil.core.nifti import opened
from unveil.core.records import Record
from unveil.ingest.reading import IngestError, Options
from unveil.ingest.runner import Summary, ingest

#: Of a body whose axes run towards head, back and left.
SHAPE = (6, 12, 10)


def read(folder: Path, **options: Any) -> tuple[list[Record], Summary]:
    summary = ingest(folder, "auto", folder.parent / "out", Options(**options))
    return list(read_jsonl(summary.records_file, Record)), summary


def stored(body: np.ndarray, axcodes: str) -> np.ndarray:
    """A body in another order of its axes."""
    order = ["SIPALR".index(letter) // 2 for letter in axcodes]
    turned = np.flip(body.transpose(order), tuple(k for k, letter in enumerate(axcodes) if letter in "IAR"))
    return np.ascontiguousarray(turned)


def marks() -> np.ndarray:
    """Kind 1 in the slices 1 to 3, most in 2, and apart from it in 5; kind 2 in slice 4."""
    body = np.zeros(SHAPE, np.uint8)
    body[1:4, 2:5, 3:6] = 1
    body[2, 2:5, 3:8] = 1
    body[5, 9:11, 1:3] = 1
    body[4, 0:2, 0:4] = 2
    return body


def write(folder: Path, image: str, mask: str, axcodes: str = "RAS", body: np.ndarray | None = None) -> None:
    for name in (image, mask):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).integers(-900, 900, SHAPE).astype(np.int16)
    nifti(folder / image, stored(values, axcodes), axcodes, (1, 1, 1))
    nifti(folder / mask, stored(marks() if body is None else body, axcodes), axcodes, (1, 1, 1))


def boxes(records: list[Record]) -> dict[str, list[Any]]:
    """By the slice, the label and box of each finding."""
    return {
        str(r.source.file).rpartition("#")[2]: [(f.label, f.box) for f in r.findings] for r in records if r.source.file
    }


def nnunet(folder: Path, axcodes: str = "RAS", **description: Any) -> Path:
    write(folder, "imagesTr/c1_0000.nii.gz", "labelsTr/c1.nii.gz", axcodes)
    known = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "tumour": 1, "cyst": 2}}
    (folder / "dataset.json").write_text(json.dumps({**known, **description}))
    return folder


#: What the slices of ``marks`` show where each region is a finding, at its largest.
AXIAL = {
    "axial-2": [("tumour", (3, 2, 8, 5))],
    "axial-4": [("cyst", (0, 0, 4, 2))],
    "axial-5": [("tumour", (1, 9, 3, 11))],
}


@pytest.mark.parametrize("axcodes", ["RAS", "LPS", "IPL", "SAR", "ARI"])
def test_planes_are_cut_by_anatomy(axcodes: str, tmp_path: Path) -> None:
    """In whatever order the axes are stored: slices upwards, rows to the back, columns to the left. The tumour has two
    regions, in the slices 1 to 3 and in 5: two objects, each with its own largest slice."""
    records, summary = read(nnunet(tmp_path / "set", axcodes))
    assert summary.format == "nifti" and boxes(records) == AXIAL
    assert {(r.modality, r.completeness, r.study, r.patient) for r in records} == {
        ("CT", "exhaustive", "imagesTr/c1_0000.nii.gz", None)
    }
    assert records[0].findings[0].mask and decode_mask(records[0].findings[0].mask).sum() == 15


def test_the_user_may_tell_patients_and_studies(tmp_path: Path) -> None:
    """Where the pattern finds no study, the file is one: its slices stay together all the same."""
    nnunet(tmp_path / "set")
    records, _ = read(tmp_path / "set", patient_pattern=r"/(c\d)_", study_pattern=r"(c1)_0000")
    assert {(r.patient, r.study) for r in records} == {("c1", "c1")}
    assert {r.study for r in read(tmp_path / "set", study_pattern="none")[0]} == {"imagesTr/c1_0000.nii.gz"}


def test_other_planes(tmp_path: Path) -> None:
    """Coronal: rows run downwards, so the slice 2 of 6 is row 3; columns to the left. The tumour's widest coronal slice
    is the first of 2 to 4, with 3 + 5 + 3 pixels."""
    found = boxes(read(nnunet(tmp_path / "set"), plane="coronal")[0])
    assert found["coronal-2"] == [("tumour", (3, 2, 8, 5))]
    assert set(found) == {"coronal-0", "coronal-2", "coronal-9"}


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_places_are_those_of_the_affine(suffix: str, tmp_path: Path) -> None:
    """Of an oblique volume, each pixel's middle is where nibabel's affine has its voxel, x and y with the other sign
    (RAS to LPS); 100 i + 10 j + k tells which voxel it is."""
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn @ np.diag([0.7, 1.2, 3.0]), (11, -7, 5)
    i, j, k = np.meshgrid(range(4), range(5), range(3), indexing="ij")
    nibabel.save(nibabel.Nifti1Image((100 * i + 10 * j + k).astype(np.int16), affine), tmp_path / f"x.{suffix}")
    read_back = nibabel.load(tmp_path / f"x.{suffix}").affine
    for plane in ("axial", "coronal", "sagittal"):
        with opened(tmp_path / f"x.{suffix}", plane) as volume:  # type: ignore[arg-type]
            for frame in range(volume.frames):
                place, values = volume.place(frame), volume.block(frame, frame + 1)[0]
                for row, column in ((0, 0), (1, 2), (values.shape[0] - 1, values.shape[1] - 1)):
                    rest, last = divmod(int(values[row, column]), 10)
                    left, back, head = in_patient(place, column + 0.5, row + 0.5)
                    assert (-left, -back, head) == pytest.approx(read_back[:3] @ [*divmod(rest, 10), last, 1], abs=1e-4)


def test_every_slice_and_none(tmp_path: Path) -> None:
    nnunet(tmp_path / "set")
    assert list(boxes(read(tmp_path / "set", slices="every:2")[0])) == ["axial-1", "axial-3", "axial-5"]
    records, _ = read(tmp_path / "set", slices="all")
    assert [len(r.findings) for r in records] == [0, 1, 1, 1, 1, 1] and records[0].completeness == "exhaustive"
    whole, _ = read(tmp_path / "set", components="whole")
    assert boxes(whole) == {"axial-2": [("tumour", (3, 2, 8, 5))], "axial-4": [("cyst", (0, 0, 4, 2))]}
    with pytest.raises(ValueError, match="names no key slices"):
        read(tmp_path / "set", slices="key")


def test_nnunets_descriptions_old_and_new(tmp_path: Path) -> None:
    """Values to names as the Decathlon has them; a name for several values; "ignore" is looked at by nobody, so that
    its slice is not complete."""
    older: dict[str, Any] = {
        "labels": {"0": "background", "1": "tumour", "2": "cyst"},
        "channel_names": None,
        "modality": {"0": "MRI"},
    }
    records, _ = read(nnunet(tmp_path / "old", **older))
    assert boxes(records) == AXIAL and records[0].modality == "MR"
    labels = {"background": 0, "anything": [1, 2], "ignore": 2}
    records, _ = read(nnunet(tmp_path / "set", labels=labels))
    assert {(r.source.file or "")[-7:]: r.completeness for r in records}["axial-4"] == "partial"
    assert boxes(records)["axial-4"] == [("anything", (0, 0, 4, 2))]


def test_unlabelled_images_are_no_negatives_and_labelled_tests_are_tests(tmp_path: Path) -> None:
    folder = nnunet(tmp_path / "set")
    write(folder, "imagesTs/t1_0000.nii.gz", "scratch.nii.gz")
    (folder / "scratch.nii.gz").unlink()
    records, summary = read(folder)
    assert all("imagesTr" in str(r.source.file) and r.split is None for r in records)
    assert any("without a mask" in note and "t1_0000" in note for note in summary.notes)
    write(folder, "imagesTs/t1_0000.nii.gz", "labelsTs/t1.nii.gz")
    assert {(r.split, str(r.source.file)[:8]) for r in read(folder)[0]} == {("train", "imagesTr"), ("test", "imagesTs")}


def test_channels_are_images_of_one_study(tmp_path: Path) -> None:
    folder = nnunet(tmp_path / "set", channel_names={"0": "T1", "1": "FLAIR"})
    (folder / "imagesTr" / "c1_0001.nii.gz").write_bytes((folder / "imagesTr" / "c1_0000.nii.gz").read_bytes())
    records, _ = read(folder)
    assert len(records) == 6 and len({r.study for r in records}) == 1 and {r.modality for r in records} == {"MR"}


def test_four_dimensions_are_channels_where_their_names_are_known(tmp_path: Path) -> None:
    folder = nnunet(tmp_path / "set", channel_names={"0": "T1", "1": "T2"})
    path = folder / "imagesTr" / "c1_0000.nii.gz"
    image = nibabel.load(path)
    values = np.asarray(image.dataobj)
    nibabel.save(nibabel.Nifti1Image(np.stack([values, values // 2], -1), image.affine), path)
    records, _ = read(folder)
    assert [(r.source.file or "").rpartition("#")[2] for r in records] == [
        *("axial-2", "axial-4", "axial-5", "axial-2-volume-1", "axial-4-volume-1", "axial-5-volume-1")
    ]
    plane = records[3].plane
    assert plane and plane.frame == 6 + 2  # as image_files counts: volume after volume
    (folder / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "tumour": 1, "cyst": 2}}))
    records, summary = read(folder)
    assert len(records) == 3 and any("several volumes" in note for note in summary.notes)


def test_bids_with_derivatives(tmp_path: Path) -> None:
    """The subject is the patient; the map belongs to the anatomy of its subject and session on whose grid it lies, and
    its values are named by the table above it."""
    folder = tmp_path / "set"
    anat, own = "sub-01/ses-a/anat/sub-01_ses-a_", "derivatives/seg/sub-01/ses-a/anat/sub-01_ses-a_"
    write(folder, f"{anat}T1w.nii.gz", f"{own}dseg.nii.gz")
    nifti(folder / f"{anat}T2w.nii.gz", np.zeros((3, 3, 3), np.int16))
    write(folder, "sub-02/anat/sub-02_T1w.nii.gz", "derivatives/seg/sub-02/anat/sub-02_label-lesion_mask.nii.gz")
    nifti(
        folder / "derivatives/seg/sub-02/anat/sub-02_label-lesion_mask.nii.gz",
        stored((marks() == 2).astype(np.uint8), "RAS"),
    )
    (folder / "derivatives" / "seg" / "dseg.tsv").write_text("index\tname\n1\ttumour\n2\tcyst\n")
    records, summary = read(folder)
    assert not summary.rejected and {(r.patient, r.modality) for r in records} == {("01", "MR"), ("02", "MR")}
    assert boxes([r for r in records if r.patient == "01"]) == AXIAL
    assert boxes([r for r in records if r.patient == "02"]) == {"axial-4": [("lesion", (0, 0, 4, 2))]}
    assert any("T1w.nii.gz#axial-2" in str(r.source.file) for r in records)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("x.nii.gz", "x_seg.nii.gz"),
        ("x.nii", "x-label.nii.gz"),
        ("a/imaging.nii.gz", "a/segmentation.nii.gz"),
        ("images/x.nii.gz", "masks/x.nii.gz"),
        ("CT/x_0000.nii.gz", "labels/x.nii.gz"),
        ("x.nii.gz", "x_seg_by_2.nii.gz"),
    ],
)
def test_masks_by_folders_and_names(image: str, mask: str, tmp_path: Path) -> None:
    write(tmp_path / "set", image, mask)
    records, summary = read(tmp_path / "set", label_names=("1=tumour", "2=cyst"))
    assert not summary.rejected and boxes(records) == AXIAL and {r.completeness for r in records} == {"unknown"}


def test_several_masks_are_called_by_their_files(tmp_path: Path) -> None:
    """As TotalSegmentator's set has them, and beside the image; what several masks mark in a slice is in one record."""
    for name, value in (("lung_left", 1), ("liver", 2)):
        body = (marks() == value).astype(np.uint8) * 255
        write(tmp_path / "set", "s1/ct.nii.gz", f"s1/segmentations/{name}.nii.gz", body=body)
        write(tmp_path / "set", "s2/x.nii.gz", f"s2/x_{name}_mask.nii.gz", body=body)
    records, _ = read(tmp_path / "set", slices="all")
    assert {f.label for r in records for f in r.findings} == {"lung left", "liver"} and len(records) == 12


def test_itk_snaps_label_file_names_values(tmp_path: Path) -> None:
    write(tmp_path / "set", "x.nii.gz", "x_seg.nii.gz")
    lines = ["# ITK-SnAP Label Description File", '    0     0    0    0        0  0  0    "Clear Label"']
    lines += [f'    {n}   255    0    0        1  1  1    "{name}"' for n, name in ((1, "tumour"), (2, "cyst"))]
    (tmp_path / "set" / "itksnap.label").write_text("\n".join(lines))
    assert boxes(read(tmp_path / "set")[0]) == AXIAL


def test_values_without_a_name_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "set", "x.nii.gz", "x_seg.nii.gz")
    with pytest.raises(ValueError, match="nothing names its values 1, 2: --label-names 1=NAME"):
        read(tmp_path / "set")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("shape", r"10 x 12 x 5 voxels, not 10 x 12 x 6"),
        ("shift", r"its voxel \(0, 0, 0\) lies at \(-2.0, 0.0, 0.0\), not \(0.0, 0.0, 0.0\) mm"),
        ("nan", "its affine holds numbers that are none"),
        ("flat", "leaves out an axis"),
        ("fractions", "fractions, not labels"),
        ("cut", "mask failed|ends .* bytes before|unpacking"),
        ("bomb", "can hold"),
    ],
)
def test_what_does_not_agree_is_refused_and_the_run_goes_on(change: str, said: str, tmp_path: Path) -> None:
    """The mask of another grid, with an affine that is none, with shares, cut short, or a header
    that announces more than the file can hold: each by its file, and the other case is read."""
    folder = nnunet(tmp_path / "set")
    write(folder, "imagesTr/c2_0000.nii.gz", "labelsTr/c2.nii.gz")
    path = folder / "labelsTr" / "c2.nii.gz"
    image = nibabel.load(path)
    values, affine = np.asarray(image.dataobj), image.affine.copy()
    if change == "shape":
        values = values[..., :5]
    elif change == "shift":
        affine[0, 3] += 2
    elif change == "fractions":
        values = values.astype(np.float32) * 0.3
    made = nibabel.Nifti1Image(values, affine)
    made.header["sform_code"], made.header["qform_code"] = 1, 0
    nibabel.save(made, path)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    if change == "nan":
        raw[280:284] = np.float32(np.nan).tobytes()
    elif change == "flat":  # nothing of the first axis in any row
        for row in (280, 296, 312):
            raw[row : row + 4] = bytes(4)
    elif change == "bomb":
        raw[40:56] = np.array([3, 1000, 1000, 1000, 1, 1, 1, 1], np.int16).tobytes()
    elif change == "cut":
        raw = raw[:-50]
    path.write_bytes(gzip.compress(bytes(raw)))
    records, summary = read(folder, allow_rejected=1)
    assert {str(r.source.file)[:11] for r in records} == {"imagesTr/c1"}
    assert summary.rejected == 1 and summary.reasons[0].first.file == "labelsTr/c2.nii.gz"
    assert re.search(said, summary.reasons[0].first.reason)


def test_a_case_that_has_lost_a_mask_has_no_true_negatives(tmp_path: Path) -> None:
    """The liver lies on the grid of the CT, the spleen does not: where it is, nobody can tell any more."""
    write(tmp_path / "set", "s1/ct.nii.gz", "s1/segmentations/liver.nii.gz", body=(marks() == 2).astype(np.uint8))
    nifti(tmp_path / "set" / "s1" / "segmentations" / "spleen.nii.gz", np.ones((3, 3, 3), np.uint8))
    records, summary = read(tmp_path / "set", slices="all", completeness="exhaustive", allow_rejected=1)
    assert len(records) == 6 and {r.completeness for r in records} == {"partial"} and summary.rejected == 1


def test_ten_thousand_labels_are_an_image(tmp_path: Path) -> None:
    """A map that names that many values is refused before anything is drawn of it; so is noise with more regions in a
    slice than anybody marks."""
    values = np.arange(10_648, dtype=np.int16).reshape(22, 22, 22)
    (tmp_path / "set").mkdir()
    nifti(tmp_path / "set" / "x.nii.gz", values)
    nifti(tmp_path / "set" / "x_seg.nii.gz", values)
    with pytest.raises(ValueError, match="more than 1000 values: is it an image"):
        read(tmp_path / "set")
    board = np.zeros((80, 80, 2), np.uint8)
    board[::2, ::2] = 1
    nifti(tmp_path / "set" / "x.nii.gz", board)
    nifti(tmp_path / "set" / "x_seg.nii.gz", board)
    with pytest.raises(ValueError, match="1600 regions of one kind"):
        read(tmp_path / "set", label_names=("1=speck",))


def test_windows_of_what_says_nothing_of_itself(tmp_path: Path) -> None:
    """Values down to -900 are Hounsfield units, and shown as soft tissue; else the 1st to 99th percentile."""
    write(tmp_path / "set", "x.nii.gz", "x_seg.nii.gz")
    [plane] = {r.plane.window for r in read(tmp_path / "set", label_names=("1=a", "2=b"))[0] if r.plane}
    assert plane == (-160, 240)
    nifti(tmp_path / "set" / "x.nii.gz", stored(np.arange(720).reshape(SHAPE).astype(np.int16), "RAS"))
    record = read(tmp_path / "set", label_names=("1=a", "2=b"))[0][0]
    assert record.plane and record.plane.window == pytest.approx((240 + 1.19, 240 + 117.81))
    grey = image_files.read(tmp_path / "out" / record.image).array
    assert grey[0, 0] == 0 and grey[-1, -1] == 255
    record = read(tmp_path / "set", label_names=("1=a", "2=b"), modality="CT")[0][0]
    assert record.plane and record.plane.window == (-160, 240) and record.modality == "CT"


@needs_data
def test_real_label_maps_of_two_modalities_find_their_images(tmp_path: Path) -> None:
    """TotalSegmentator's samples, all in one folder: the map of the MR lies on its grid, those of the CT on that of the
    CT, and the one of a series that is not here is told."""
    source = DATA / "dicom_nifti_samples" / "totalsegmentator"
    (tmp_path / "set").mkdir()
    for path in source.glob("*.nii.gz"):
        (tmp_path / "set" / path.name).write_bytes(path.read_bytes())
    names = tuple(f"{n}=kind {n}" for n in range(1, 118))
    records, summary = read(tmp_path / "set", slices="every:20", label_names=names, components="whole")
    assert {(str(r.source.file).split("#")[0], r.modality) for r in records} == {
        ("example_ct_sm.nii.gz", "CT"),
        ("example_mr_sm.nii.gz", "MR"),
    }
    assert summary.rejected == 1 and "512 x 512 x 20" in summary.reasons[0].first.reason


def test_values_are_called_as_the_header_of_the_map_says(tmp_path: Path) -> None:
    """TotalSegmentator and Connectome Workbench write a label table behind the header; what the user says goes first,
    and entities in it are refused."""
    write(tmp_path / "set", "x.nii.gz", "x_seg.nii.gz")
    mask = nibabel.load(tmp_path / "set" / "x_seg.nii.gz")
    table = "<LabelTable><Label Key='0'>rest</Label><Label Key='1'><![CDATA[liver]]></Label><Label Key='2'> a </Label>"

    def named(text: str) -> None:
        mask.header.extensions[:] = [nibabel.nifti1.Nifti1Extension(0, f"<CaretExtension>{text}".encode())]
        nibabel.save(mask, tmp_path / "set" / "x_seg.nii.gz")

    named(f"{table}</LabelTable></CaretExtension>")
    assert {f.label for r in read(tmp_path / "set")[0] for f in r.findings} == {"liver", "a"}
    assert {f.label for r in read(tmp_path / "set", label_names=("2=b",))[0] for f in r.findings} == {"liver", "b"}
    named("<LabelTable><Label Key='1'>&many;</Label></LabelTable>")
    with pytest.raises(IngestError, match="not readable as XML"):
        read(tmp_path / "set")
