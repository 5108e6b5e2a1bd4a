"""KiTS23: kidneys with tumours and cysts in CT, a volume and a label map for each case.

Files lie with slices first and rows upwards, so planes are cut by the affine. The images come apart from the label maps
and may lie in a folder of their own. ``kits23.json`` tells the diagnosis of each case and is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from unveil.core.pixels import Window
from unveil.core.records import Record
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.label_maps import LabelKind
from unveil.ingest.nifti_cases import MaskFile, VolumeCase, stem
from unveil.ingest.nifti_volumes import of_case
from unveil.ingest.reading import Incomplete, Rejected

#: The 0.5th and 99.5th percentile of what is marked, by which nnU-Net cuts values (a third party's figures).
WINDOW: Window = (-79.0, 304.0)

#: What the values stand for: a kidney is one with what grows in it (the evaluation's class "kidney and masses").
KINDS = (
    LabelKind("kidney", frozenset({1, 2, 3}), (("class", "kidney and masses"),)),
    LabelKind("tumor", frozenset({2}), (("class", "tumor, mass"),)),
    LabelKind("cyst", frozenset({3}), (("class", "mass"),)),
)

_CASE = re.compile(r"case_\d{5}")


def found(folder: Folder) -> list[Path]:
    """The label maps: ``case_00000/segmentation.nii.gz``."""
    return [path for path in folder.named("segmentation.nii.gz") if _CASE.fullmatch(path.parent.name)]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every case that has an image and a label map. Cases without a label map (the test set) are left out."""
    maps = {path.parent.name: path for path in found(folder) if folder.asked(path)}
    apart = {stem(path): path for path in folder.named("case_*.nii.gz") if _CASE.fullmatch(stem(path))}
    images = apart | {path.parent.name: path for path in folder.named("imaging.nii.gz")}
    for name, mask in sorted(maps.items()):
        if name not in images:
            reason = f"no image of this case: imaging.nii.gz beside it, or {name}.nii.gz in a folder of images"
            yield Rejected(folder.relative(mask), None, reason)
            continue
        case = VolumeCase(((images[name], "CT"),), (MaskFile(mask, kinds=KINDS),), "exhaustive")
        yield from of_case(folder, case, WINDOW)
    for name in sorted(images.keys() - {path.parent.name for path in found(folder)}):
        folder.note("cases without a label map are left out: what is in them is not known", name)


FORMAT = Format(
    "kits23",
    read,
    "case_00000/segmentation.nii.gz and the like",
    found,
    (".nii.gz",),
    DataSet(
        "kits23",
        "KiTS23",
        "CT",
        ("labels", "boxes", "masks"),
        "exhaustive",
        "open",
        "CC BY-NC-SA",
        "https://github.com/neheller/kits23",
        "Heller et al., The KiTS21 Challenge: Automatic Segmentation of Kidneys, Renal Tumors, and Renal Cysts in "
        "Corticomedullary-Phase CT, 2023, arXiv 2307.01984",
        (
            Download("**/case_*/segmentation.nii.gz", "the label map of each of 489 cases (0 to 299 and 400 to 588)"),
            Download(
                "**/{imaging,case_*}.nii.gz",
                "their images, which come apart from the label maps (neheller/KiTS-Challenge-Imaging on the Hub)",
            ),
        ),
        notes=(
            "Slices are cut by the affine, and one becomes an image for each finding where it is largest; `--slices` "
            "takes others.",
            "A case is a study; that each is another patient is not stated, so none is named.",
            "kits23.json holds the diagnosis of each case and is not read; the test cases are not labelled.",
        ),
    ),
)
