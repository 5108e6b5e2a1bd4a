"""Pictures of all raster formats are read as they are shown, by their content; hostile ones are refused."""

from __future__ import annotations

import gzip
import os
import struct
import time
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from tests.helpers.images import chunk, dicom, nifti, png, progressive
from tests.helpers.real import DATA, needs_data
from unveil.core import geometry, image_files, pixels
from unveil.core.image_files import probe, read
from unveil.core.pixels import ImageError, Limits

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
