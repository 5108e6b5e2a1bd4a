"""NIfTI: planes are cut by anatomy, lying headers are refused before anything is allocated."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from tests.helpers.images import nifti
from tests.helpers.real import DATA, needs_data
from unveil.core.image_files import probe, read
from unveil.core.pixels import ImageError, Limits


@pytest.mark.parametrize("axcodes", ["RAS", "LPS", "IPL", "SAR", "ARI"])
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_a_plane_is_cut_by_anatomy_whatever_the_storage_order(tmp_path: Path, axcodes: str, suffix: str) -> None:
    """value = 100 S + 10 P + L, counted towards head, back and left; sizes 2, 3, 4; spacing 3, 2, 1 mm."""
    s, p, left = np.meshgrid(range(2), range(3), range(4), indexing="ij")
    body = (100 * s + 10 * p + left).astype(np.int16)  # axes run towards S, P, L
    order = ["SIPALR".index(letter) // 2 for letter in axcodes]
    stored = np.flip(body.transpose(order), tuple(k for k, letter in enumerate(axcodes) if letter in "IAR"))
    spacing = tuple((3.0, 2.0, 1.0)[k] for k in order)
    path = nifti(tmp_path / f"x.{suffix}", np.ascontiguousarray(stored), axcodes, spacing)
    axial = read(path, frame=1, windowed=False)
    assert np.array_equal(axial.array, body[1]) and axial.array.dtype == np.int16
    assert (axial.spacing, axial.orientation, axial.frames) == ((2.0, 1.0), "LPS", 2)
    coronal = read(path, frame=2, plane="coronal", windowed=False)
    assert np.array_equal(coronal.array, body[::-1, 2])
    assert (coronal.spacing, coronal.orientation) == ((3.0, 1.0), "LIP")
    sagittal = read(path, frame=3, plane="sagittal", windowed=False)
    assert np.array_equal(sagittal.array, body[::-1, :, 3])
    assert (sagittal.spacing, sagittal.orientation) == ((3.0, 2.0), "PIL")


def test_nifti_is_windowed_scaled_and_counted_over_volumes(tmp_path: Path) -> None:
    volume = np.zeros((2, 2, 3, 2), np.int16)
    volume[..., 1, 1] = 40
    path = nifti(tmp_path / "x.nii", volume)
    assert probe(path).frames == 6
    assert read(path, frame=4, window=(-160, 240)).array.tolist() == [[128, 128], [128, 128]]
    image = nibabel.load(path)
    image.header.set_slope_inter(2, 1)
    image.to_filename(tmp_path / "scaled.nii")
    scaled = read(tmp_path / "scaled.nii", frame=4, windowed=False).array
    assert scaled.dtype == np.float32 and (scaled == 81).all()  # 2 x 40 + 1


def test_nifti_without_orientation_says_so(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.uint8), None)
    nibabel.save(image, tmp_path / "x.nii")
    assert probe(tmp_path / "x.nii").orientation is None


def test_one_slice_of_a_volume_needs_little_memory(tmp_path: Path) -> None:
    path = nifti(tmp_path / "x.nii", np.zeros((128, 128, 256), np.int16))  # 8 MiB stored, 32 MiB as float64
    read(path)
    tracemalloc.start()
    read(path, frame=200)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def header_only(dims: tuple[int, ...], offset: float = 352, code: int = 4) -> bytes:
    header = nibabel.Nifti1Header()
    header.set_data_shape([1] * len(dims))
    raw = bytearray(header.binaryblock)
    raw[40:56] = struct.pack("<8h", len(dims), *dims, *[1] * (7 - len(dims)))
    raw[70:74] = struct.pack("<2h", code, 16)
    raw[108:112] = struct.pack("<f", offset)
    raw[344:348] = b"n+1\0"
    return bytes(raw)


@pytest.mark.parametrize(
    ("dims", "offset", "packed", "message"),
    [
        ((32_000, 32_000, 32_000), 352, False, "Limits.max_voxels"),
        ((512, 512, 300), 352, False, "can hold"),
        ((512, 512, 300), 352, True, "can hold"),
        ((32_000, 32_000, 1), 352, True, "Limits.max_pixels|can hold"),
        ((2, 2, 2), 1e9, True, "voxels start"),
        ((2, 2, 2), float("nan"), True, "voxels start|NIfTI header"),
        ((2, -2, 2), 352, False, "empty|NIfTI header"),
    ],
)
def test_lying_nifti_headers_are_refused_before_allocation(
    tmp_path: Path, dims: tuple[int, ...], offset: float, packed: bool, message: str
) -> None:
    data = header_only(dims, offset) + bytes(1000)
    (tmp_path / "x.nii").write_bytes(gzip.compress(data) if packed else data)
    tracemalloc.start()
    with pytest.raises(ImageError, match=message):
        read(tmp_path / "x.nii")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_the_compression_ratio_is_capped_but_an_empty_mask_passes(tmp_path: Path) -> None:
    path = nifti(tmp_path / "x.nii.gz", np.zeros((256, 256, 64), np.uint8))  # 4 MiB of zeros: about 1000 : 1
    assert not read(path, frame=63).array.any()
    with pytest.raises(ImageError, match="can hold"):
        read(path, limits=Limits(max_ratio=100))


def test_truncated_volumes_and_pairs_are_errors(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 8), np.uint8)
    path = nifti(tmp_path / "x.nii.gz", noise)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ImageError, match=r"x\.nii\.gz"):
        read(path, frame=7)
    nibabel.save(nibabel.Nifti1Pair(noise, np.eye(4)), tmp_path / "pair.hdr")
    with pytest.raises(ImageError, match=r"one \.nii file"):
        probe(tmp_path / "pair.hdr")


@needs_data
def test_a_dicom_series_and_its_nifti_mask_agree() -> None:
    """The mask was made from the series: bone lies where the CT is bright, in the same frame, not mirrored."""
    folder = DATA / "dicom_nifti_samples" / "totalsegmentator"
    files = list((folder / "example_ct_dicom").iterdir())
    files.sort(key=lambda file: float(pydicom.dcmread(file, stop_before_pixels=True).ImagePositionPatient[2]))
    for k in (0, 10, 19):
        ct = read(files[k], windowed=False)
        mask = read(folder / "example_seg_dicom.nii.gz", frame=k, windowed=False)
        assert ct.orientation == mask.orientation == "LPS" and mask.spacing == pytest.approx(ct.spacing)
        liver = mask.array == 5  # TotalSegmentator's class 5
        assert liver.sum() > 1000 and 0 < np.median(ct.array[liver]) < 200 and ct.array[liver].std() < 60
        assert ct.array[np.flip(liver, 1)].std() > 2 * ct.array[liver].std()
