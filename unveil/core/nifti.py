"""NIfTI: one slice of a volume as an array, with its spacing and orientation. Reached through `image_files`.

A scan is too large to hold as float64, so the header decides first and one slice is read, not the volume.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import IOBase
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from unveil.core.pixels import (
    Header,
    ImageError,
    Limits,
    PathLike,
    Pixels,
    Plane,
    Window,
    check_index,
    display,
    reported,
)

# Towards which letters frames, rows and columns are counted, as DICOM's patient axes and radiologists' screens have it.
_PLANES: dict[Plane, tuple[str, str, str]] = {
    "axial": ("S", "P", "L"),
    "coronal": ("P", "I", "L"),
    "sagittal": ("L", "I", "P"),
}


_MILLIMETRES = {"meter": 1000.0, "micron": 0.001}


@dataclass(frozen=True)
class _Slicing:
    """How voxel axes become frames, rows and columns: for each its axis, and whether it runs the other way."""

    header: Header
    shape: tuple[int, ...]  # at least three long
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]


def probe_nifti(path: PathLike, plane: Plane, limits: Limits) -> Header:
    with reported(path, "reading the NIfTI header"):
        return _slicing(path, plane, limits).header


def read_nifti(
    path: PathLike, window: Window | None, frame: int, plane: Plane, windowed: bool, limits: Limits
) -> Pixels:
    with reported(path, "reading the NIfTI header"):
        slicing = _slicing(path, plane, limits)
    header = slicing.header
    check_index(path, frame, header.frames)
    with reported(path, "reading the NIfTI voxels"), _stream(path) as stream:
        volume, index = divmod(frame, slicing.shape[slicing.axes[0]])
        where: list[Any] = [slice(None)] * 3
        where[slicing.axes[0]] = slicing.shape[slicing.axes[0]] - 1 - index if slicing.flips[0] else index
        where += [int(k) for k in np.unravel_index(volume, slicing.shape[3:], order="F")] if slicing.shape[3:] else []
        kind = nibabel.Nifti2Image if _sizeof_header(stream) == 540 else nibabel.Nifti1Image
        proxy = kind.from_stream(stream).dataobj
        values = np.asarray(proxy[tuple(where[: len(proxy.shape)])])
    if values.dtype.names:  # RGB24: a structure of three bytes per voxel
        values = np.stack([values[name] for name in values.dtype.names[:3]], axis=-1)
    if values.ndim < 2:  # a two-dimensional file, cut along another axis than its third
        values = values.reshape([n for k, n in enumerate(slicing.shape[:3]) if k != slicing.axes[0]])
    if slicing.axes[1] > slicing.axes[2]:
        values = np.swapaxes(values, 0, 1)
    for axis, flip in enumerate(slicing.flips[1:]):
        values = np.flip(values, axis) if flip else values
    if values.dtype == np.float64:  # what nibabel's scaling gives: single precision holds any 16-bit value
        values = values.astype(np.float32)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    array = display(path, values, window) if windowed else values
    return Pixels(
        np.ascontiguousarray(array),
        header.spacing,
        header.spacing_source,
        header.orientation,
        None,
        "NIfTI",
        frame,
        header.frames,
    )


@contextmanager
def _stream(path: PathLike) -> Iterator[IOBase]:
    with Path(path).open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked
        else:
            yield file


def _sizeof_header(stream: Any) -> int:
    start = stream.read(4)
    stream.seek(0)
    return 540 if 540 in (int.from_bytes(start, "little"), int.from_bytes(start, "big")) else 348


def _slicing(path: PathLike, plane: Plane, limits: Limits) -> _Slicing:
    with _stream(path) as stream:
        size = _sizeof_header(stream)
        raw = stream.read(size)
        packed = isinstance(stream, gzip.GzipFile)
    nifti = (nibabel.Nifti2Header if size == 540 else nibabel.Nifti1Header)(raw)
    _check_volume(path, nifti, packed, limits)
    shape = tuple(int(n) for n in nifti.get_data_shape())
    shape += (1,) * (3 - len(shape))
    known = nifti["sform_code"] > 0 or nifti["qform_code"] > 0
    directions = nibabel.io_orientation(nifti.get_best_affine())
    if np.isnan(directions).any():
        raise ImageError(f"{path}: its affine leaves out an axis, so no plane can be cut; repair the header")
    letters = _PLANES[plane]
    axes, flips = zip(*(_voxel_axis(directions, letter) for letter in letters), strict=True)
    limits.check_frame(path, shape[axes[2]], shape[axes[1]])
    scale = _MILLIMETRES.get(nifti.get_xyzt_units()[0], 1.0)
    zooms = [float(zoom) * scale for zoom in nifti.get_zooms()[:3]] + [1.0] * max(0, 3 - len(nifti.get_zooms()))
    header = Header(
        format="NIfTI",
        width=shape[axes[2]],
        height=shape[axes[1]],
        frames=shape[axes[0]] * math.prod(shape[3:]),
        stored=str(nifti.get_data_dtype()),
        spacing=(zooms[axes[1]], zooms[axes[2]]),
        spacing_source="pixdim",
        orientation=letters[2] + letters[1] + letters[0] if known else None,
    )
    return _Slicing(header, shape, axes, flips)


def _voxel_axis(directions: np.ndarray, letter: str) -> tuple[int, bool]:
    """The voxel axis nearest to the line of a letter, and whether it must be turned to run towards it."""
    world, sign = divmod("RLAPSI".index(letter), 2)
    axis = int(np.flatnonzero(directions[:, 0] == world)[0])
    return axis, bool(directions[axis, 1] != (1 - 2 * sign))


def _check_volume(path: PathLike, nifti: Any, packed: bool, limits: Limits) -> None:
    """Could a file of this size hold what the header announces? Asked before nibabel allocates it."""
    if bytes(nifti["magic"].tobytes())[:2] != b"n+":
        raise ImageError(f"{path}: a header without its image (.hdr/.img pair); convert it to one .nii file")
    shape, offset = nifti.get_data_shape(), float(nifti["vox_offset"])
    if not shape or min(shape) < 1 or math.prod(int(n) for n in shape) > limits.max_voxels:
        raise ImageError(
            f"{path}: dimensions {tuple(int(n) for n in shape)} are empty or beyond the limit of {limits.max_voxels} "
            "voxels; split the volume, or raise Limits.max_voxels if you trust it"
        )
    if not 0 <= offset <= 1024 + limits.max_text:  # nibabel would read as much as header extensions
        raise ImageError(f"{path}: the voxels start at byte {offset:.0f}; write the file again without extensions")
    need, size = (
        math.prod(int(n) for n in shape) * nifti.get_data_dtype().itemsize + int(offset),
        Path(path).stat().st_size,
    )
    if need > size * (limits.max_ratio if packed else 1):
        raise ImageError(f"{path}: announces {need} bytes, more than a file of {size} bytes can hold; copy it again")
