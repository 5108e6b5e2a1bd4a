"""Images as arrays: what is known of one, how much may be read, how values become what is shown.

Every file is taken as hostile: the format is told by content from a short list, the size is checked from the header
before a pixel is decoded, and whatever a decoder throws becomes an `ImageError` that names the file and what to do.

Frames: row 0 is the top, column 0 the left of the picture as viewers show it: a photo that was taken with the camera on
its side is turned as its EXIF orientation says (DICOM and NIfTI know no such tag and stay as they are). Sizes are those
of the shown picture everywhere; `Header.exif_orientation` and `upright` are for annotations that were written on the
stored one.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from unveil.core.files import refusals
from unveil.core.untrusted import QUOTED, shortened

Plane = Literal["axial", "coronal", "sagittal"]
PathLike = str | Path
Window = tuple[float, float]
Kind = Literal["raster", "DICOM", "NIfTI"]


#: The source of a spacing that was measured at the detector of a radiograph, of which the magnification is not known.
AT_DETECTOR = "ImagerPixelSpacing"


class ImageError(ValueError):
    """A file that cannot be used: the message names the file, what is wrong and what to do.

    ``plain`` says the same without the file's name, and without the words of a library, which may repeat what the file
    holds; "" where nobody has told them apart.
    """

    def __init__(self, message: str, plain: str = "") -> None:
        super().__init__(message)
        self.plain = plain


@dataclass(frozen=True)
class Limits:
    """How much a file may ask for before it is refused; all are checked before anything of that size is allocated."""

    max_pixels: int = 64_000_000
    """Rows x columns of one frame. Pillow's own 89 megapixels stay in force above it."""
    max_voxels: int = 2**31
    """Rows x columns x frames (x samples) that the header of a DICOM or NIfTI file may announce."""
    max_ratio: int = 1040
    """Bytes announced per compressed byte. Deflate ends at 1032:1, and an empty mask comes near it: more is a lie."""
    max_text: int = 2**20
    """Characters of text in a PNG, and bytes of header extensions in a NIfTI file."""
    max_scans: int = 100
    """Scans of a JPEG, of which each goes over all pixels. Progressive ones have 10 as libjpeg writes them; a file of
    100 kB may hold ten thousand."""

    def check_frame(self, path: PathLike, width: int, height: int) -> None:
        if width < 1 or height < 1:
            raise ImageError(f"{path}: the header announces {width} x {height} pixels; export the image again")
        if width * height > self.max_pixels:
            raise ImageError(
                f"{path}: {width} x {height} pixels are more than the limit of {self.max_pixels}; "
                "shrink or tile the image, or raise Limits.max_pixels if you trust it"
            )

    def check_scans(self, path: PathLike, jpeg: bytes) -> None:
        # metadata and whatever is appended may hold the marker too, so only a file full of them is walked
        if jpeg.count(_START_OF_SCAN) > self.max_scans and _scans(jpeg) > self.max_scans:
            raise ImageError(
                f"{path}: a JPEG of more than {self.max_scans} scans; save the image again, or raise Limits.max_scans "
                "if you trust it"
            )


@dataclass(frozen=True)
class Header:
    """What a file says of itself, read without decoding a pixel. Width and height are those of the shown frame."""

    format: str
    width: int
    height: int
    frames: int = 1
    stored: str = ""  # how a sample is stored: Pillow's mode, DICOM's photometric interpretation, a numpy dtype
    exif_orientation: int = 1  # 1 is upright; what the stored picture is turned and mirrored by, from 1 to 8
    spacing: tuple[float, float] | None = None
    spacing_source: str | None = None
    orientation: str | None = None
    modality: str | None = None
    burned_in: str | None = None
    """DICOM's own word on whether text is burned into the pixels: YES, NO or nothing."""
    patient: str | None = field(default=None, repr=False)
    """DICOM's PatientID: a person's, so that it is written nowhere as it stands."""
    sex: str | None = field(default=None, repr=False)
    """DICOM's PatientSex as it stands."""
    age: str | None = field(default=None, repr=False)
    """DICOM's PatientAge as it stands, such as 058Y; without one, as it follows from the dates of birth and study."""


@dataclass(frozen=True)
class Pixels:
    """One frame. uint8 when windowed; otherwise the values themselves (HU for CT, labels for a mask)."""

    array: np.ndarray  # (H, W) or (H, W, 3)
    spacing: tuple[float, float] | None = None  # (row, column) mm per pixel
    spacing_source: str | None = None  # the header's field; that of AT_DETECTOR is too large for the body
    orientation: str | None = None  # where columns, rows and frames lead: "LPS" is an axial slice
    modality: str | None = None
    format: str = ""
    frame: int = 0
    frames: int = 1


@contextmanager
def reported(path: PathLike, action: str) -> Iterator[None]:
    """Turn whatever a decoder throws into an ImageError.

    Broken and hostile files make decoders throw anything (struct.error, KeyError, ZeroDivisionError, MemoryError), so
    the net is wide on purpose; nothing is lost, since the cause is chained.
    """
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        reason = shortened(f"{type(error).__name__}: {error}", 2 * QUOTED)  # which repeats what the file holds
        what = f"{action} failed", "replace the file or leave it out"
        raise ImageError(f"{path}: {what[0]} ({reason}); {what[1]}", "; ".join(what)) from error


@contextmanager
def nameless(path: PathLike) -> Iterator[None]:
    """Within, an ``ImageError`` about a file is told without its name too (``plain``)."""
    try:
        yield
    except ImageError as error:
        for start in (f"{path}: ", f"{Path(path)}: "):
            if not error.plain and str(error).startswith(start):
                error.plain = str(error).removeprefix(start)
        raise


# Values to grey levels


def check_index(path: PathLike, frame: int, frames: int) -> None:
    if not 0 <= frame < frames:
        raise ImageError(f"{path}: no frame {frame}, the file has {frames}; give 0 to {frames - 1}")


def display(path: PathLike, values: np.ndarray, window: Window | None) -> np.ndarray:
    """uint8: by the window; without one, bool and uint8 keep their range and all else is stretched to its own."""
    if values.ndim == 3:
        if window is not None:
            raise ImageError(f"{path}: a window is for grey values, this image has colours; read it without one")
        return values if values.dtype == np.uint8 else stretch(values)
    if window is None and values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    return values if window is None and values.dtype == np.uint8 else stretch(values, window)


def stretch(values: np.ndarray, window: Window | None = None, valid: np.ndarray | None = None) -> np.ndarray:
    """Linear to 0..255 over the window, or over the range of the finite (and `valid`) values; NaN becomes 0."""
    numbers = values.astype(np.result_type(values, np.float32))
    finite = np.isfinite(numbers)
    if window is None:
        seen = numbers[finite if valid is None else finite & valid]
        window = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    low, high = window
    if not high > low:  # a flat image has no contrast to show
        return np.zeros(values.shape, np.uint8)
    with np.errstate(invalid="ignore", over="ignore"):  # what is infinite or no number
        scaled = np.clip((numbers - low) / (high - low) * 255, 0, 255)
    return np.rint(np.where(np.isnan(scaled), 0, scaled)).astype(np.uint8)


def on_square(image: np.ndarray, brightness: int) -> np.ndarray:
    """An image, (height, width, 3), on the smallest square, centred as ``box_formats.View`` counts (rounded down)."""
    height, width, _ = image.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.full((side, side, 3), brightness, np.uint8)
    square[top : top + height, left : left + width] = image
    return square


def to_rgb(pixels: Pixels | np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8. Values that were read with `windowed=False` are stretched to their range."""
    array = display("array", pixels.array if isinstance(pixels, Pixels) else pixels, None)
    return np.repeat(array[:, :, None], 3, axis=2) if array.ndim == 2 else array


def resize(array: np.ndarray, width: int, height: int, *, labels: bool = False) -> np.ndarray:
    """(height, width[, 3]) of the same dtype; a pixel's box scales by the ratio of the sides, with no half-pixel shift.

    Smooth and free of aliasing; `labels=True` takes the nearest pixel instead, so that a mask keeps its values.
    """
    if labels or array.dtype == np.bool_:
        rows = ((np.arange(height) + 0.5) * array.shape[0] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * array.shape[1] / width).astype(int)
        nearest: np.ndarray = array[rows[:, None], columns]
        return nearest
    if array.dtype == np.uint8:
        return np.asarray(Image.fromarray(array).resize((width, height), Image.Resampling.BICUBIC))
    if array.ndim == 3:
        return np.stack([resize(array[:, :, k], width, height) for k in range(array.shape[2])], axis=2)
    smooth = np.asarray(Image.fromarray(array.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC))
    if np.issubdtype(array.dtype, np.integer):  # bicubic overshoots at edges: keep to what was there
        smooth = np.clip(np.rint(smooth), array.min(), array.max())
    return smooth.astype(array.dtype)


def write_png(array: np.ndarray, path: PathLike) -> None:
    """(H, W) bool, uint8 or uint16, or (H, W, 3) uint8; pixels only, no metadata and no text."""
    grey, colour = array.ndim == 2, array.ndim == 3 and array.shape[2] == 3
    if not ((array.dtype == np.uint8 and (grey or colour)) or (array.dtype in (np.bool_, np.uint16) and grey)):
        raise ImageError(f"{path}: cannot write shape {array.shape} of {array.dtype} as PNG; window it to uint8 first")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    with refusals(Path(path), Path(path)):
        Image.fromarray(np.ascontiguousarray(array)).save(path, "PNG", compress_level=3)


# Files


def inside(path: PathLike, root: PathLike) -> Path:
    """A path out of an annotation file, resolved against `root`; `..`, absolute paths and links must not leave it."""
    with reported(path, "resolving the path"):
        resolved_root = Path(root).resolve()
        resolved = (resolved_root / path).resolve()
    if not resolved.is_relative_to(resolved_root):
        raise ImageError(f"{path}: leads outside {resolved_root}; correct the path or give a root that holds the file")
    return resolved


_START_OF_SCAN = b"\xff\xda"


def _scans(jpeg: bytes) -> int:
    """Starts of scan among a JPEG's markers. Compressed data holds none but fill bytes, stuffed zeros and restarts."""
    scans, position = 0, 2
    while marker := _MARKER.search(jpeg, position):
        if marker[0] == b"\xff\xd9":  # the end of the image
            break
        scans += marker[0] == _START_OF_SCAN
        position = marker.end() + max(2, int.from_bytes(jpeg[marker.end() : marker.end() + 2]))
    return scans


_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
