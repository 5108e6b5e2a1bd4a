"""Predicted boxes as a DICOM segmentation (BINARY) by ``highdicom``: a segment per finding's name, its boxes filled.

Viewers that draw no structured reports draw these. Segments may overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unveil import __version__
from unveil.core.geometry import Box
from unveil.export import dicom_words as words
from unveil.export.predicted import Predicted


def filled(boxes: Sequence[Box], width: int, height: int) -> NDArray[np.bool_]:
    """The pixels of boxes, (height, width): their edges go to the nearest edge of a pixel, and each box has one."""
    mask_HW = np.zeros((height, width), bool)
    for x1, y1, x2, y2 in boxes:
        left, top = min(round(x1), width - 1), min(round(y1), height - 1)
        mask_HW[top : max(round(y2), top + 1), left : max(round(x2), left + 1)] = True
    return mask_HW


def segmentation(source: Any, path: Path, boxes: Sequence[Predicted], instance: int, series: str) -> Any:
    """The segmentation of a source image (a pydicom dataset of one frame, read from ``path``), a Segmentation of
    highdicom. Raises ``ImageError`` where the source does not have what a segmentation takes over."""
    from pydicom.sr.codedict import codes

    hd = words.highdicom()
    if "SliceThickness" not in source and "PixelSpacing" in source:
        source = deepcopy(source)  # of a radiograph: highdicom would write what it then cannot read
        del source.PixelSpacing
    labels = list(dict.fromkeys(one.label for one in boxes))
    width, height = int(source.Columns), int(source.Rows)
    masks_HWS = np.stack(
        [filled([one.box for one in boxes if one.label == label], width, height) for label in labels], -1
    )
    models = ", ".join(dict.fromkeys(words.model_name(one.model) for one in boxes))
    algorithm = hd.AlgorithmIdentificationSequence(
        name=words.long_string(models),
        family=codes.cid7162.ArtificialIntelligence,
        version=f"unveil {__version__}",
    )
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=words.long_string(label),
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=words.concept(label),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=hd.UID(),
            tracking_id=words.long_string(label),
        )
        for number, label in enumerate(labels, 1)
    ]
    about = words.common(instance, series)
    with words.taken_over(path):
        return hd.seg.Segmentation(
            source_images=[source],
            pixel_array=masks_HWS[None].astype(np.uint8),
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=segments,
            content_label="RESEARCH_ONLY",
            content_description=words.DESCRIPTION,
            **about,
        )
