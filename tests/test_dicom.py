"""DICOM: units, windows, lookup tables, frames and spacing; what a file announces is checked before it is decoded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.helpers.images import dicom, progressive
from unveil.core import dicom as dicom_files
from unveil.core.image_files import probe, read
from unveil.core.pixels import ImageError, Limits


def test_hounsfield_units_by_slope_and_intercept_then_the_window(tmp_path: Path) -> None:
    """HU = stored - 1024: -1024, -160, 40, 240. Window -160..240: 200 / 400 * 255 = 127.5, rounded to even 128."""
    stored = np.array([[0, 864], [1064, 1264]], np.uint16)
    path = dicom(tmp_path / "x.dcm", stored, RescaleSlope=1, RescaleIntercept=-1024, PixelSpacing=[0.5, 0.7])
    found = read(path, window=(-160, 240))
    assert found.array.tolist() == [[0, 0], [128, 255]]
    assert (found.spacing, found.spacing_source, found.modality) == ((0.5, 0.7), "PixelSpacing", "CT")
    raw = read(path, windowed=False).array
    assert raw.tolist() == [[-1024, -160], [40, 240]] and raw.dtype == np.int32


def test_without_a_slope_the_stored_values_stand(tmp_path: Path) -> None:
    array = read(dicom(tmp_path / "x.dcm", np.array([[-5, 7]], np.int16)), windowed=False).array
    assert array.tolist() == [[-5, 7]] and array.dtype == np.int16


@pytest.mark.parametrize(
    ("function", "expected"),
    # Centre 100, width 11: LINEAR 94.5..104.5, LINEAR_EXACT 94.5..105.5, SIGMOID 255 / (1 + e^(-4 (x - 100) / 11))
    [(None, [0, 140, 255]), ("LINEAR_EXACT", [0, 128, 255]), ("SIGMOID", [0, 128, 255])],
)
def test_window_functions_and_the_first_of_several_windows(tmp_path: Path, function: str, expected: list[int]) -> None:
    path = dicom(
        tmp_path / "x.dcm",
        np.array([[60, 100, 140]], np.uint16),
        WindowCenter=[100, 40],
        WindowWidth=[11, 400],
        VOILUTFunction=function,
    )
    assert read(path).array.tolist() == [expected]


def test_monochrome1_is_inverted_for_display_only(tmp_path: Path) -> None:
    path = dicom(tmp_path / "x.dcm", np.array([[0, 255]], np.uint8), PhotometricInterpretation="MONOCHROME1")
    assert read(path).array.tolist() == [[255, 0]]
    assert read(path, windowed=False).array.tolist() == [[0, 255]]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_sets_no_range(tmp_path: Path, photometric: str) -> None:
    path = dicom(
        tmp_path / "x.dcm",
        np.array([[-2000, 100, 300]], np.int16),
        PixelPaddingValue=-2000,
        PhotometricInterpretation=photometric,
    )
    assert read(path).array.tolist() == [[0, 0, 255] if photometric == "MONOCHROME2" else [0, 255, 0]]


def test_lookup_tables_modality_before_voi(tmp_path: Path) -> None:
    """Stored 300..302 -> modality 1000, 2000, 3000 (below the table: its first entry) -> VOI table over 1000.. ."""

    def table(first: int, depth: int, entries: list[int]) -> Dataset:
        item = Dataset()
        item.add_new(0x00283002, "US", [len(entries), first, depth])
        item.add_new(0x00283006, "US", entries)
        item.ModalityLUTType = "US"
        return item

    voi = table(1000, 8, [0] * 1000 + [100] * 1000 + [255])
    path = dicom(
        tmp_path / "x.dcm",
        np.array([[0, 300, 301, 302, 900]], np.uint16),
        ModalityLUTSequence=[table(300, 16, [1000, 2000, 3000])],
        VOILUTSequence=[voi],
    )
    assert read(path, windowed=False).array.tolist() == [[1000, 1000, 2000, 3000, 3000]]
    assert read(path).array.tolist() == [[0, 0, 100, 255, 255]]


def test_palette_and_colour(tmp_path: Path) -> None:
    names = ("Red", "Green", "Blue")
    tags: dict[str, Any] = {
        f"{c}PaletteColorLookupTableData": bytes([0, v]) for c, v in zip(names, (255, 128, 0), strict=True)
    }
    tags |= {f"{c}PaletteColorLookupTableDescriptor": [2, 0, 8] for c in names}
    array = np.array([[0, 1]], np.uint8)
    path = dicom(tmp_path / "p.dcm", array, PhotometricInterpretation="PALETTE COLOR", **tags)
    assert read(path).array.tolist() == [[[0, 0, 0], [255, 128, 0]]]
    assert read(path, windowed=False).array.tolist() == [[0, 1]]
    colour = np.array([[[255, 0, 0], [1, 2, 3]]], np.uint8)
    tags = {"SamplesPerPixel": 3, "PlanarConfiguration": 0}
    rgb = dicom(tmp_path / "c.dcm", colour, PhotometricInterpretation="RGB", **tags)
    assert np.array_equal(read(rgb).array, colour)
    grey = np.array([[[90, 128, 128], [10, 128, 128]]], np.uint8)  # chroma 128 is no colour
    ybr = dicom(tmp_path / "y.dcm", grey, PhotometricInterpretation="YBR_FULL", **tags)
    assert read(ybr).array.tolist() == [[[90] * 3, [10] * 3]]
    for rows in (1, 200):  # YBR_FULL_422: two pixels share their chroma
        halved: dict[str, Any] = {"Rows": rows, "PixelData": bytes([90, 10, 128, 128]) * rows}
        path = dicom(tmp_path / "h.dcm", grey, PhotometricInterpretation="YBR_FULL_422", **tags, **halved)
        assert read(path).array.tolist() == [[[90] * 3, [10] * 3]] * rows


def test_high_bits_that_hold_an_overlay_are_cleared(tmp_path: Path) -> None:
    stored = np.array([[5, 0xF005, 0x0FFF]], np.uint16)
    path = dicom(tmp_path / "x.dcm", stored, BitsStored=12, HighBit=11)
    assert read(path, windowed=False).array.tolist() == [[5, 5, 0x0FFF]]
    signed = dicom(tmp_path / "s.dcm", np.array([[0x0FFF, 3]], np.int16), BitsStored=12, HighBit=11)
    assert read(signed, windowed=False).array.tolist() == [[-1, 3]]


def test_frames_have_their_own_window_slope_and_spacing(tmp_path: Path) -> None:
    def groups(slope: float, spacing: float) -> Dataset:
        item = Dataset()
        item.PixelValueTransformationSequence = [Dataset()]
        item.PixelValueTransformationSequence[0].RescaleSlope = slope
        item.PixelValueTransformationSequence[0].RescaleIntercept = 0
        item.PixelMeasuresSequence = [Dataset()]
        item.PixelMeasuresSequence[0].PixelSpacing = [spacing, spacing]
        return item

    shared = Dataset()
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    path = dicom(
        tmp_path / "x.dcm",
        np.array([[[1, 2]], [[3, 4]]], np.uint16),
        Rows=1,
        Columns=2,
        NumberOfFrames=2,
        PerFrameFunctionalGroupsSequence=[groups(1, 0.5), groups(0.5, 0.25)],
        SharedFunctionalGroupsSequence=[shared],
    )
    assert read(path, windowed=False).array.tolist() == [[1, 2]]
    second = read(path, windowed=False, frame=1)
    assert second.array.tolist() == [[1.5, 2.0]] and second.spacing == (0.25, 0.25) and second.orientation == "PIR"
    with pytest.raises(ImageError, match="give 0 to 1"):
        read(path, frame=2)


@pytest.mark.parametrize(
    ("tags", "spacing", "source"),
    [
        ({}, 0.2, "ImagerPixelSpacing"),
        ({"PixelSpacing": [0.2, 0.2]}, 0.2, "ImagerPixelSpacing"),
        ({"PixelSpacing": [0.2, 0.2], "PixelSpacingCalibrationType": "GEOMETRY"}, 0.2, "PixelSpacing"),
        ({"PixelSpacing": [0.15, 0.15]}, 0.15, "PixelSpacing"),
        (
            {"EstimatedRadiographicMagnificationFactor": 2},
            0.1,
            "ImagerPixelSpacing / EstimatedRadiographicMagnificationFactor",
        ),
    ],
)
def test_detector_spacing_is_named_and_divided_by_the_magnification(
    tags: dict[str, Any], spacing: float, source: str, tmp_path: Path
) -> None:
    """0.2 mm at the detector are 0.1 mm in the body where that is enlarged twice; PixelSpacing that only repeats it is
    the detector's too."""
    known: dict[str, Any] = {"ImagerPixelSpacing": [0.2, 0.2], "PatientOrientation": ["L", "F"], **tags}
    header = probe(dicom(tmp_path / "x.dcm", np.zeros((2, 2), np.uint8), **known))
    assert (header.spacing, header.spacing_source, header.orientation) == ((spacing, spacing), source, "LI")


def test_compressed_box_formats(tmp_path: Path) -> None:
    array = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(array).save(tmp_path / "x.jp2", "JPEG2000", no_jp2=True)
    Image.fromarray(array).save(tmp_path / "x.jpg", quality=100)
    plain = pydicom.dcmread(dicom(tmp_path / "plain.dcm", array))
    plain.compress(RLELossless)
    plain.save_as(tmp_path / "rle.dcm")
    assert np.array_equal(read(tmp_path / "rle.dcm").array, array)
    for name, syntax, tolerance in (("x.jp2", JPEG2000Lossless, 0), ("x.jpg", JPEGBaseline8Bit, 3)):
        data = encapsulate([(tmp_path / name).read_bytes()])
        found = read(dicom(tmp_path / f"{name}.dcm", array, syntax, PixelData=data)).array
        assert np.abs(found.astype(int) - array).max() <= tolerance


@pytest.mark.parametrize("available", [False, True])
def test_a_missing_decoder_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, available: bool
) -> None:
    """And says nothing of it where there is one, and the stream is broken."""
    frame = b"\xff\xd8\xff\xf7\x00\x0b\x08\x00\x02\x00\x02\x01\x01\x11\x00\xff\xd9"  # JPEG-LS, 2 x 2, no data
    path = dicom(tmp_path / "x.dcm", np.zeros((2, 2), np.uint8), JPEGLSLossless, PixelData=encapsulate([frame]))
    monkeypatch.setattr(dicom_files, "get_decoder", lambda syntax: SimpleNamespace(is_available=available))
    with pytest.raises(ImageError, match=r"x\.dcm.*JPEG-LS") as raised:
        read(path)
    assert ("pip install 'unveil[dicom]'" in str(raised.value)) != available


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless])
def test_the_extra_brings_decoders_of_what_scanners_write(syntax: UID) -> None:
    pytest.importorskip("gdcm", reason="no decoders: pip install 'unveil[dicom]'")
    assert get_decoder(syntax).is_available


@pytest.mark.parametrize("kind", ["jpg", "jp2", "boxed.jp2"])
def test_a_stream_larger_than_rows_and_columns_is_refused(tmp_path: Path, kind: str) -> None:
    options: dict[str, Any] = {"no_jp2": True} if kind == "jp2" else {}
    Image.new("L", (300, 300)).save(tmp_path / f"x.{kind}", **options)
    data = encapsulate([(tmp_path / f"x.{kind}").read_bytes()])
    syntax = JPEGBaseline8Bit if kind == "jpg" else JPEG2000Lossless
    path = dicom(tmp_path / "x.dcm", np.zeros((2, 2), np.uint8), syntax, PixelData=data)
    with pytest.raises(ImageError, match="300 x 300"):
        read(path, limits=Limits(max_pixels=1000))


def test_announced_sizes_are_checked_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(dicom_files, "pixel_array", lambda *_, **__: pytest.fail("decoded before the check"))
    small = np.zeros((2, 2), np.uint8)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"Rows": 60_000, "Columns": 60_000}, "Limits.max_pixels"),
        ({"Rows": 4_000, "Columns": 4_000, "NumberOfFrames": 100_000}, "Limits.max_voxels"),
        ({"Rows": 100, "Columns": 100}, "shorter than"),
        ({"Rows": 0}, "0 pixels"),
        ({"NumberOfFrames": -3}, "or none"),
    ]
    for tags, message in cases:
        with pytest.raises(ImageError, match=message):
            read(dicom(tmp_path / "x.dcm", small, **tags))


def test_deflated_files_are_read_and_bounded(tmp_path: Path) -> None:
    array = np.arange(16, dtype=np.uint16).reshape(4, 4)
    path = dicom(tmp_path / "x.dcm", array, DeflatedExplicitVRLittleEndian)
    assert np.array_equal(read(path, windowed=False).array, array)
    bomb = dicom(tmp_path / "b.dcm", array, DeflatedExplicitVRLittleEndian, ImageComments="a" * 10_000)
    with pytest.raises(ImageError, match="inflates to more"):
        read(bomb, limits=Limits(max_pixels=1000))


def test_dicom_without_preamble_and_without_image(tmp_path: Path) -> None:
    path = dicom(tmp_path / "x.dcm", np.array([[1, 2]], np.uint16))
    dataset = pydicom.dcmread(path)
    bare = Dataset()
    bare.update(dataset)
    bare.save_as(tmp_path / "bare.dcm", implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert read(tmp_path / "bare.dcm", windowed=False).array.tolist() == [[1, 2]]
    with pytest.raises(ImageError, match="without an image"):
        read(dicom(tmp_path / "sr.dcm", np.zeros((2, 2), np.uint8), Rows=None, Columns=None, PixelData=None))
    (tmp_path / "text.dcm").write_text("no DICOM at all")
    with pytest.raises(ImageError, match=r"text\.dcm"):
        read(tmp_path / "text.dcm")


def test_scans_of_a_jpeg_within_dicom_are_limited_too() -> None:
    with pytest.raises(ImageError, match="more than 100 scans"):
        dicom_files._check_codestream("x.dcm", progressive(101), Limits())
    dicom_files._check_codestream("x.dcm", progressive(100), Limits())
