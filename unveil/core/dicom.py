"""DICOM: one frame as an array, with its spacing and orientation. Reached through `image_files`.

The header decides first, and one frame is read, not the whole file.
"""

import math
import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pydicom
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.multival import MultiValue
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from unveil.core.pixels import (
    AT_DETECTOR,
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
    stretch,
)
from unveil.core.records import ImagePlane
from unveil.core.subjects import between


def probe_dicom(path: PathLike, limits: Limits) -> Header:
    with reported(path, "reading the DICOM header"):
        return _dicom_header(path, dataset_of(path, limits), 0, limits)


def read_dicom(path: PathLike, window: Window | None, frame: int, windowed: bool, limits: Limits) -> Pixels:
    with reported(path, "reading the DICOM header"):
        dataset = dataset_of(path, limits)
        header = _dicom_header(path, dataset, frame, limits)
        syntax = _transfer_syntax(dataset)
    check_index(path, frame, header.frames)
    with reported(path, f"decoding the DICOM pixels ({syntax.name}{_decoder_hint(syntax)})"):
        stored = _stored_values(path, dataset, frame, header.frames, limits)
        array = _shown(path, dataset, stored, window, frame) if windowed else _modality_values(dataset, stored, frame)
    return Pixels(
        np.ascontiguousarray(array),
        header.spacing,
        header.spacing_source,
        header.orientation,
        header.modality,
        "DICOM",
        frame,
        header.frames,
    )


def _decoder_hint(syntax: pydicom.uid.UID) -> str:
    """What to install for a compression that no installed package decodes; nothing where one does, or none could."""
    try:
        missing = syntax.is_compressed and not get_decoder(syntax).is_available
    except NotImplementedError:
        return ""
    return "; pip install 'unveil[dicom]'" if missing else ""


#: Bytes in which the transfer syntax stands, which is among a file's first tags.
_META = 4096


def dataset_of(path: PathLike, limits: Limits = Limits(), tags: Sequence[str] | None = None) -> pydicom.Dataset:
    """All but the pixels, or only some tags, except for a deflated file: pydicom would inflate that whole, so we do it,
    up to a bound."""
    with Path(path).open("rb") as file:
        start = file.read(_META)
    if start[128:132] == b"DICM" and DeflatedExplicitVRLittleEndian.encode() in start:
        meta = read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            return _inflated(path, meta, 8 * limits.max_pixels)
    wanted = None if tags is None else list(tags)
    return pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=wanted)


def _inflated(path: PathLike, meta: pydicom.dataset.FileMetaDataset, limit: int) -> pydicom.Dataset:
    data = Path(path).read_bytes()
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = unpacker.decompress(data[144 + meta.FileMetaInformationGroupLength :], limit)
    if unpacker.unconsumed_tail:
        raise ImageError(f"{path}: inflates to more than {limit} bytes; store it without deflate")
    dataset = read_dataset(BytesIO(inflated), is_implicit_VR=False, is_little_endian=True)
    dataset.file_meta = meta
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.set_original_encoding(False, True)
    return dataset


def _dicom_header(path: PathLike, dataset: pydicom.Dataset, frame: int, limits: Limits) -> Header:
    if "Rows" not in dataset or "Columns" not in dataset:
        kind = dataset.get("SOPClassUID")
        what = f"a DICOM object without an image ({kind.name})" if kind else "no DICOM file"
        raise ImageError(f"{path}: {what}; give the image it belongs to")
    height, width = int(dataset.Rows), int(dataset.Columns)
    frames, samples = int(dataset.get("NumberOfFrames") or 1), int(dataset.get("SamplesPerPixel") or 1)
    limits.check_frame(path, width, height)
    voxels = width * height * frames * samples
    if frames < 1 or voxels > limits.max_voxels:
        raise ImageError(
            f"{path}: {frames} frames of {width} x {height} are more than the limit of {limits.max_voxels} voxels, "
            "or none; split the file, or raise Limits.max_voxels if you trust it"
        )
    native = not _transfer_syntax(dataset).is_compressed and "PixelData" not in dataset
    need = voxels * int(dataset.get("BitsAllocated") or 1) // 8
    if "422" in dataset.get("PhotometricInterpretation", ""):
        need = need * 2 // 3  # two pixels share their chroma
    if native and need > Path(path).stat().st_size:
        raise ImageError(f"{path}: shorter than the {frames} x {height} x {width} pixels it announces; copy it again")
    spacing, source = _dicom_spacing(dataset, frame)
    return Header(
        format="DICOM",
        width=width,
        height=height,
        frames=frames,
        stored=f"{dataset.get('PhotometricInterpretation', '?')} {dataset.get('BitsStored', '?')} bit",
        spacing=spacing,
        spacing_source=source,
        orientation=_dicom_orientation(dataset, frame),
        modality=dataset.get("Modality") or None,
        burned_in=str(dataset.get("BurnedInAnnotation") or "").strip().upper() or None,
        patient=str(dataset.get("PatientID") or "").strip() or None,
        sex=_stated(dataset, "PatientSex") or None,
        age=_stated(dataset, "PatientAge")
        or between(_stated(dataset, "PatientBirthDate"), _stated(dataset, "StudyDate")),
    )


def _stated(dataset: pydicom.Dataset, name: str) -> str:
    """The text of a tag as it stands in the file, which may be none of its kind: whoever uses it tells."""
    element = dataset.get_item(name)
    value = element.value if element is not None else None
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")).strip(" \0")


def _transfer_syntax(dataset: pydicom.Dataset) -> pydicom.uid.UID:
    """Files from before the file header existed are implicit or explicit; pydicom has found out which."""
    found = dataset.file_meta.get("TransferSyntaxUID")
    if found is None:
        return ImplicitVRLittleEndian if dataset.original_encoding[0] else ExplicitVRLittleEndian
    return cast(pydicom.uid.UID, found)


def functional_item(dataset: pydicom.Dataset, frame: int, macro: str) -> pydicom.Dataset:
    """Where enhanced multi-frame files keep what plain ones keep at the top: with the frame, or shared by all."""
    for groups, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        sequence = dataset.get(groups) or []
        if index < len(sequence) and sequence[index].get(macro):
            return cast(pydicom.Dataset, sequence[index][macro].value[0])
    return dataset


def _dicom_spacing(dataset: pydicom.Dataset, frame: int) -> tuple[tuple[float, float] | None, str | None]:
    """Millimetres from row to row and from column to column, and where they come from.

    At the detector of a radiograph a body part looks larger than it is: divided by the magnification if known. A
    PixelSpacing that repeats the detector's, and does not say that it was calibrated, is the detector's
    (PS3.3 10.7.1.1).
    """
    own = _two_lengths(functional_item(dataset, frame, "PixelMeasuresSequence").get("PixelSpacing"))
    detector = _two_lengths(dataset.get("ImagerPixelSpacing"))
    if own and (own != detector or dataset.get("PixelSpacingCalibrationType")):
        return own, "PixelSpacing"
    if detector is None:
        return None, None
    scale = float(dataset.get("EstimatedRadiographicMagnificationFactor") or 0)
    if math.isfinite(scale) and scale > 0:
        return (detector[0] / scale, detector[1] / scale), f"{AT_DETECTOR} / EstimatedRadiographicMagnificationFactor"
    return detector, AT_DETECTOR


def _two_lengths(values: Any) -> tuple[float, float] | None:
    """The two lengths of an element; None where it holds anything else."""
    found = [float(value) for value in values or []]
    good = len(found) == 2 and all(math.isfinite(value) and value > 0 for value in found)
    return (found[0], found[1]) if good else None


def _dicom_orientation(dataset: pydicom.Dataset, frame: int) -> str | None:
    """Nearest letters: where columns lead, where rows lead, and the normal, which is where slices are counted to."""
    cosines = functional_item(dataset, frame, "PlaneOrientationSequence").get("ImageOrientationPatient")
    if cosines is not None and len(cosines) == 6:
        along, down = np.array(cosines[:3], float), np.array(cosines[3:], float)
        vectors = (along, down, np.cross(along, down))
        if all(np.isfinite(v).all() and v.any() for v in vectors):
            return "".join("LPS"[k] if v[k] > 0 else "RAI"[k] for v in vectors for k in [int(np.abs(v).argmax())])
    words = [str(word) for word in dataset.get("PatientOrientation") or []]
    if len(words) == 2 and all(word[:1] in tuple("LRAPHF") for word in words):
        return "".join({"H": "S", "F": "I"}.get(word[0], word[0]) for word in words)
    return None


def frame_plane(path: PathLike, dataset: pydicom.Dataset, frame: int) -> ImagePlane:
    """Where a frame lies, as far as its header says: PS3.3 C.7.6.2, of enhanced files with the frame or shared by all.

    ``PixelSpacing`` is (row, column); the detector's spacing of a radiograph is no place in the patient, but is kept.
    """
    spacing, _ = _dicom_spacing(dataset, frame)
    origin = functional_item(dataset, frame, "PlanePositionSequence").get("ImagePositionPatient")
    cosines = functional_item(dataset, frame, "PlaneOrientationSequence").get("ImageOrientationPatient")
    shown = stated_window(dataset, frame)
    plain = ImagePlane(str(path), frame, window=shown, spacing=spacing)
    if spacing is None or origin is None or cosines is None or len(origin) != 3 or len(cosines) != 6:
        return plain
    place, across, down = (np.array(numbers, float) for numbers in (origin, cosines[:3], cosines[3:]))
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if (
        not np.isfinite([*place, *lengths]).all()
        or max(abs(n - 1) for n in lengths) > 1e-2
        or abs(across @ down) > 1e-2
    ):
        return plain
    normal = int(np.abs(np.cross(across, down)).argmax())
    planes: tuple[Plane, ...] = ("sagittal", "coronal", "axial")
    triples = ((float(v[0]), float(v[1]), float(v[2])) for v in (place, across / lengths[0], down / lengths[1]))
    return ImagePlane(str(path), frame, planes[normal], shown, spacing, *triples)


class ShownBy(NamedTuple):
    """How a file says that the values of a frame become grey: straight, over a window, unless it has a table of its
    own, which is not told here."""

    window: Window | None
    """The lowest and highest value that are shown; None where it is their range."""
    inverted: bool
    """Whether high values are dark (MONOCHROME1)."""
    padding: Window | None
    """The values, from the lower to the higher one, of pixels outside of what was scanned, which are black."""


def shown_by(path: PathLike, frame: int, limits: Limits = Limits()) -> ShownBy:
    """How a frame is shown, by its header; raises ``ImageError``."""
    with reported(path, "reading the DICOM header"):
        dataset = dataset_of(path, limits)
        inverted = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
        value = dataset.get("PixelPaddingValue")
        padding = None
        if value is not None:
            kind = np.int16 if dataset.get("PixelRepresentation") else np.uint16
            ends = [int(end) & 0xFFFF for end in (value, dataset.get("PixelPaddingRangeLimit", value))]
            told = _modality_values(dataset, np.array(ends, np.uint16).astype(kind), frame)
            padding = float(told.min()), float(told.max())
        return ShownBy(stated_window(dataset, frame), inverted, padding)


def stated_window(dataset: pydicom.Dataset, frame: int) -> Window | None:
    """The lowest and highest value of the file's own first window, if it has one that is straight and no table."""
    item = functional_item(dataset, frame, "FrameVOILUTSequence")
    centre, width = (_first(item.get(name)) for name in ("WindowCenter", "WindowWidth"))
    function = item.get("VOILUTFunction") or "LINEAR"
    if item.get("VOILUTSequence") or centre is None or width is None or width <= 0 or function == "SIGMOID":
        return None
    if function == "LINEAR_EXACT":
        return centre - width / 2, centre + width / 2
    # LINEAR counts whole levels: from centre - 0.5 - (width - 1) / 2 over width - 1 of them.
    low = centre - 0.5 - (width - 1) / 2
    return low, low + max(width - 1, 1e-6)


def _stored_values(path: PathLike, dataset: pydicom.Dataset, frame: int, frames: int, limits: Limits) -> np.ndarray:
    syntax = _transfer_syntax(dataset)
    source: Any = None
    if "PixelData" in dataset:
        source = dataset
    elif syntax.is_compressed or "TransferSyntaxUID" not in dataset.file_meta:
        source = pydicom.dcmread(path, force=True)
        source.file_meta.TransferSyntaxUID = syntax
        if syntax.is_compressed:
            _check_codestream(path, get_frame(source.PixelData, frame, number_of_frames=frames), limits)
    if source is None:
        with Path(path).open("rb") as file:  # by its path pydicom would not find one that is in memory
            array = pixel_array(file, index=frame)
    else:
        array = pixel_array(source, index=frame)
    allocated, stored = array.dtype.itemsize * 8, int(dataset.get("BitsStored") or 0)
    if array.dtype.kind in "iu" and 1 < stored < allocated and dataset.get("HighBit") == stored - 1:
        # Old files keep an overlay in the unused high bits; the shifts clear them and carry the sign.
        array = (array << (allocated - stored)) >> (allocated - stored)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_codestream(path: PathLike, data: bytes, limits: Limits) -> None:
    """The size inside a JPEG or JPEG 2000 stream is what a decoder allocates, whatever Rows and Columns say."""
    if data[:4] == b"\xff\x4f\xff\x51" or data[4:8] == b"jP  ":  # JPEG 2000, bare or (against the standard) boxed
        start = data.index(b"\xff\x4f\xff\x51")  # SOC, SIZ; then length, capabilities, size, offset
        right, bottom, left, top = struct.unpack(">4I", data[start + 8 : start + 24])
        limits.check_frame(path, right - left, bottom - top)
    elif data[:2] == b"\xff\xd8":  # JPEG, JPEG-LS: walk the segments to the start of frame
        position = 2
        while data[position : position + 1] == b"\xff":
            marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
            if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
                height, width = struct.unpack(">2H", data[position + 5 : position + 9])
                limits.check_frame(path, width, height)
                limits.check_scans(path, data)
                return
            position += 2 + length
        raise ImageError(f"{path}: a JPEG stream without a frame header; replace the file or leave it out")


def _modality_values(dataset: pydicom.Dataset, stored: np.ndarray, frame: int) -> np.ndarray:
    """HU for CT. Integers stay integers where slope and intercept are; without a slope nothing is done."""
    item = functional_item(dataset, frame, "PixelValueTransformationSequence")
    if dataset.get("ModalityLUTSequence"):
        return _looked_up(dataset, dataset.ModalityLUTSequence[0], stored)[0]
    slope, intercept = float(item.get("RescaleSlope") or 1), float(item.get("RescaleIntercept") or 0)
    if (slope, intercept) == (1, 0) or stored.ndim == 3:
        return stored
    values = stored * np.float64(slope) + np.float64(intercept)
    whole = stored.dtype.kind in "iub" and slope.is_integer() and intercept.is_integer()
    return values.astype(np.int32 if whole and np.abs(values).max() < 2**31 else np.float32)


def _looked_up(dataset: pydicom.Dataset, item: pydicom.Dataset, values: np.ndarray) -> tuple[np.ndarray, int]:
    """A modality or VOI table, and its depth. pydicom's own loses inputs above 255 where the output has 8 bits."""
    _, first, depth = (int(number) for number in item.LUTDescriptor)
    entries = item.LUTData
    if isinstance(entries, bytes):
        entries = np.frombuffer(entries, "<u2" if dataset.original_encoding[1] else ">u2")
    table = np.asarray(entries, np.uint16)
    return table[np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)], depth


def _shown(
    path: PathLike, dataset: pydicom.Dataset, stored: np.ndarray, window: Window | None, frame: int
) -> np.ndarray:
    photometric = dataset.get("PhotometricInterpretation", "")
    if photometric == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
        depth = stored.dtype.itemsize * 8
    else:
        depth = int(dataset.get("BitsStored") or 8)
    if stored.ndim == 3:
        return display(path, (stored >> max(depth - 8, 0)).astype(np.uint8), window)
    padding = _padding(dataset, stored)
    values = _modality_values(dataset, stored, frame)
    grey = stretch(values, window) if window else _own_window(dataset, values, ~padding, frame)
    if photometric == "MONOCHROME1":
        grey = 255 - grey
    grey[padding] = 0
    return grey


def _padding(dataset: pydicom.Dataset, stored: np.ndarray) -> np.ndarray:
    """Pixels outside what was scanned. They carry no value: they count in no range, and are shown black."""
    value = dataset.get("PixelPaddingValue")
    if value is None or stored.dtype.kind not in "iu":
        return np.zeros(stored.shape, bool)
    # The value may have been written with the other sign: only its bits are certain.
    ends = [int(end) & 0xFFFF for end in (value, dataset.get("PixelPaddingRangeLimit", value))]
    if stored.dtype.kind == "i":
        ends = [end - 0x10000 if end > 0x7FFF else end for end in ends]
    return (stored >= min(ends)) & (stored <= max(ends))


def _own_window(dataset: pydicom.Dataset, values: np.ndarray, valid: np.ndarray, frame: int) -> np.ndarray:
    """The file's first VOI table or window (PS3.3 C.11.2), else the range of its valid pixels."""
    item = functional_item(dataset, frame, "FrameVOILUTSequence")
    if item.get("VOILUTSequence"):
        values, depth = _looked_up(dataset, item.VOILUTSequence[0], values)
        return stretch(values, (0, 2**depth - 1))
    if dataset.get("BitsStored") == 1:  # a mask: one that is full must not look like one that is empty
        return values.astype(np.uint8) * 255
    centre, width = (_first(item.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or width <= 0:
        return values.copy() if values.dtype == np.uint8 else stretch(values, valid=valid)
    function = item.get("VOILUTFunction") or "LINEAR"
    if function == "SIGMOID":
        return np.rint(255 / (1 + np.exp(-4 * (values.astype(np.float64) - centre) / width))).astype(np.uint8)
    return stretch(values, stated_window(dataset, frame))


def _first(value: Any) -> float | None:
    """A window may have several values, of which the first is the default view; an empty element is None."""
    values = value if isinstance(value, MultiValue) else [value]
    return float(values[0]) if len(values) and values[0] is not None else None
