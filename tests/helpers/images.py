"""Files of images, made by hand so that they can be wrong."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
)


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
