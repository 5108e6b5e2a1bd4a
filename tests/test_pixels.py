"""Images are drawn here; real files come from shared/data (or UNVEIL_DATA) where that folder exists."""

import gzip
import io
import os
import struct
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from unveil.core import dicom as dicom_files
from unveil.core import digests, geometry, image_files, pixels
from unveil.core.image_files import probe, read
from unveil.core.pixels import ImageError, Limits

DATA = Path(os.environ.get("UNVEIL_DATA", Path(__file__).parents[2] / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real data: set UNVEIL_DATA to the folder that holds it")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def dicom(path: Path, array: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> Path:
    """A grey CT image, unless `tags` say otherwise; None removes an element."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    dataset = FileDataset(str(path), Dataset(), file_meta=meta, preamble=b"\0" * 128)
    bits = array.dtype.itemsize * 8
    defaults = {
        "SOPClassUID": pydicom.uid.CTImageStorage,
        "Modality": "CT",
        "Rows": array.shape[0],
        "Columns": array.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(array.dtype.kind == "i"),
        "PixelData": array.tobytes(),
    }
    for name, value in {**defaults, **tags}.items():
        if value is not None:
            setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def nifti(path: Path, array: np.ndarray, axcodes: str = "RAS", spacing: tuple[float, ...] = (1, 1, 1)) -> Path:
    """Axis k of `array` runs towards letter k of `axcodes`."""
    affine = np.zeros((4, 4))
    for axis, letter in enumerate(axcodes):
        world, backwards = divmod("RLAPSI".index(letter), 2)
        affine[world, axis] = spacing[axis] * (-1 if backwards else 1)
    affine[3, 3] = 1
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


# Raster formats


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp", "jpg"])
def test_grey_or_colour_comes_back(tmp_path: Path, suffix: str) -> None:
    array = np.zeros((8, 16, 3), np.uint8)
    array[:, 8:] = (200, 100, 50)
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(array).save(tmp_path / f"x.{suffix}", **options)
    header, found = probe(tmp_path / f"x.{suffix}"), read(tmp_path / f"x.{suffix}")
    assert (header.width, header.height, header.frames) == (16, 8, 1)
    assert found.array.shape == (8, 16, 3) and found.array.dtype == np.uint8
    assert np.abs(found.array.astype(int) - array).max() <= (20 if suffix == "jpg" else 0)
    assert found.spacing is None  # a raster's dpi says nothing about the body


def test_formats_are_told_by_content_not_by_name(tmp_path: Path) -> None:
    Image.new("L", (3, 2)).save(tmp_path / "x.jpg", "PNG")
    assert probe(tmp_path / "x.jpg").format == "PNG"


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_kept_and_scaled_not_cut(tmp_path: Path, suffix: str) -> None:
    """DeepLesion stores HU + 32768. Window (32768, 33023) has 255 steps: 32768 -> 0, 32868 -> 100, 40000 -> 255."""
    array = np.array([[0, 32768], [32868, 40000]], np.uint16)
    Image.fromarray(array).save(tmp_path / f"x.{suffix}")
    assert np.array_equal(read(tmp_path / f"x.{suffix}", windowed=False).array, array)
    assert read(tmp_path / f"x.{suffix}", window=(32768, 33023)).array.tolist() == [[0, 0], [100, 255]]
    assert read(tmp_path / f"x.{suffix}").array.tolist() == [[0, 209], [210, 255]]  # 32768 / 40000 * 255 = 208.9


def test_sixteen_bit_tiff_with_white_as_zero_is_inverted(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1000]], np.uint16)).save(tmp_path / "x.tif", tiffinfo={262: 0})
    assert read(tmp_path / "x.tif").array.tolist() == [[255, 0]]


def test_sixteen_bit_colour_is_refused_because_pillow_would_cut_it(tmp_path: Path) -> None:
    row = zlib.compress(b"\0" + struct.pack(">3H", 1, 256, 65535))
    (tmp_path / "x.png").write_bytes(png(1, 1, 16, 2, chunk(b"IDAT", row)))
    with pytest.raises(ImageError, match="16-bit colour"):
        read(tmp_path / "x.png")


def test_palette_masks_keep_their_indices(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "x.png")
    assert read(tmp_path / "x.png", windowed=False).array.tolist() == [[0, 1]]
    assert read(tmp_path / "x.png").array.tolist() == [[[0, 0, 0], [255, 0, 0]]]


def test_alpha_is_dropped_and_bilevel_becomes_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[10, 20, 30, 0]]], np.uint8)).save(tmp_path / "rgba.png")
    assert read(tmp_path / "rgba.png").array.tolist() == [[[10, 20, 30]]]
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "1.png")
    assert read(tmp_path / "1.png").array.tolist() == [[255, 0]]


#: Where viewers show the stored top left corner, by EXIF orientation; from 5 on, rows are shown as columns.
CORNERS = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}


@pytest.mark.parametrize(
    ("suffix", "how"),
    [("tif", {}), ("tif", {"compression": "tiff_lzw"}), ("jpg", {}), ("png", {}), ("webp", {"lossless": True})],
)
@pytest.mark.parametrize("tag", CORNERS)
def test_a_picture_is_read_as_it_is_shown(tmp_path: Path, suffix: str, how: dict[str, Any], tag: int) -> None:
    """24 x 16 as stored, its top left third bright."""
    array = np.full((16, 24), 20, np.uint8)
    array[:8, :8] = 230
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(array).save(tmp_path / f"x.{suffix}", exif=exif, **how)
    header, found = probe(tmp_path / f"x.{suffix}"), pixels.to_rgb(read(tmp_path / f"x.{suffix}"))[..., 0]
    width, height = (24, 16) if tag < 5 else (16, 24)
    assert (header.width, header.height, header.exif_orientation) == (width, height, tag)
    top, left = (height - 8 if CORNERS[tag][0] == "b" else 0), (width - 8 if CORNERS[tag][1] == "r" else 0)
    expected = np.full((height, width), 20, int)
    expected[top : top + 8, left : left + 8] = 230
    assert found.shape == (height, width) and np.abs(found - expected).max() < 10
    assert np.array_equal(image_files.upright(array, tag), expected)
    assert geometry.upright((0, 0, 8, 8), tag, 24, 16) == (left, top, left + 8, top + 8)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("exif", [b"Exif\0\0no tag at all", b"Exif\0\0", 0, 9])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_what_is_no_orientation_turns_nothing(tmp_path: Path, suffix: str, exif: bytes | int) -> None:
    """Neither do viewers heed the one in XMP, which Pillow does."""
    if isinstance(exif, int):
        tags = Image.Exif()
        tags[0x0112] = exif
        exif = tags.tobytes()
    more = {"tiffinfo": {0x0112: 9, 700: XMP}} if suffix == "tif" else {"exif": exif, "xmp": XMP}
    if suffix == "png":
        more.pop("xmp")
    Image.new("L", (24, 16)).save(tmp_path / f"x.{suffix}", **more)
    header = probe(tmp_path / f"x.{suffix}")
    assert (header.width, header.height, header.exif_orientation) == (24, 16, 1)
    assert read(tmp_path / f"x.{suffix}").array.shape[:2] == (16, 24)


def test_the_first_frame_of_a_phones_photo_is_the_picture(tmp_path: Path) -> None:
    """An MPO: a JPEG of 24 x 16, taken with the camera on its side, with a preview of 6 x 4 behind it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    array = np.full((16, 24), 200, np.uint8)
    more = [Image.new("L", (6, 4))]
    Image.fromarray(array).save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=more, exif=exif)
    header, found = probe(tmp_path / "x.jpg"), read(tmp_path / "x.jpg").array
    assert (header.frames, header.width, header.height) == (1, 16, 24)
    assert found.shape == (24, 16) and np.abs(found.astype(int) - 200).max() < 5
    with pytest.raises(ImageError, match="no frame 1"):
        read(tmp_path / "x.jpg", frame=1)


def test_tiff_pages_are_frames(tmp_path: Path) -> None:
    pages = [Image.new("L", (2, 2), level) for level in (10, 20, 30)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    assert probe(tmp_path / "x.tif").frames == 3
    assert read(tmp_path / "x.tif", frame=2).array[0, 0] == 30
    for frame in (3, -1):
        with pytest.raises(ImageError, match="give 0 to 2"):
            read(tmp_path / "x.tif", frame=frame)


def test_a_window_must_be_low_high_and_needs_grey(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "x.png")
    with pytest.raises(ImageError, match="low, high"):
        read(tmp_path / "x.png", window=(400, 40))
    with pytest.raises(ImageError, match="grey values"):
        read(tmp_path / "x.png", window=(0, 40))


def test_probe_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    for suffix in ("png", "jpg", "tif", "bmp"):
        Image.new("L", (3, 2)).save(tmp_path / f"x.{suffix}")
        assert probe(tmp_path / f"x.{suffix}").width == 3


# Hostile raster files


def test_a_huge_header_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(50_000, 50_000, 1, 0, chunk(b"IDAT", zlib.compress(b"\0" * 9))))
    start = time.perf_counter()
    for act in (probe, read):
        with pytest.raises(ImageError, match=r"bomb\.png"):
            act(tmp_path / "bomb.png")
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("side", [9_000, 10_000])  # within twice Pillow's limit it only warns: 81 and 100 megapixels
def test_pillows_warning_is_an_error_and_leaves_no_trace(tmp_path: Path, side: int) -> None:
    (tmp_path / "x.png").write_bytes(png(side, side, 1, 0, chunk(b"IDAT", zlib.compress(b"\0"))))
    before, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageError):
        read(tmp_path / "x.png")
    assert warnings.filters == before and limit == Image.MAX_IMAGE_PIXELS
    if side == 10_000:
        with pytest.raises(ImageError, match="DecompressionBomb"):
            probe(tmp_path / "x.png", limits=Limits(max_pixels=10**9))


def test_the_limit_counts_every_frame(tmp_path: Path) -> None:
    Image.new("L", (2, 2)).save(tmp_path / "x.tif", save_all=True, append_images=[Image.new("L", (50, 50))])
    assert read(tmp_path / "x.tif", limits=Limits(max_pixels=100)).array.shape == (2, 2)
    with pytest.raises(ImageError, match="limit of 100"):
        read(tmp_path / "x.tif", frame=1, limits=Limits(max_pixels=100))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_truncated_files_are_errors(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / f"x.{suffix}")
    data = (tmp_path / f"x.{suffix}").read_bytes()
    (tmp_path / f"x.{suffix}").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(ImageError, match=rf"x\.{suffix}"):
        read(tmp_path / f"x.{suffix}")


@pytest.mark.parametrize("packed", [True, False])
def test_oversized_text_in_a_png_is_refused(tmp_path: Path, packed: bool) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "a" * 2_000_000, zip=packed)
    Image.new("L", (2, 2)).save(tmp_path / "x.png", pnginfo=info)
    with pytest.raises(ImageError, match=r"text|MAX_TEXT_CHUNK"):
        read(tmp_path / "x.png")


@pytest.mark.parametrize("kind", ["FITS", "PDF", "EPS", "JPEG2000", "GIF"])
def test_other_formats_under_an_innocent_name_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.png"
    if kind == "FITS":
        cards = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "END"]
        path.write_bytes("".join(card.ljust(80) for card in cards).ljust(2880).encode())
    else:
        Image.new("RGB", (4, 4)).save(path, kind)
    with pytest.raises(ImageError, match="none of PNG, JPEG, TIFF"):
        read(path)


@pytest.mark.parametrize("data", [b"", b"\0", b"\x89PNG\r\n\x1a\n", b"\x1f\x8b", gzip.compress(b"hello", mtime=0)])
def test_rubbish_is_an_image_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(ImageError):
        read(tmp_path / "x.png")


def test_missing_files_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing.png", "pipe", "."):
        with pytest.raises(ImageError, match="check the path"):
            read(tmp_path / name)


def test_nothing_loosens_a_decoder() -> None:
    source = "".join(
        (Path(pixels.__file__).parent / name).read_text()
        for name in ("pixels.py", "image_files.py", "dicom.py", "nifti.py")
    )
    for word in ("MAX_IMAGE_PIXELS", "LOAD_TRUNCATED_IMAGES", "allow_pickle", "import torch"):
        assert word not in source


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["png", "jpg", "tif", "bmp", "dcm", "nii", "nii.gz"]), st.data())
def test_damaged_files_read_or_raise_an_image_error(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    path = tmp_path / f"good.{suffix}"
    if not path.exists():
        array = np.arange(64, dtype=np.uint8).reshape(8, 8)
        if suffix == "dcm":
            dicom(path, array.astype(np.int16))
        elif suffix.startswith("nii"):
            nifti(path, array.reshape(4, 4, 4))
        else:
            Image.fromarray(array).save(path)
    damaged = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    (tmp_path / f"bad.{suffix}").write_bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom and Pillow warn of damage they can read over
        try:
            assert read(tmp_path / f"bad.{suffix}").array.dtype == np.uint8
        except ImageError as error:
            assert f"bad.{suffix}" in str(error)


# DICOM


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


def test_detector_spacing_is_named_and_divided_by_the_magnification(tmp_path: Path) -> None:
    tags: dict[str, Any] = {"ImagerPixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": 2}
    header = probe(dicom(tmp_path / "x.dcm", np.zeros((2, 2), np.uint8), PatientOrientation=["L", "F"], **tags))
    assert (header.spacing, header.spacing_source, header.orientation) == ((0.1, 0.1), "ImagerPixelSpacing", "LI")


def test_compressed_syntaxes(tmp_path: Path) -> None:
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


def test_a_missing_decoder_says_what_to_install(tmp_path: Path) -> None:
    frame = b"\xff\xd8\xff\xf7\x00\x0b\x08\x00\x02\x00\x02\x01\x01\x11\x00\xff\xd9"  # JPEG-LS, 2 x 2, no data
    path = dicom(tmp_path / "x.dcm", np.zeros((2, 2), np.uint8), JPEGLSLossless, PixelData=encapsulate([frame]))
    with pytest.raises(ImageError, match=r"x\.dcm.*JPEG-LS.*pip install"):
        read(path)


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


# NIfTI


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


# Arrays


def test_to_rgb_and_stretch() -> None:
    assert pixels.to_rgb(np.array([[0, 7]], np.uint8)).tolist() == [[[0] * 3, [7] * 3]]
    assert pixels.to_rgb(np.array([[0, 1000]], np.uint16)).tolist() == [[[0] * 3, [255] * 3]]
    assert pixels.stretch(np.array([[np.nan, np.inf, 0.0, 2.0]])).tolist() == [[0, 255, 0, 255]]
    assert pixels.stretch(np.full((1, 2), 5.0)).tolist() == [[0, 0]]


@given(st.integers(1, 40), st.integers(1, 40))
def test_resize_keeps_labels_types_and_flat_areas(width: int, height: int) -> None:
    mask = np.array([[0, 3], [7, 255]], np.uint8)
    assert set(pixels.resize(mask, width, height, labels=True).ravel()) <= {0, 3, 7, 255}
    for dtype in (np.uint8, np.int16, np.uint16, np.float32):
        resized = pixels.resize(np.full((5, 9, 3), 90, dtype), width, height)
        assert resized.shape == (height, width, 3) and resized.dtype == dtype and (resized == 90).all()


def test_resize_by_two_moves_a_box_by_two() -> None:
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    assert np.array_equal(pixels.resize(mask, 12, 8), np.kron(mask, np.ones((2, 2), bool)))


def test_png_carries_pixels_and_nothing_else(tmp_path: Path) -> None:
    for array in (np.eye(4, dtype=bool), np.full((3, 2), 60_000, np.uint16), np.full((2, 2, 3), 9, np.uint8)):
        pixels.write_png(array, tmp_path / "x.png")
        data, kinds, place = (tmp_path / "x.png").read_bytes(), [], 8
        while place < len(data):
            kinds.append(data[place + 4 : place + 8])
            place += 12 + int.from_bytes(data[place : place + 4])
        assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}
        found = read(tmp_path / "x.png", windowed=False).array
        assert np.array_equal(found.astype(array.dtype), array)
    with pytest.raises(ImageError, match="window it"):
        pixels.write_png(np.zeros((2, 2)), tmp_path / "x.png")


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert digests.sha256(tmp_path / "x").startswith("ba7816bf8f01cfea")  # FIPS 180-2's own example


def test_paths_stay_inside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (tmp_path / "rootless").mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    assert pixels.inside("a/../a/x.png", root) == (root / "a" / "x.png").resolve()
    assert pixels.inside(root / "a", root) == (root / "a").resolve()
    for path in ("../x", "a/../../x", "/etc/passwd", "out/x", "../rootless/x", "a\0b"):
        with pytest.raises(ImageError):
            pixels.inside(path, root)


# Real files


@needs_data
def test_real_dicom_and_nifti_files_read() -> None:
    folder = DATA / "dicom_nifti_samples"
    counts = {"image": 0, "no image": 0, "no decoder": 0}
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name.startswith(("LICENSE", "PROVENANCE")):
            continue
        try:
            header = probe(path)
            array = read(path, frame=header.frames - 1).array
            assert array.shape[:2] == (header.height, header.width) and array.dtype == np.uint8
            counts["image"] += 1
        except ImageError as error:
            assert "without an image" in str(error) or "JPEG-LS" in str(error), error
            counts["no image" if "without an image" in str(error) else "no decoder"] += 1
    assert counts["image"] >= 60 and counts["no image"] == 5 and counts["no decoder"] <= 2


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


def progressive(scans: int, head: bytes = b"", tail: bytes = b"") -> bytes:
    """A progressive JPEG of 64 x 48 whose last scan stands so often that it has ``scans``."""
    packed = io.BytesIO()
    Image.fromarray(np.arange(64 * 48, dtype=np.uint16).reshape(48, 64).astype(np.uint8)).save(
        packed, "JPEG", progressive=True
    )
    image = packed.getvalue()
    last = image[image.rindex(b"\xff\xda") : -2]
    repeated = last * (scans - image.count(b"\xff\xda"))
    return image[:2] + head + image[2:-2] + repeated + b"\xff\xd9" + tail


#: Starts of scan in a comment, where they are none.
COMMENT = b"\xff\xfe" + (2 + 400).to_bytes(2) + b"\xff\xda" * 200


@pytest.mark.parametrize(("scans", "fine"), [(6, True), (100, True), (101, False), (5000, False)])
@pytest.mark.parametrize("head", [b"", COMMENT])
def test_a_jpeg_has_at_most_100_scans(scans: int, fine: bool, head: bytes, tmp_path: Path) -> None:
    """Each is decoded over the whole image: thousands of them take minutes, in a file of 100 kB."""
    (tmp_path / "x.jpg").write_bytes(progressive(scans, head, tail=b"\xff\xda" * 200))
    if fine:
        assert read(tmp_path / "x.jpg").array.shape == (48, 64)
        return
    with pytest.raises(ImageError, match=r"x\.jpg: a JPEG of more than 100 scans"):
        read(tmp_path / "x.jpg")


def test_scans_of_a_jpeg_within_dicom_are_limited_too() -> None:
    with pytest.raises(ImageError, match="more than 100 scans"):
        dicom_files._check_codestream("x.dcm", progressive(101), Limits())
    dicom_files._check_codestream("x.dcm", progressive(100), Limits())


def test_a_decoder_that_repeats_what_the_file_holds_is_cut_short(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="ValueError: a value") as stop, pixels.reported(tmp_path, "decoding"):
        raise ValueError(f"a value that cannot be one: {'[' * 5000}")
    assert len(str(stop.value)) < len(str(tmp_path)) + 300
