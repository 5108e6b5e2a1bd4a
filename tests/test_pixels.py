"""Arrays of pixels: stretched, resized, written; paths that stay within their folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unveil.core import pixels
from unveil.core.image_files import read
from unveil.core.pixels import ImageError


def test_a_window_must_be_low_high_and_needs_grey(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "x.png")
    with pytest.raises(ImageError, match="low, high"):
        read(tmp_path / "x.png", window=(400, 40))
    with pytest.raises(ImageError, match="grey values"):
        read(tmp_path / "x.png", window=(0, 40))


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


def test_a_decoder_that_repeats_what_the_file_holds_is_cut_short(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="ValueError: a value") as stop, pixels.reported(tmp_path, "decoding"):
        raise ValueError(f"a value that cannot be one: {'[' * 5000}")
    assert len(str(stop.value)) < len(str(tmp_path)) + 300
