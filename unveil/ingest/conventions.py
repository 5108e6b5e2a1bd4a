"""What the four numbers of a box mean: their order and units, as a format has them or as the options say.

Nothing in a file tells pixels from shares. A set that is read in the wrong units gives boxes that all lie in one corner
of their images, and ``Spread`` looks for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from unveil.core import geometry
from unveil.core.geometry import Box
from unveil.core.records import Record
from unveil.core.untrusted import quoted
from unveil.ingest.reading import AnnotationError, Image, Options, Rejected, Traced

Order = Literal["xyxy", "xywh", "centre", "yxyx"]
Units = Literal["pixels", "normalised", "percent"]


def _yxyx(y1: float, x1: float, y2: float, x2: float) -> Box:
    return x1, y1, x2, y2


ORDERS: dict[Order, Callable[[float, float, float, float], Box]] = {
    "xyxy": lambda *box: box,
    "xywh": geometry.from_xywh,
    "centre": geometry.from_centre,
    "yxyx": _yxyx,
}
#: What the whole width and the whole height of an image count; for pixels, the image's size.
WHOLE: dict[Units, float | None] = {"pixels": None, "normalised": 1.0, "percent": 100.0}
#: What a format's own definition says.
USUAL: dict[str, tuple[Order, Units]] = {
    "voc": ("xyxy", "pixels"),
    "coco": ("xywh", "pixels"),
    "yolo": ("centre", "normalised"),
    "csv": ("xyxy", "pixels"),
}


def declared(format: str, options: Options, named: Order | None = None) -> tuple[Order, Units]:
    """Order and units of a format's boxes: the options', else as the columns are ``named``, else the usual ones."""
    order, units = USUAL[format]
    return options.box_convention or named or order, options.box_units or units


def in_pixels(numbers: Sequence[float], image: Image, order: Order, units: Units) -> Box:
    """Four numbers of a file as xyxy in pixels of the image."""
    box, whole = ORDERS[order](*numbers), WHOLE[units]
    return box if whole is None else geometry.scale(box, (whole, whole), (image.width, image.height))


def points_in_pixels(numbers: Sequence[float], image: Image, units: Units) -> list[float]:
    """The x, y, x, y, … of a polygon in pixels of the image."""
    whole = WHOLE[units]
    if whole is None:
        return list(numbers)
    return [v * (image.height if i % 2 else image.width) / whole for i, v in enumerate(numbers)]


class Spread:
    """Where the boxes of a set lie that was read as pixels, since nobody said otherwise.

    Shares from 0 to 1 lie within the first pixel, where hardly any true box does: more than a tenth of such boxes is
    suspicious. Percent lie within the first 100 pixels. By itself that says little, so it is suspicious where no box
    leads outside its image, and where boxes anywhere in their images would all lie there by a chance below one in
    twenty. An image of W x H pixels counts as one draw with a chance of 100/W x 100/H; a side below 200 counts as 1,
    since a lesion in the middle of such a picture may end before 100. Findings that are ``Traced`` are left out.
    """

    def __init__(self) -> None:
        self.boxes = self.in_first_pixel = 0
        self.reach, self.chance, self.outside = 0.0, 1.0, False
        self.example = self.smallest = ""

    def add(self, record: Record | Rejected) -> None:
        if isinstance(record, Rejected):
            self.outside = self.outside or record.misfit == "outside"
            return
        boxes = [finding.box for finding in record.findings if finding.box and not isinstance(finding, Traced)]
        if not boxes:
            return
        reached = [max(box) for box in boxes]
        self.example = self.example or _shown(boxes[0], record)
        if small := [box for box, reach in zip(boxes, reached, strict=True) if reach <= 1.01]:  # 0.01 for rounding
            self.smallest = self.smallest or _shown(small[0], record)
        self.in_first_pixel += len(small)
        self.boxes += len(boxes)
        self.reach = max(self.reach, *reached)
        for side in record.size:
            self.chance *= 100 / side if side >= 200 else 1.0

    def doubt(self) -> str | None:
        """Why these can hardly be pixels, and what to say instead; None where they may be."""
        ask = "; if they are pixels all the same, --box-units pixels"
        if self.in_first_pixel > 0.1 * self.boxes:
            return (
                f"{self.in_first_pixel} of {self.boxes} boxes lie within 0 to 1, such as {self.smallest}: "
                f"if they are shares of width and height, say --box-units normalised{ask}"
            )
        if self._within_percent() and self.chance < 0.05:
            return f"{self._percent()}: if they are percent of width and height, say --box-units percent{ask}"
        return None

    def remark(self) -> str | None:
        """What deserves a look and is no reason to stop."""
        if self.in_first_pixel:
            few = f"{self.in_first_pixel} of {self.boxes} boxes lie within 0 to 1"
            return f"{few}, such as {self.smallest}: are they shares?"
        if self._within_percent() and self.chance < 0.25:
            return f"{self._percent()}: taken as pixels; if they are percent, say --box-units percent"
        return None

    def _within_percent(self) -> bool:
        return self.boxes > 0 and self.reach <= 101 and not self.outside

    def _percent(self) -> str:
        return f"all {self.boxes} boxes lie within 0 to 100, though the images are larger, such as {self.example}"


def _shown(box: Box, record: Record) -> str:
    return f"[{', '.join(f'{v:g}' for v in box)}] in {quoted(record.source.file)} of {record.width} x {record.height}"


def framed(box: Box, frame: tuple[int, int], image: Image, note: Callable[[str, str], None]) -> Box:
    """A box that counts in a frame of this width and height, in the image's own pixels; that they differ is noted.

    Raises ``AnnotationError`` where the image has another shape, so that it is no smaller or larger copy.
    """
    size = image.width, image.height
    if size == frame:
        return box
    if abs(frame[0] * size[1] - frame[1] * size[0]) > max(frame):  # a pixel of rounding
        raise AnnotationError(f"boxes count in {frame[0]} x {frame[1]} pixels, and it has {size[0]} x {size[1]}")
    note(f"images of another size than {frame[0]} x {frame[1]}: their boxes are scaled", image.file)
    return geometry.scale(box, frame, size)
