"""Which column of a table holds what: by the user's word, else by the names that tables usually give it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from unveil.core.untrusted import listed, quoted, shortened
from unveil.ingest.conventions import Order
from unveil.ingest.reading import IngestError, Options

#: What a column can be, each with its usual names in small letters and digits only; the first is the documented one.
ROLES: dict[str, tuple[str, ...]] = {
    "image": (
        "image", "imagefile", "imagefilename", "imagefilepath", "imagename", "imagepath", "imageindex", "imageid",
        "file", "filename", "fname", "filepath", "path", "img", "imgname", "imgpath", "imgid", "imgfile",
        "dicom", "dicomid", "dicompath", "dicomfile", "sopinstanceuid",
    ),
    "label": (
        "label", "labels", "labelname", "class", "classes", "classname", "category", "categories", "categoryname",
        "finding", "findings", "findinglabel", "findinglabels", "findingname", "findingcategory", "findingcategories",
        "abnormality", "lesiontype", "lesion",
    ),
    "box": (),
    "patient": (
        "patient", "patientid", "patientidentifier", "patientindex", "patientnumber", "patientno", "pid", "subject",
        "subjectid",
    ),
    "study": ("study", "studyid", "studyuid", "studyinstanceuid"),
    "sex": ("sex", "patientsex", "gender", "patientgender"),
    "age": ("age", "patientage", "ageyears", "ageapprox"),
    "modality": ("modality",),
    "split": ("split", "subset", "partition", "datasplit", "trainvaltest", "traintest"),
    "report": ("report", "reporttext", "radiologyreport"),
    "report_findings": ("reportfindings", "findingstext", "findings"),
    "impression": ("impression", "impressions", "reportimpression"),
    "phrase": ("phrase", "sentence", "labeltext"),
    "body_part": ("bodypart", "bodypartexamined"),
    "side": ("side",),
    "question": ("question",),
    "answer": ("answer",),
    "answer_type": ("answertype",),
    "choices": ("choices", "options"),
    "language": ("language", "lang"),
    "reader": (
        "reader", "readerid", "readername", "radid", "rater", "raterid", "radiologist", "radiologistid", "annotator",
        "annotatorid", "annotatorname", "annotatedby", "labeler", "labelerid", "labeller", "grader", "graderid",
        "observer", "observerid", "physician", "physicianid", "doctor", "doctorid", "expert", "expertid",
    ),
    "confidence": ("confidence", "conf"),
    "width": ("width", "imagewidth", "imgwidth"),
    "height": ("height", "imageheight", "imgheight"),
}  # fmt: skip
#: What each of them holds, for the table of the documentation.
MEANINGS: dict[str, str] = {
    "image": "the image's file, by its path or its name, with its ending or without; of several the one that leads "
    "to files",
    "label": "what is there, one name or several; or that there is no finding",
    "box": "where: four columns with a number each, or one with all four",
    "patient": "who it is; whole patients are dealt to the splits",
    "study": "the examination; two patients may have the same",
    "sex": "the patient's: F, M or O, or female, male, other",
    "age": "the patient's at the study, in years, or as in DICOM (058Y, 018M); all over 89 are 90",
    "modality": "how the image was made, such as CT",
    "split": "train, val or test",
    "report": "the report on the image",
    "report_findings": "the findings of the report; beside an impression, a column called findings is this",
    "impression": "the impression of the report",
    "phrase": "a sentence that says what is seen at the row's box",
    "body_part": "where in the body the finding is",
    "side": "on which side it is",
    "question": "a question about the image",
    "answer": "its true answer",
    "answer_type": "closed (yes or no) or open; not given: what the answer looks like",
    "choices": "the answers to choose from, with | between them or as a list in brackets; the true one is among them",
    "language": "of the question or the phrase, such as en",
    "reader": "who marked it, where several people did",
    "confidence": "how sure they were, a number above 0",
    "width": "the image's width in pixels, beside a box with its corners",
    "height": "its height; another size than the file's means another version of the image, which is rejected",
}
#: Names that are taken for it where no better one is there, such as RSNA's patientId, which names the image file.
WEAK: dict[str, tuple[str, ...]] = {
    "image": ("id", "uid", "imageurl", "patientid"),
    "label": ("diagnosis", "disease", "pathology", "dx"),
}
#: Names of four columns that hold a box, without "bbox" before them, and the order of their numbers. Corners go first:
#: beside them, width and height are the image's size.
BOXES: tuple[tuple[tuple[str, str, str, str], Order], ...] = (
    (("x1", "y1", "x2", "y2"), "xyxy"),
    (("xmin", "ymin", "xmax", "ymax"), "xyxy"),
    (("minx", "miny", "maxx", "maxy"), "xyxy"),
    (("xtl", "ytl", "xbr", "ybr"), "xyxy"),
    (("x0", "y0", "x1", "y1"), "xyxy"),
    (("left", "top", "right", "bottom"), "xyxy"),
    *(((x, y, *sides), "centre")
      for x, y in (("xcenter", "ycenter"), ("xcentre", "ycentre"), ("centerx", "centery"), ("cx", "cy"), ("xc", "yc"))
      for sides in (("w", "h"), ("width", "height"))),
    *(((x, y, *sides), "xywh")
      for sides in (("w", "h"), ("width", "height"))
      for x, y in (("x", "y"), ("xmin", "ymin"), ("x1", "y1"), ("left", "top"))),
)  # fmt: skip
#: Names of one column that holds boxes; the order is in the name, or nowhere.
ONE_BOX: dict[str, Order | None] = {
    "box": None, "boxes": None, "bbox": None, "bboxes": None, "boundingbox": None, "boundingboxes": None,
    "boxxywh": "xywh", "bboxxywh": "xywh", "boxxyxy": "xyxy", "bboxxyxy": "xyxy", "bboxcxcywh": "centre",
    "bboxxminyminxmaxymax": "xyxy", "bboxx1y1x2y2": "xyxy",
}  # fmt: skip
#: A name that speaks of a place in the picture: a box as a whole, one of its numbers, x of a pair of x and y.
_WHOLE_BOX = re.compile(r".*(box(es)?|rect(angle)?|polygon|contour|coord(inate)?)s?(\d?d)?")
_PART_OF_BOX = re.compile(
    r"(b|bb|bbox|box)?([xywh]|[xy](\d|min|max|start|end|cent(er|re)|left|right|top|bottom|tl|br)"
    r"|(min|max|start|end|cent(er|re)|left|right|top|bottom|topleft|bottomright)[xy]|top|bottom)"
)
_SPACING = re.compile(r"spacing|size|resolution|dim|dpi|res(?=[xy]$)")


#: What a message names where there is no telling which column is meant.
UNKNOWN = "COLUMN"


class ColumnsError(IngestError):
    """A header in which something is missing, or stands for two things; the message names its columns."""


@dataclass(frozen=True)
class Columns:
    """What was found in a header. ``at`` gives the places of each role that is there, four or one for a box; for the
    image several, where it takes a look at the rows to tell. ``order`` is that of the box's numbers, where their names
    tell. ``absent`` holds the (role, column) that the user named and this table lacks."""

    header: tuple[str, ...]
    at: dict[str, tuple[int, ...]]
    order: Order | None
    absent: tuple[tuple[str, str], ...]

    def has(self, *roles: str) -> bool:
        return any(role in self.at for role in roles)

    def name(self, role: str) -> str:
        """What the column of a role is called, the first of several; "" where there is none."""
        return self.header[self.at[role][0]] if role in self.at else ""

    def __str__(self) -> str:
        """Such as: image = Image Index, label = Finding Label; not used: Age."""
        taken = (f"{role} = {' '.join(self.header[i] for i in places)}" for role, places in self.at.items())
        return ", ".join(taken) + (f"; not used: {listed(self.unused)}" if self.unused else "")

    @property
    def about(self) -> bool:
        """Whether the table says anything of findings, or asks."""
        return self.has("label", "box", "question")

    @property
    def reports(self) -> bool:
        """Whether it holds reports."""
        return self.has("report", "report_findings", "impression")

    @property
    def unused(self) -> list[str]:
        used = {i for places in self.at.values() for i in places}
        return [name for i, name in enumerate(self.header) if i not in used and name]


@lru_cache(2**12)
def key(name: str) -> str:
    """A name without what tables write differently: case, spaces, underscores, brackets, and pixels as a unit."""
    return "".join(c for c in re.sub(r"[(\[_ ](px|pixels?)[)\]]?$", "", name.strip().casefold()) if c.isalnum())


def asked(options: Options) -> dict[str, str]:
    """What the user has said of columns: role to column, "" where there is none."""
    found: dict[str, str] = {}
    for text in options.columns:
        role, equals, column = text.partition("=")
        role = role.strip().lower().replace("-", "_")
        if role not in ROLES or not equals or role in found:
            raise IngestError(
                f"columns: {quoted(text)} is no ROLE=COLUMN, once each, where ROLE is one of {', '.join(ROLES)}"
            )
        found[role] = column.strip()
    return found


def closest(role: str, names: Sequence[str]) -> str:
    """The column that is most likely meant, for a message, by its name; ``UNKNOWN`` if that does not tell."""
    if len(names) == 1:
        return shortened(names[0])
    scored = [
        (max(difflib.SequenceMatcher(None, key(name), usual).ratio() for usual in ROLES[role]), name) for name in names
    ]
    best = max(scored, default=(0.0, ""))
    return shortened(best[1]) if best[0] >= 0.6 else UNKNOWN


def recognise(
    header: Sequence[str],
    options: Options,
    file: str = "the table",
    label_guess: Callable[[Sequence[str]], str] = partial(closest, "label"),
) -> Columns:
    """What the columns of a header hold. A table without a column for the image is not ours.

    Of one with such a column, raises ``ColumnsError`` where a name is doubled, where two columns may be the same, where
    there are boxes without labels, and where a box is spelt in a way that is not known: then something would be lost
    and nobody told. ``label_guess`` finds the likeliest of some columns, for the message.
    """
    names = tuple(name.strip() for name in header)
    keys = [key(name) for name in names]
    at: dict[str, tuple[int, ...]] = {}
    absent: list[tuple[str, str]] = []
    given = asked(options)
    for role, text in given.items():
        wanted = _split_up(text, keys) if role == "box" else [text] if text else []
        places = [_place(name, names, keys, file) for name in wanted]
        absent += [(role, name) for name, place in zip(wanted, places, strict=True) if place is None]
        if places and None not in places:
            at[role] = tuple(place for place in places if place is not None)
    free = [i for i in range(len(names)) if not any(i in places for places in at.values())]
    order: Order | None = None
    if "box" in at:
        order = _order([keys[i] for i in at["box"]])
    elif "box" not in given:
        boxes, order = _box(free, names, keys, file)
        at |= {"box": boxes} if boxes else {}
        free = [i for i in free if i not in boxes]
    for role in ROLES:
        if role in given or role == "box" or not (found := _named(role, free, keys)):
            continue
        if len(found) > 1 and role != "image" and "image" in at:
            several, first = either(names, found), shortened(names[found[0]])
            raise ColumnsError(f"{file}: {several} may be the {role}: say --columns {role}={first} or another")
        at[role] = tuple(found)
        free = [i for i in free if i not in found]
    if not {"width", "height"} <= at.keys():  # half a size is none
        at = {role: places for role, places in at.items() if role not in ("width", "height")}
    columns = Columns(names, {role: at[role] for role in ROLES if role in at}, order, tuple(absent))
    if columns.has("image"):
        _check(columns, options, given, file, label_guess)
    return columns


def either(names: Sequence[str], places: Sequence[int]) -> str:
    """Some of the columns at these places, for a message."""
    return " and ".join(quoted(names[i]) for i in places[:3]) + " …" * (len(places) > 3)


def naming(header: Sequence[str], options: Options) -> list[int]:
    """The columns that may name the image: the user's, else those with a usual name; none where nothing tells."""
    keys, given = [key(name) for name in header], asked(options).get("image")
    if given is None:
        return _named("image", range(len(keys)), keys)
    return [i for i, name in enumerate(keys) if name == key(given)]


def _named(role: str, free: Sequence[int], keys: Sequence[str]) -> list[int]:
    """The columns with usual names of a role, the better names first."""
    for usual in (ROLES[role], WEAK.get(role, ())):
        # beside an impression, findings are a part of a report
        mine = (role == "report_findings") is ("impression" in keys)
        names = [name for name in usual if name != "findings" or mine]
        if found := sorted((i for i in free if keys[i] in names), key=lambda i: names.index(keys[i])):
            return found
    return []


def _split_up(text: str, keys: Sequence[str]) -> list[str]:
    """The names of a box's columns; commas stand between them, or in the name of the only one."""
    if not text or key(text) in keys:
        return [text] if text else []
    names = [name.strip() for name in text.split(",")]
    if len(names) not in (1, 4):
        raise IngestError(f"columns: a box is one column or four, not {quoted(text)}")
    return names


def _place(name: str, names: Sequence[str], keys: Sequence[str], file: str) -> int | None:
    """Where a column stands that the user has named: spelt so, else spelt alike."""
    found = [i for i, n in enumerate(names) if n == name] or [i for i, k in enumerate(keys) if k == key(name)]
    if len(found) > 1:
        raise ColumnsError(f"{file} has several columns {quoted(name)}")
    return found[0] if found else None


def _part(key: str) -> str:
    """The name of one of a box's numbers, without "bbox" before it."""
    return re.sub(r"^(bnd|b)?box(?=.)", "", key)


def named_box(numbers: Mapping[str, str]) -> tuple[list[str], Order] | None:
    """The four numbers of a box, of more that have names, and their order; None where the names tell no box."""
    known = {_part(key(name)): number for name, number in numbers.items()}
    for four, order in BOXES:
        if all(name in known for name in four):
            return [known[name] for name in four], order
    return None


def _order(keys: Sequence[str]) -> Order | None:
    """The order of the numbers in columns that the user has named, as far as the names tell."""
    if len(keys) == 1:
        return ONE_BOX.get(keys[0])
    x1, y1, x2, y2 = map(_part, keys)
    known = dict(BOXES)
    return known.get((x1, y1, x2, y2)) or ("yxyx" if known.get((y1, x1, y2, x2)) == "xyxy" else None)


def _box(
    free: Sequence[int], names: Sequence[str], keys: Sequence[str], file: str
) -> tuple[tuple[int, ...], Order | None]:
    """The columns of a box, and the order of its numbers as far as the names tell."""
    parts = [_part(keys[i]) for i in free]
    for four, order in BOXES:
        if all(name in parts for name in four):
            if doubled := next((name for name in four if parts.count(name) > 1), None):
                raise ColumnsError(f"{file} has several columns {quoted(names[free[parts.index(doubled)]])}")
            return tuple(free[parts.index(name)] for name in four), order
    one = [i for i in free if keys[i] in ONE_BOX]
    if len(one) > 1:
        several, first = either(names, one), shortened(names[one[0]])
        raise ColumnsError(f"{file}: {several} may be the box: say --columns box={first} or another")
    return (tuple(one), ONE_BOX[keys[one[0]]]) if one else ((), None)


def _check(
    columns: Columns, options: Options, given: dict[str, str], file: str, label_guess: Callable[[Sequence[str]], str]
) -> None:
    """Refuses a table of which only a part would be read."""
    rest = columns.unused
    if not columns.has("box") and "box" not in given and (parts := _places_in(rest)):
        four = ",".join(parts) if len(parts) in (1, 4) else "X1,Y1,X2,Y2"
        raise ColumnsError(
            f"{file} has only some of the columns of a box, or spells them unusually: {listed(parts)}. "
            f"Say --columns box={shortened(four)}, or box= if it holds none"
        )
    if columns.has("box") and not columns.has("label") and not options.default_label:
        named = f" ({quoted(dict(columns.absent)['label'])})" if "label" in dict(columns.absent) else ""
        raise ColumnsError(
            f"{file} has boxes and no column for their label{named}; it has {listed(columns.header)}. "
            f"Say --columns label={label_guess(rest)}, or --default-label NAME"
        )


def _places_in(names: Sequence[str]) -> list[str]:
    """Those of some columns that seem to hold places in the picture: a box, two numbers of one, or an x with its y."""
    keys = {name: key(name) for name in names}
    whole = [name for name in names if _WHOLE_BOX.fullmatch(keys[name])]
    parts = [name for name in names if _PART_OF_BOX.fullmatch(keys[name])]
    twins = set()
    for one in keys.values():
        others = {one[:i] + "y" + one[i + 1 :] for i, c in enumerate(one) if c == "x"} & set(keys.values())
        twins |= {one, *others} if others and not _SPACING.search(one) else set()
    return [name for name in names if name in whole or keys[name] in twins or (len(parts) > 1 and name in parts)]
