"""Image files: which format one is in, told by its first bytes, and one frame of it as an array.

PNG, JPEG, TIFF, BMP and WEBP are read here; `dicom` and `nifti` decode the others.
"""

from __future__ import annotations

import gzip
import re
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from unveil.core.files import is_pointer
from unveil.core.pixels import (
    Header,
    ImageError,
    Kind,
    Limits,
    PathLike,
    Pixels,
    Plane,
    Window,
    check_index,
    display,
    nameless,
    reported,
)

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")


def probe(path: PathLike, *, plane: Plane = "axial", limits: Limits = Limits()) -> Header:
    """Format and size from the header alone. `plane` counts for NIfTI only."""
    with nameless(path):
        kind, file = _started(path)
        with file:
            return _header(path, kind, file, plane, limits)


def _header(path: PathLike, kind: Kind, file: BinaryIO, plane: Plane, limits: Limits) -> Header:
    if kind == "raster":
        with reported(path, "decoding"), _opened(path, file, limits) as image:
            return _raster_header(image)
    # late: pydicom and nibabel take a second to import, and a folder of PNG needs neither
    from unveil.core import dicom, nifti

    if kind == "DICOM":
        return dicom.probe_dicom(path, limits)
    return nifti.probe_nifti(path, plane, limits)


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
    with nameless(path):
        kind, file = _started(path)
        with file:
            if kind == "raster":
                return _read_raster(path, file, window, frame, windowed, limits)
        from unveil.core import dicom, nifti

        if kind == "DICOM":
            return dicom.read_dicom(path, window, frame, windowed, limits)
        return nifti.read_nifti(path, window, frame, plane, windowed, limits)


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


_OPENING = threading.Lock()  # catch_warnings swaps a list that belongs to the whole process


def _opened(path: PathLike, file: BinaryIO, limits: Limits) -> Image.Image:
    """Header only: Pillow decodes when `load` is called, not before."""
    try:
        with _OPENING, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # A file, not a path: given a path, Pillow 13 maps rotated TIFF with width and height confused.
            image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        if is_pointer(Path(path)):
            raise ImageError(f"{path}: a pointer of Git LFS, not the image: `git lfs pull` fetches it") from error
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
