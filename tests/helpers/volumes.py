"""DICOM series with what annotates them, written by hand or by highdicom, so that they can be wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from tests.helpers.images import dicom

#: Below which the numbers of all files stand; they are nobody's.
ROOT = "1.2.826.0.1.3680043.8.498"
AXIAL = (1, 0, 0, 0, 1, 0)
#: Rows lead downwards, columns to the back: a sagittal picture, seen from the left.
SAGITTAL = (0, 1, 0, 0, 0, -1)


def series(
    folder: Path,
    slices: int = 4,
    size: tuple[int, int] = (16, 20),
    number: int = 1,
    spacing: tuple[float, float] = (2.0, 1.0),
    origin: tuple[float, float, float] = (-10.0, -20.0, 30.0),
    cosines: tuple[float, ...] = AXIAL,
    step: float = 3.0,
    **tags: Any,
) -> list[Dataset]:
    """CT slices of (rows, columns), the first at ``origin``, the others along the normal; rows are twice as far apart
    as columns. Files are called so that their names sort against their places."""
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(cosines[:3], cosines[3:])
    written: list[Dataset] = []
    for k in range(slices):
        values = np.random.default_rng(k).integers(0, 200, size).astype(np.int16)
        known = {
            "SOPInstanceUID": f"{ROOT}.{number}.{k + 1}",
            "SeriesInstanceUID": f"{ROOT}.{number}",
            "StudyInstanceUID": f"{ROOT}.{number}.999",
            "FrameOfReferenceUID": f"{ROOT}.{number}.998",
            "PatientID": f"P{number}",
            "PatientName": "Nobody^",
            "PatientBirthDate": "",
            "PatientSex": "",
            "StudyDate": "",
            "StudyTime": "",
            "StudyID": "",
            "AccessionNumber": "",
            "ReferringPhysicianName": "",
            "SeriesNumber": number,
            "InstanceNumber": k + 1,
            "Manufacturer": "drawn",
            "SliceThickness": step,
            "PixelSpacing": list(spacing),
            "ImagePositionPatient": [float(v) for v in np.array(origin) + k * step * normal],
            "ImageOrientationPatient": list(map(float, cosines)),
            "WindowCenter": 100,
            "WindowWidth": 200,
        }
        path = dicom(folder / f"IM{slices - k:03}", values, **{**known, **tags})
        written.append(pydicom.dcmread(path))
    return written


def segmentation(
    path: Path,
    images: Sequence[Dataset],
    masks: np.ndarray,
    kind: str = "BINARY",
    change: Callable[[Dataset], None] = lambda content: None,
) -> Path:
    """A segmentation of ``masks``, (slices, rows, columns, segments), without empty frames, as highdicom writes it;
    ``change`` makes it wrong. Segments are a neoplasm and a liver."""
    words = [("Neoplasm", codes.SCT.Neoplasm), ("Liver", codes.SCT.Liver)]
    described = [
        highdicom.seg.SegmentDescription(
            n,
            f"segment {n}",
            codes.SCT.MorphologicallyAbnormalStructure if n == 1 else codes.SCT.Organ,
            code,
            highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for n, (_, code) in enumerate(words[: masks.shape[-1] if kind != "LABELMAP" else 2], 1)
    ]
    labels = (masks * np.arange(1, masks.shape[-1] + 1)).max(-1).astype(np.uint8) if kind == "LABELMAP" else masks
    content = highdicom.seg.Segmentation(
        images,
        labels,
        kind,
        described,
        f"{ROOT}.77",
        77,
        f"{ROOT}.77.{sum(str(path).encode())}.{images[0].SeriesNumber}",
        1,
        "drawn",
        "drawn",
        "1",
        "1",
        max_fractional_value=200,
    )
    change(content)
    content.save_as(path)
    return path


def structure_set(
    path: Path, images: Sequence[Dataset], regions: dict[str, list[tuple[int | None, np.ndarray]]], **tags: Any
) -> Path:
    """A structure set: for each name contours with the number of the image that they name (None for none) and their
    points in millimetres, (N, 3)."""
    content = Dataset()
    content.file_meta = FileMetaDataset()
    content.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content.file_meta.MediaStorageSOPClassUID = content.SOPClassUID = pydicom.uid.RTStructureSetStorage
    content.file_meta.MediaStorageSOPInstanceUID = content.SOPInstanceUID = pydicom.uid.UID(f"{ROOT}.88")
    content.Modality = "RTSTRUCT"
    of_series, study, frame = Dataset(), Dataset(), Dataset()
    of_series.SeriesInstanceUID = images[0].SeriesInstanceUID
    study.RTReferencedSeriesSequence = [of_series]
    frame.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    content.ReferencedFrameOfReferenceSequence = [frame]
    content.StructureSetROISequence, content.ROIContourSequence = [], []
    for n, (name, contours) in enumerate(regions.items(), 1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = n, name
        drawn.ReferencedROINumber, drawn.ContourSequence = n, []
        for image, points in contours:
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [round(float(v), 6) for v in np.ravel(points)]
            if image is not None:
                reference = Dataset()
                reference.ReferencedSOPClassUID = images[image].SOPClassUID
                reference.ReferencedSOPInstanceUID = images[image].SOPInstanceUID
                contour.ContourImageSequence = [reference]
            drawn.ContourSequence.append(contour)
        content.StructureSetROISequence.append(roi)
        content.ROIContourSequence.append(drawn)
    for name, value in tags.items():
        setattr(content, name, value)
    content.save_as(path, enforce_file_format=True)
    return path


def in_patient(image: Dataset, corners: Sequence[tuple[float, float]]) -> np.ndarray:
    """Places of columns and rows, whole at the middle of a pixel, in millimetres by DICOM's own equation (PS3.3
    C.7.6.2.1.1): the position of the first pixel, plus columns times the spacing between columns, which is the second
    of PixelSpacing, along the row, plus rows times the first of it down the column."""
    first = np.array(image.ImagePositionPatient, float)
    along, down = np.array(image.ImageOrientationPatient[:3], float), np.array(image.ImageOrientationPatient[3:], float)
    rows, columns = map(float, image.PixelSpacing)
    return np.array([first + i * columns * along + j * rows * down for i, j in corners])


def report(path: Path, images: Sequence[Dataset], regions: Sequence[Any], segmentations: Sequence[Any] = ()) -> Path:
    """A report of measurements (TID 1500), a group for each region: a name and what highdicom takes for one, a list
    of them for "regions"."""
    kinds = {"segment": "referenced_segment", "region": "referenced_region", "regions": "referenced_regions"}
    planar = highdicom.sr.PlanarROIMeasurementsAndQualitativeEvaluations
    groups = [
        (highdicom.sr.VolumetricROIMeasurementsAndQualitativeEvaluations if kind == "regions" else planar)(
            tracking_identifier=highdicom.sr.TrackingIdentifier(f"{ROOT}.66.{n}", f"lesion {n}"),
            finding_type=codes.SCT.Nodule,
            finding_category=codes.SCT.MorphologicallyAbnormalStructure,
            finding_sites=[highdicom.sr.FindingSite(codes.SCT.Lung, laterality=codes.SCT.Left)],
            **{kinds[kind]: region},
        )
        for n, (kind, region) in enumerate(regions, 1)
    ]
    observer = highdicom.sr.ObserverContext(
        codes.DCM.Person, highdicom.sr.PersonObserverIdentifyingAttributes(name="Nobody^")
    )
    content = highdicom.sr.MeasurementReport(
        highdicom.sr.ObservationContext(observer_person_context=observer),
        codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=groups,
    )
    document = highdicom.sr.Comprehensive3DSR(
        [*images, *segmentations], content[0], f"{ROOT}.55", 55, f"{ROOT}.55.1", 1, "drawn"
    )
    document.save_as(path)
    return path
