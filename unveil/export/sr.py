"""Predicted boxes as a DICOM structured report: TID 1500, Measurement Report, by ``highdicom``.

Each box is a planar region of interest: a closed polyline in the pixels of the source image, whose origin is the upper
left corner of the first pixel, as boxes have it (PS3.3 C.18.6.1.2). The report is not verified and preliminary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unveil import __version__
from unveil.export import dicom_words as words
from unveil.export.predicted import Predicted


def report(source: Any, path: Path, boxes: Sequence[Predicted], frame: int | None, instance: int, series: str) -> Any:
    """The report on a source image (a pydicom dataset, read from ``path``), a ComprehensiveSR of highdicom.

    ``frame`` is the number of the image's frame, from 1, where its file has several. Raises ``ImageError`` where the
    source does not have what a report takes over.
    """
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    hd = words.highdicom()
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=hd.UID(), name=words.MANUFACTURER, manufacturer_name=words.MANUFACTURER
        ),
    )
    with words.taken_over(path):
        image = hd.sr.SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID, [frame] if frame else None)
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=Code("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=[_group(hd, one, number, image) for number, one in enumerate(boxes, 1)],
    )
    about = words.common(instance, series)
    with words.taken_over(path):
        return hd.sr.ComprehensiveSR(evidence=[source], content=content, is_verified=False, is_final=False, **about)


def _group(hd: Any, one: Predicted, number: int, image: Any) -> Any:
    x1, y1, x2, y2 = one.box
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier=f"{number}: {one.label}"),
        referenced_region=hd.sr.ImageRegion(
            graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
            graphic_data=np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)], np.float32),
            source_image=image,
        ),
        finding_type=words.concept(one.label),
        algorithm_id=hd.sr.AlgorithmIdentification(name=words.model_name(one.model), version=f"unveil {__version__}"),
    )
