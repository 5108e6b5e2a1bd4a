"""Image files as arrays (DICOM and NIfTI are decoded in `volumes`), and the search for near-duplicates.

Every file is taken as hostile: the format is told by content from a short list, the size is checked from the header
before a pixel is decoded, and whatever a decoder throws becomes an `ImageError` that names the file and what to do.

Frames: row 0 is the top, column 0 the left of the picture as viewers show it: a photo that was taken with the camera on
its side is turned as its EXIF orientation says (DICOM and NIfTI know no such tag and stay as they are). Sizes are those
of the shown picture everywhere; `Header.exif_orientation` and `upright` are for annotations that were written on the
stored one.
"""

import gzip
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from unveil.core.files import refusals, sha256_of
from unveil.core.untrusted import QUOTED, shortened

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")

Plane = Literal["axial", "coronal", "sagittal"]
PathLike = str | Path
Window = tuple[float, float]
Kind = Literal["raster", "DICOM", "NIfTI"]


class ImageError(ValueError):
    """A file that cannot be used: the message names the file, what is wrong and what to do."""


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


@dataclass(frozen=True)
class Pixels:
    """One frame. uint8 when windowed; otherwise the values themselves (HU for CT, labels for a mask)."""

    array: np.ndarray  # (H, W) or (H, W, 3)
    spacing: tuple[float, float] | None = None  # (row, column) mm per pixel
    spacing_source: str | None = None  # ImagerPixelSpacing is measured at the detector: too large for the body
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
        raise ImageError(f"{path}: {action} failed ({reason}); replace the file or leave it out") from error


def probe(path: PathLike, *, plane: Plane = "axial", limits: Limits = Limits()) -> Header:
    """Format and size from the header alone. `plane` counts for NIfTI only."""
    kind, file = _started(path)
    with file:
        return _header(path, kind, file, plane, limits)


def probe_hashed(path: PathLike, *, plane: Plane = "axial", limits: Limits = Limits()) -> tuple[Header, str]:
    """As `probe`, and the SHA-256 of the file's bytes in hexadecimal; the file is opened once for both."""
    kind, file = _started(path)
    with file:
        header = _header(path, kind, file, plane, limits)
        with reported(path, "reading it"):
            file.seek(0)
            return header, sha256_of(file)


def _header(path: PathLike, kind: Kind, file: BinaryIO, plane: Plane, limits: Limits) -> Header:
    if kind == "raster":
        with reported(path, "decoding"), _opened(path, file, limits) as image:
            return _raster_header(image)
    from unveil.core import (
        volumes,  # late: pydicom and nibabel take a second to import, and a folder of PNG needs neither
    )

    if kind == "DICOM":
        return volumes.probe_dicom(path, limits)
    return volumes.probe_nifti(path, plane, limits)


def read(
    path: PathLike,
    *,
    window: Window | None = None,
    frame: int = 0,
    plane: Plane = "axial",
    windowed: bool = True,
    limits: Limits = Limits(),
) -> Pixels:
    """One frame of a file as uint8 for display, or its values as they are with `windowed=False`.

    `window` is (low, high) in the file's values (HU for CT, DeepLesion's `DICOM_windows`; not centre and width): low
    and below become 0, high and above 255. Without one, a DICOM file's own first window or VOI table is used; 8-bit
    grey stays as it is; deeper grey (16-bit PNG, NIfTI) is stretched from the frame's minimum to its maximum, so that
    nothing is cut to 8 bits unseen. MONOCHROME1 is inverted, padding is black, alpha is dropped, palettes are applied.

    `windowed=False` gives values after the modality LUT and before any inversion, palette indices included: for masks,
    and for code that windows by itself. `frame` counts the frames of a TIFF or DICOM file, or the slices of a NIfTI
    file along `plane` towards the patient's left, back or head, whatever the storage order, volume after volume.
    """
    if window is not None and not window[0] < window[1]:
        raise ImageError(f"{path}: window {window} is not (low, high); give the lower bound first")
    kind, file = _started(path)
    with file:
        if kind == "raster":
            return _read_raster(path, file, window, frame, windowed, limits)
    from unveil.core import volumes

    if kind == "DICOM":
        return volumes.read_dicom(path, window, frame, windowed, limits)
    return volumes.read_nifti(path, window, frame, plane, windowed, limits)


def _started(path: PathLike) -> tuple[Kind, BinaryIO]:
    """The kind of a file, and the file at its start, opened once for all that is read of it."""
    path = path if isinstance(path, Path) else Path(path)
    if not path.is_file():  # a device or a pipe could keep the reader waiting for ever
        raise ImageError(f"{path}: no such file, or not a regular one; check the path")
    with reported(path, "reading the first bytes"):
        file = path.open("rb")
        try:
            kind = _kind(path, file.read(352))
            file.seek(0)
        except BaseException:
            file.close()
            raise
    return kind, file


def _kind(path: Path, start: bytes) -> Kind:
    """Told by content: the name of a file proves nothing."""
    if start[:2] == b"\x1f\x8b":
        with gzip.open(path) as unpacked:
            start = unpacked.read(352)
        if not _is_nifti(start):
            raise ImageError(f"{path}: a gzip file that holds no NIfTI image; unpack it first")
    if _is_nifti(start):
        return "NIfTI"
    # Old scanners write DICOM without preamble: only the name can tell, and the parser then checks.
    if start[128:132] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom", ".ima"):
        return "DICOM"
    return "raster"


def _is_nifti(start: bytes) -> bool:
    return start[344:348] in (b"n+1\0", b"ni1\0") or start[4:8] in (b"n+2\0", b"ni2\0")


# PNG, JPEG, TIFF, BMP, WebP

_OPENING = threading.Lock()  # catch_warnings swaps a list that belongs to the whole process


def _opened(path: PathLike, file: BinaryIO, limits: Limits) -> Image.Image:
    """Header only: Pillow decodes when `load` is called, not before."""
    try:
        with _OPENING, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # A file, not a path: given a path, Pillow 13 maps rotated TIFF with width and height confused.
            image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        known = ", ".join((*FORMATS, "DICOM", "NIfTI"))
        raise ImageError(f"{path}: none of {known}, or broken at its start; convert or leave it out") from error
    limits.check_frame(path, *image.size)
    return image


def _raster_header(image: Image.Image) -> Header:
    width, height = image.size
    orientation = _orientation(image)
    if orientation > 4 and not isinstance(image, TiffImageFile):  # of a TIFF, Pillow reports the size after rotation
        width, height = height, width
    return Header(
        format=image.format or "",
        width=width,
        height=height,
        frames=_frames(image),
        stored=image.mode,
        exif_orientation=orientation,
    )


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 for a value that is none. XMP may hold one too, which viewers do not heed."""
    tags: Mapping[int, Any] = {}
    if isinstance(image, TiffImageFile):
        tags = image.tag_v2
    elif re.match(rb"(Exif\0\0){0,2}(II\*\0|MM\0\*).{4}", image.info.get("exif", b""), re.DOTALL):
        tags = Image.Exif()
        tags.load(image.info["exif"])
    value = tags.get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _frames(image: Image.Image) -> int:
    """Pictures in a file. A phone's MPO is a JPEG whose further frames are previews or depths of the first."""
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def _read_raster(
    path: PathLike, file: BinaryIO, window: Window | None, frame: int, windowed: bool, limits: Limits
) -> Pixels:
    with reported(path, "decoding"), _opened(path, file, limits) as image:
        frames = _frames(image)
        check_index(path, frame, frames)
        if frame:
            image.seek(frame)
            limits.check_frame(path, *image.size)
        header = _raster_header(image)
        _refuse_cut_depth(path, image)
        deep = image.mode.startswith("I;16")
        image.info.pop("xmp", None)  # a TIFF would be turned by it, unlike its announced size
        white_is_zero = deep and isinstance(image, TiffImageFile) and image.tag_v2.get(262) == 0
        if image.format in ("JPEG", "MPO"):
            file.seek(0)
            limits.check_scans(path, file.read())  # Pillow itself goes where the image begins
        image.load()
        text = sum(map(len, getattr(image, "text", {}).values()))
        if text > limits.max_text:
            raise ImageError(f"{path}: {text} characters of text in an image; write the image again without metadata")
        if windowed and image.mode not in ("1", "L", "F") and not image.mode.startswith("I"):
            image = image.convert("L" if image.mode in ("LA", "La") else "RGB")
        array = np.asarray(image)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if header.format != "TIFF":  # which Pillow turns while it decodes
        array = upright(array, header.exif_orientation)
    if windowed:
        array = display(path, array, window)
        if white_is_zero:  # Pillow inverts 8-bit TIFF of this kind, but not 16-bit
            array = 255 - array
    return Pixels(np.ascontiguousarray(array), format=header.format, frame=frame, frames=frames)


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """A picture or mask as it is shown, from the stored one, (H, W[, C]), and its EXIF orientation."""
    return _UPRIGHT[orientation](stored)


_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda array: array,
    2: lambda array: array[:, ::-1],
    3: lambda array: array[::-1, ::-1],
    4: lambda array: array[::-1],
    5: lambda array: np.swapaxes(array, 0, 1),
    6: lambda array: np.rot90(array, -1),
    7: lambda array: np.swapaxes(array[::-1, ::-1], 0, 1),
    8: lambda array: np.rot90(array, 1),
}


def _refuse_cut_depth(path: PathLike, image: Image.Image) -> None:
    """Pillow keeps 16 bits of grey only; of 16-bit colour it drops the lower byte without a word."""
    raw = [tile[3] if isinstance(tile[3], str) else (tile[3] or ("",))[0] for tile in getattr(image, "tile", [])]
    if not image.mode.startswith("I") and any(";16" in mode for mode in raw):
        raise ImageError(f"{path}: 16-bit colour or alpha would be cut to 8 bits; store 16-bit grey or 8-bit colour")


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
    scaled = np.clip((numbers - low) / (high - low) * 255, 0, 255)
    return np.rint(np.where(np.isnan(scaled), 0, scaled)).astype(np.uint8)


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
        return array[rows[:, None], columns]
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
