"""NIfTI: slices of a volume as arrays, with their spacing and where they lie. One is read through `image_files`.

A scan is too large to hold as float64, so the header decides first and slices are read, not the volume.
"""

from __future__ import annotations

import gzip
import math
import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import IOBase
from pathlib import Path
from typing import IO, Any

import nibabel
import numpy as np

from unveil.core.files import is_pointer
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
from unveil.core.records import ImagePlane

# Towards which letters frames, rows and columns are counted, as DICOM's patient axes and radiologists' screens have it.
_PLANES: dict[Plane, tuple[str, str, str]] = {
    "axial": ("S", "P", "L"),
    "coronal": ("P", "I", "L"),
    "sagittal": ("L", "I", "P"),
}


_MILLIMETRES = {"meter": 1000.0, "micron": 0.001}

#: Bytes that are unpacked at a time.
_CHUNK = 2**20
#: Bytes of a file that are looked through at a time.
_PART = 2**26


@dataclass(frozen=True)
class _Slicing:
    """How voxel axes become frames, rows and columns: for each its axis, and whether it runs the other way."""

    header: Header
    shape: tuple[int, ...]  # at least three long
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    affine: np.ndarray  # voxels to millimetres, (4, 4), towards left, back and head (LPS)
    raw: Any  # nibabel's header

    def where(self, first: int, last: int, volume: int) -> tuple[Any, ...]:
        """The index of some frames of one volume in the stored array."""
        axis, count = self.axes[0], self.shape[self.axes[0]]
        index: list[Any] = [slice(None)] * 3
        index[axis] = slice(count - last, count - first) if self.flips[0] else slice(first, last)
        further = np.unravel_index(volume, self.shape[3:], order="F") if self.shape[3:] else ()
        return (*index, *map(int, further))

    def turned(self, stored: np.ndarray) -> np.ndarray:
        """Stored frames of one volume as (N, H, W[, 3])."""
        stored = stored.reshape(stored.shape + (1,) * (3 - stored.ndim))
        if stored.dtype.names:  # RGB24: a structure of three bytes per voxel
            stored = np.stack([stored[name] for name in stored.dtype.names[:3]], axis=-1)
        stored = stored.transpose(*self.axes, *range(3, stored.ndim))
        return np.flip(stored, tuple(k for k, flip in enumerate(self.flips) if flip))


@dataclass(frozen=True)
class Grid:
    """The voxels of a file and where they lie, from its header alone."""

    shape: tuple[int, ...]
    """At least three long."""
    affine: np.ndarray
    """Voxels (i, j, k, 1) to millimetres towards left, back and head (LPS), (4, 4)."""

    def differs(self, other: Grid) -> str:
        """In what another grid's first three axes are not the same, in words; "" where they are: a corner may lie a
        tenth of a voxel elsewhere, since programs round."""
        if self.shape[:3] != other.shape[:3]:
            return f"{' x '.join(map(str, self.shape[:3]))} voxels, not {' x '.join(map(str, other.shape[:3]))}"
        corners = np.array([[*ends, 1.0] for ends in np.ndindex(2, 2, 2)]) * [*(n - 1 for n in self.shape[:3]), 1.0]
        one, two = (corners @ grid.affine[:3].T for grid in (self, other))
        size = np.linalg.norm(other.affine[:3, :3], axis=0).min()
        worst = int(np.abs(one - two).max(1).argmax())
        if np.abs(one - two).max() <= 0.1 * size:
            return ""
        where = "its voxel ({:.0f}, {:.0f}, {:.0f})".format(*corners[worst, :3])
        return f"{where} lies at {_point(one[worst])}, not {_point(two[worst])} mm (LPS)"


@dataclass(frozen=True)
class Volume:
    """A volume that is open: its slices along a plane, towards the patient's left, back or head. The voxels stay in the
    file, of a compressed one in a temporary file beside it."""

    path: Path
    header: Header
    plane: Plane
    _slicing: _Slicing
    _stored: np.ndarray
    _mapped: mmap.mmap

    @property
    def frames(self) -> int:
        """Slices of one volume."""
        return self._slicing.shape[self._slicing.axes[0]]

    @property
    def volumes(self) -> int:
        """How many volumes a file of four and more dimensions holds."""
        return math.prod(self._slicing.shape[3:])

    def block(self, first: int, last: int, volume: int = 0) -> np.ndarray:
        """The values of slices ``first`` to ``last``, exclusive, (N, H, W[, 3]): whole numbers as they are stored, and
        single precision where the file scales them."""
        with reported(self.path, "reading the NIfTI voxels"):
            values = self._slicing.turned(self._part(self._slicing.where(first, last, volume)))
        slope, intercept = self._scale
        if (slope, intercept) != (1.0, 0.0):
            values = values.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def _part(self, where: tuple[Any, ...]) -> np.ndarray:
        """Stored values, by parts of the file: where slices lie across it, all of the file would else come to stay in
        the memory of the process."""
        shape = self._stored.shape
        first, last, _ = where[2].indices(shape[2])
        step = max(1, _PART * shape[2] * self.volumes // self._stored.nbytes)
        parts = []
        for start in range(first, last, step):
            own = (*where[:2], slice(start, min(start + step, last)), *where[3:])
            parts.append(np.array(self._stored[own], order="F"))
            if hasattr(self._mapped, "madvise"):
                self._mapped.madvise(mmap.MADV_DONTNEED)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)

    @cached_property
    def _scale(self) -> tuple[float, float]:
        slope, intercept = self._slicing.raw.get_slope_inter()
        return (1.0, 0.0) if slope is None else (float(slope), float(intercept or 0))

    def place(self, frame: int) -> ImagePlane:
        """Where a slice lies, as ``places`` tells it."""
        return _place(self.path, self.plane, self._slicing, frame)


def places(path: PathLike, plane: Plane = "axial", limits: Limits = Limits()) -> list[ImagePlane]:
    """Where each slice of a volume lies, from the header alone: ``affine`` takes the voxel of its first pixel to
    ``origin``. Of a file that says nothing of the patient (qform and sform code 0), or whose axes are not at right
    angles, only the spacing is known."""
    with reported(path, "reading the NIfTI header"):
        slicing = _slicing(path, plane, limits)
        return [_place(path, plane, slicing, frame) for frame in range(slicing.shape[slicing.axes[0]])]


def _place(path: PathLike, plane: Plane, slicing: _Slicing, frame: int) -> ImagePlane:
    sizes = [n - 1 for n in slicing.shape[:3]]
    voxel = np.zeros(4)
    voxel[3] = 1
    for axis, flip, at in zip(slicing.axes, slicing.flips, (frame, 0, 0), strict=True):
        voxel[axis] = sizes[axis] - at if flip else at
    down, across = (
        slicing.affine[:3, axis] * (-1 if flip else 1)
        for axis, flip in zip(slicing.axes[1:], slicing.flips[1:], strict=True)
    )
    rows, columns = float(np.linalg.norm(down)), float(np.linalg.norm(across))
    known = slicing.header.orientation is not None and abs(float(down @ across)) < 1e-2 * rows * columns
    if not known:
        return ImagePlane(str(path), frame, plane, spacing=slicing.header.spacing)
    return ImagePlane(
        *(str(path), frame, plane, None),
        (rows, columns),
        _point(slicing.affine[:3] @ voxel),
        _point(across / columns, 9),
        _point(down / rows, 9),
    )


def _point(values: np.ndarray, digits: int = 6) -> tuple[float, float, float]:
    x, y, z = (round(float(value), digits) + 0.0 for value in values)
    return x, y, z


def grid(path: PathLike, limits: Limits = Limits()) -> Grid:
    """The grid of a file, from its header."""
    with reported(path, "reading the NIfTI header"):
        slicing = _slicing(path, "axial", limits)
    return Grid(slicing.shape, slicing.affine)


def extensions(path: PathLike, limits: Limits = Limits()) -> bytes:
    """What programs have written between header and voxels of a file that ``grid`` or ``opened`` takes."""
    with reported(path, "reading the NIfTI header extensions"):
        slicing = _slicing(path, "axial", limits)  # refuses those of an absurd size
        with _stream(path) as stream:
            size = _sizeof_header(stream)
            stream.seek(size)
            found: bytes = stream.read(max(0, int(slicing.raw["vox_offset"]) - size))
    return found


@contextmanager
def opened(
    path: Path, plane: Plane = "axial", folder: Path | None = None, limits: Limits = Limits()
) -> Iterator[Volume]:
    """A volume to read slices of, as long as the context lasts.

    A compressed file is unpacked once, into a temporary file in ``folder`` that no other program sees: any slice is
    then read in the time of one, where a stream would have to be read anew from its start.
    """
    with reported(path, "reading the NIfTI header"):
        slicing = _slicing(path, plane, limits)
        kind, offset = slicing.raw.get_data_dtype(), int(slicing.raw["vox_offset"])
        need = math.prod(slicing.shape) * kind.itemsize
    with _stream(path) as stream:
        if isinstance(stream, gzip.GzipFile):
            with tempfile.TemporaryFile(dir=folder) as unpacked:
                with reported(path, "unpacking the NIfTI voxels"):
                    _unpack(path, stream, unpacked, offset, need)
                yield _mapped(path, plane, slicing, unpacked, 0)
        else:
            yield _mapped(path, plane, slicing, stream, offset)


def _unpack(path: PathLike, stream: gzip.GzipFile, unpacked: IO[bytes], offset: int, need: int) -> None:
    stream.seek(offset)
    left = need
    while left and (part := stream.read(min(left, _CHUNK))):
        unpacked.write(part)
        left -= len(part)
    unpacked.flush()
    if left:
        raise ImageError(f"{path}: ends {left} bytes before the {need} that it announces; copy it again")


def _mapped(path: Path, plane: Plane, slicing: _Slicing, file: Any, offset: int) -> Volume:
    with reported(path, "mapping the NIfTI voxels"):
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        stored: np.ndarray = np.ndarray(slicing.shape, slicing.raw.get_data_dtype(), mapped, offset, order="F")
    return Volume(path, slicing.header, plane, slicing, stored, mapped)


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
        where = slicing.where(index, index + 1, volume)
        kind = nibabel.Nifti2Image if _sizeof_header(stream) == 540 else nibabel.Nifti1Image
        proxy = kind.from_stream(stream).dataobj
        values = slicing.turned(np.asarray(proxy[where[: len(proxy.shape)]]))[0]
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
        if len(raw) < size:
            kept = "a pointer of Git LFS, not the image: `git lfs pull` fetches it"
            raise ImageError(f"{path}: {kept if is_pointer(Path(path)) else 'shorter than a header of NIfTI'}")
        packed = isinstance(stream, gzip.GzipFile)
    nifti = (nibabel.Nifti2Header if size == 540 else nibabel.Nifti1Header)(raw)
    _check_volume(path, nifti, packed, limits)
    shape = tuple(int(n) for n in nifti.get_data_shape())
    shape += (1,) * (3 - len(shape))
    known = nifti["sform_code"] > 0 or nifti["qform_code"] > 0
    scale = _MILLIMETRES.get(nifti.get_xyzt_units()[0], 1.0)
    affine = np.diag([-scale, -scale, scale, 1.0]) @ nifti.get_best_affine()
    if not np.isfinite(affine).all():
        raise ImageError(f"{path}: its affine holds numbers that are none; repair the header")
    directions = nibabel.io_orientation(nifti.get_best_affine())
    if np.isnan(directions).any():
        raise ImageError(f"{path}: its affine leaves out an axis, so no plane can be cut; repair the header")
    letters = _PLANES[plane]
    axes, flips = zip(*(_voxel_axis(directions, letter) for letter in letters), strict=True)
    limits.check_frame(path, shape[axes[2]], shape[axes[1]])
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
    return _Slicing(header, shape, axes, flips, affine, nifti)


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
    if nifti.get_data_dtype().kind == "c":
        raise ImageError(f"{path}: complex values, which are no image; write their magnitude")
    if need > size * (limits.max_ratio if packed else 1):
        raise ImageError(f"{path}: announces {need} bytes, more than a file of {size} bytes can hold; copy it again")
