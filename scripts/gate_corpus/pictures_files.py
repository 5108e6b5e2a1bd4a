"""A drawn picture as the bytes of a file: PNG, JPEG, DICOM."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

_CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "SC": "1.2.840.10008.5.1.4.1.1.7",
}


@dataclass(frozen=True)
class Drawn:
    """A picture's file, and the modality that a record would carry."""

    content: bytes
    ending: str
    modality: str | None


def bytes_of(picture: np.ndarray) -> np.ndarray:
    values: np.ndarray = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return values


def png(picture: np.ndarray, modality: str | None) -> Drawn:
    file = io.BytesIO()
    Image.fromarray(bytes_of(picture)).save(file, "PNG", compress_level=1)
    return Drawn(file.getvalue(), "png", modality)


def jpeg(picture: np.ndarray, modality: str | None, quality: int) -> Drawn:
    file = io.BytesIO()
    Image.fromarray(bytes_of(picture)).save(file, "JPEG", quality=quality)
    return Drawn(file.getvalue(), "jpg", modality)


def dicom(picture: np.ndarray, modality: str, *, burned: str | None, bits: int, inverse: bool, name: str) -> Drawn:
    """`bits` are those stored: 8 in a byte, more in two. `inverse` stores it as MONOCHROME1; both look the same.

    CT is stored with a rescale to Hounsfield units and a window that shows all of it; other modalities of more than 8
    bits have a window of all their values.
    """
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = UID(_CLASSES[modality])
    uids = [generate_uid(entropy_srcs=[name, level]) for level in ("study", "series", "instance")]
    data.StudyInstanceUID, data.SeriesInstanceUID, data.SOPInstanceUID = uids
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.Modality = "OT" if modality == "SC" else modality
    data.PatientName, data.PatientID = "ANONYMOUS", name
    if burned is not None:
        data.BurnedInAnnotation = burned
    if modality == "SC":
        data.ConversionType = "WSD"
    top = (1 << bits) - 1
    values = np.rint(np.clip(picture, 0, 255) / 255 * top)
    colour = picture.ndim == 3
    data.Rows, data.Columns = picture.shape[:2]
    data.SamplesPerPixel = 3 if colour else 1
    data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME1" if inverse else "MONOCHROME2"
    if colour:
        data.PlanarConfiguration = 0
    elif inverse:
        values = top - values
    data.BitsAllocated = 8 if bits == 8 else 16
    data.BitsStored, data.HighBit, data.PixelRepresentation = bits, bits - 1, 0
    if modality == "CT":
        data.RescaleSlope, data.RescaleIntercept, data.RescaleType = 1, -1024, "HU"
        data.WindowCenter, data.WindowWidth = (top + 1) / 2 - 1024, top + 1
    elif bits > 8:
        data.WindowCenter, data.WindowWidth = (top + 1) / 2, top + 1
    stored = values.astype(np.uint8 if bits == 8 else "<u2").tobytes()
    data.PixelData = stored + b"\0" * (len(stored) % 2)
    data["PixelData"].VR = "OB" if bits == 8 else "OW"
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return Drawn(file.getvalue(), "dcm", None if modality == "SC" else modality)
