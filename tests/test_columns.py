"""What the columns and cells of a table are taken for, by the headers that public data sets have."""

from __future__ import annotations

import csv

import pytest

from unveil.ingest import cells
from unveil.ingest.columns import ColumnsError, recognise
from unveil.ingest.reading import AnnotationError, IngestError, Options

HEADERS = {
    "image,label,x1,y1,x2,y2": ("image", "label", "x1 y1 x2 y2", "xyxy"),
    "image, Label, X1, Y1, X2, Y2": ("image", "Label", "X1 Y1 X2 Y2", "xyxy"),
    "filename,width,height,class,xmin,ymin,xmax,ymax": ("filename", "class", "xmin ymin xmax ymax", "xyxy"),
    "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max": (
        "image_id", "class_name", "x_min y_min x_max y_max", "xyxy",
    ),
    "Image Index,Finding Label,Bbox [x,y,w,h],,,": ("Image Index", "Finding Label", "Bbox [x y w h]", "xywh"),
    "Image Index,Finding Labels,Follow-up #,Patient ID": ("Image Index", "Finding Labels", "", None),
    "name,file_name,finding,x,y,width,height": ("file_name", "finding", "x y width height", "xywh"),
    "path,category,x_center,y_center,width,height,img_width,img_height": (
        "path", "category", "x_center y_center width height", "centre",
    ),
    "image,label,bbox_x1,bbox_y1,bbox_x2,bbox_y2": ("image", "label", "bbox_x1 bbox_y1 bbox_x2 bbox_y2", "xyxy"),
    "img,label,x0,y0,x1,y1": ("img", "label", "x0 y0 x1 y1", "xyxy"),
    "filename,label,left,top,width,height": ("filename", "label", "left top width height", "xywh"),
    'image_id,width,height,"Bbox [x, y, w, h]",label': ("image_id", "label", "Bbox [x, y, w, h]", "xywh"),
    "image,label,bbox": ("image", "label", "bbox", None),
    "image,question,answer": ("image", "", "", None),
}  # fmt: skip


def header(text: str) -> list[str]:
    return next(csv.reader([text]))


def names(text: str, role: str, **options: object) -> str:
    found = recognise(header(text), Options(**options))  # type: ignore[arg-type]
    return " ".join(found.header[i] for i in found.at.get(role, ()))


@pytest.mark.parametrize("text", HEADERS)
def test_usual_headers(text: str) -> None:
    found = recognise(header(text), Options())
    taken = [" ".join(found.header[i] for i in found.at.get(role, ())) for role in ("image", "label", "box")]
    assert (*taken, found.order) == HEADERS[text]


def test_width_and_height_are_the_images_beside_corners_and_the_boxs_beside_x_and_y() -> None:
    assert names("filename,width,height,class,xmin,ymin,xmax,ymax", "width") == "width"
    assert names("image,label,x,y,width,height", "width") == ""
    assert names("image,label,x,y,width,height,image_width,image_height", "width") == "image_width"


def test_an_identifier_names_the_image_only_where_nothing_better_does() -> None:
    """RSNA's patientId is the name of the file, and then it is no patient."""
    rsna = "patientId,x,y,width,height,Target"
    assert names(rsna, "image", default_label="opacity") == "patientId" and not names(
        rsna, "patient", default_label="x"
    )
    assert names("image,patientId,label", "patient") == "patientId"
    assert names("id,file,label", "image") == "file"


def test_findings_beside_an_impression_are_a_report() -> None:
    assert names("image,findings,impression", "label") == ""
    assert names("image,findings", "label") == "findings"


@pytest.mark.parametrize(
    ("text", "columns", "role", "taken"),
    [
        ("pic,Befund,label", ("image=pic", "label=befund"), "label", "Befund"),
        ("image,Label,label", ("label=label",), "label", "label"),  # as it is spelt goes before how it is read
        ("image,label,a,b,c,d", ("box=a,b,c,d",), "box", "a b c d"),
        ('image,label,"a, b"', ("box=a, b",), "box", "a, b"),
        ("image,label,x1,y1,x2,y2", ("box=",), "box", ""),
    ],
)
def test_what_the_user_names(text: str, columns: tuple[str, ...], role: str, taken: str) -> None:
    assert names(text, role, columns=columns) == taken


def test_the_order_of_numbers_whose_columns_are_named_is_that_of_their_names() -> None:
    text = header("image,label,ymin,xmin,ymax,xmax,w,h,a,b")
    orders = {
        "ymin,xmin,ymax,xmax": "yxyx", "xmin,ymin,xmax,ymax": "xyxy", "xmin,ymin,w,h": "xywh", "a,b,w,h": None,
    }  # fmt: skip
    for named, order in orders.items():
        assert recognise(text, Options(columns=(f"box={named}",))).order == order


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "image,label,x1,y1",
            r"only some of the columns of a box, or spells them unusually: x1, y1\. Say --columns box=X1,Y1,X2,Y2",
        ),
        ("image,label,bx1,by1,bx2,by2", r"bx1, by1, bx2, by2\. Say --columns box=bx1,by1,bx2,by2, or box= if"),
        ("image,label,lesion x,lesion y,age", r"lesion x, lesion y\. Say --columns box=X1,Y1,X2,Y2"),
        ("image,label,x_mm,y_mm,pixel_spacing_x,pixel_spacing_y", r"unusually: x_mm, y_mm\. "),
        ("image,label,Bounding Boxes 2D,polygon", r"Bounding Boxes 2D, polygon\. Say --columns box=X1,Y1,X2,Y2"),
        ("image,x1,y1,x2,y2,Befund", r"boxes and no column for their label.*Say --columns label=Befund, or --default"),
        (
            "image,label,class,x1,y1,x2,y2",
            r"'label' and 'class' may be the label: say --columns label=label or another",
        ),
        ("image,label,x1,y1,x2,y2,x1", "several columns 'x1'"),
        ("image,patient_id,subject,label", "may be the patient"),
    ],
)
def test_a_header_of_which_only_a_part_would_be_read(text: str, message: str) -> None:
    with pytest.raises(ColumnsError, match=message):
        recognise(header(text), Options())


def test_long_and_many_names_are_shortened() -> None:
    for text in ("image,label,label" + "_" * 3000, "image,box,bounding_box" + "_" * 3000, "image" + ",label" * 900):
        with pytest.raises(ColumnsError, match="may be the") as stop:
            recognise(header(text), Options())
        assert len(str(stop.value)) < 250


@pytest.mark.parametrize("columns", ["picture=a", "image", "image=a image=b", "box=a,b"])
def test_columns_that_cannot_be_meant(columns: str) -> None:
    with pytest.raises(IngestError, match="columns:"):
        recognise(["a", "b"], Options(columns=tuple(columns.split(" "))))


def test_names_that_no_table_has_are_told() -> None:
    assert recognise(["image", "label"], Options(columns=("patient=pid",))).absent == (("patient", "pid"),)


# Cells


@pytest.mark.parametrize("text", ["", " ", "None", "nan", "NaN", "NULL", "n/a", "NA", "-", "<NA>"])
def test_words_for_nothing(text: str) -> None:
    assert cells.value(text) == "" and cells.labels(text, "") == [] and cells.boxes([text] * 4) == []
    assert cells.boxes([f"[{text}]"]) == cells.boxes([f"{text} {text}"]) == []


@pytest.mark.parametrize("text", ["No finding", "no_finding", "NoFinding", "No Findings", "Normal", "healthy"])
def test_labels_that_say_that_there_is_nothing(text: str) -> None:
    assert cells.negative(text, Options()) and not cells.negative(f"{text} nodule", Options())
    assert not cells.negative(text, Options(negative_labels=("clear",)))


@pytest.mark.parametrize(
    ("text", "separator", "expected"),
    [
        ("Nodule/Mass", "", ["Nodule/Mass"]),
        ("Atelectasis|Effusion", "|", ["Atelectasis", "Effusion"]),
        ("a; b;", ";", ["a", "b"]),
        ("['Mass', 'No Finding']", "", ["Mass", "No Finding"]),
        ('["a", "Crohn\'s"]', "", ["a", "Crohn's"]),
        (r"['Crohn\'s']", "", ["Crohn's"]),
        ("('a',)", "", ["a"]),
        ("[]", "", []),
        ("[a, b c]", "", ["a", "b c"]),
        ("['a' 'b']", "", ["a", "b"]),
        ("{'a', 'b'}", "", ["a", "b"]),
        ("(a, b)", "", ["(a, b)"]),
        ("{'a': 1}", "", ["{'a': 1}"]),
    ],
)
def test_labels(text: str, separator: str, expected: list[str]) -> None:
    assert cells.labels(text, separator) == expected


@pytest.mark.parametrize(
    ("column", "sign", "remark"),
    [
        (["Atelectasis|Effusion", "No Finding"], "|", "lists, with | between"),
        (["a;b", "a", "b", "c"], ";", "lists, with ; between"),
        (["a;b", "a", "c"], "", "one label each; lists"),
        (["mass, left", "nodule"], "", "one label each"),
        (["mass, nodule", "nodule", "mass"], ",", "lists, with , between"),
        (["Nodule/Mass", "Nodule", "Mass"], "", ""),
        (["['a;b']"], "", ""),
    ],
)
def test_what_stands_between_labels(column: list[str], sign: str, remark: str) -> None:
    found, said = cells.separator(column, Options())
    assert found == sign and remark in (said or "") and bool(said) == bool(remark)
    assert cells.separator(column, Options(label_separator="/")) == ("/", None)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (["1", "2", "3", "4"], ["1 2 3 4"]),
        (["1", "", "3", "4"], ["1  3 4"]),
        (["[1, 2, 3, 4]"], ["1 2 3 4"]),
        (["1 2 3 4"], ["1 2 3 4"]),
        (["(1,2,3,4)"], ["1 2 3 4"]),
        (["[[1,2,3,4],[5,6,7,8]]"], ["1 2 3 4", "5 6 7 8"]),
        (["[[1,2,3,4]]"], ["1 2 3 4"]),
        (["1 2 3 4;5 6 7 8"], ["1 2 3 4", "5 6 7 8"]),
        (["1,2,3,4|5,6,7,8"], ["1 2 3 4", "5 6 7 8"]),
        (["[1,2,3,4] [5,6,7,8]"], ["1 2 3 4", "5 6 7 8"]),
        (["1 2 3 4 5 6 7 8"], ["1 2 3 4 5 6 7 8"]),
        (["[[1,2,3,4],[5,6,7,8],9]"], ["1 2 3 4 5 6 7 8 9"]),  # which is no box, and nothing of it is lost
        (["{'xmin': 1.5, 'ymin': 2, 'width': 3, 'height': 4}"], ["1.5 2 3 4"]),
        (['[{"y": 2, "x": 1, "w": 3, "h": 4}, {"x": 5, "y": 6, "w": 7, "h": 8}]'], ["1 2 3 4", "5 6 7 8"]),
        (["x=1 y=2 w=3"], ["x=1 y=2 w=3"]),  # which is no box
        (["[]"], []),
    ],
)
def test_boxes(row: list[str], expected: list[str]) -> None:
    assert [" ".join(numbers) for numbers in cells.boxes(row)] == expected


@pytest.mark.parametrize(
    ("cell", "order"),
    [
        ("{'xmin': 1, 'ymin': 2, 'width': 3, 'height': 4}", "xywh"),
        ("[{'x1': 1, 'y1': 2, 'x2': 3, 'y2': 4}, {'x1': 5, 'y1': 6, 'x2': 7, 'y2': 8}]", "xyxy"),
        ("cx=1 cy=2 w=3 h=4", "centre"),
        ("[1, 2, 3, 4]", None),
    ],
)
def test_names_in_a_cell_tell_the_order(cell: str, order: str | None) -> None:
    assert cells.order([cell]) == order


def test_labels_and_boxes_of_a_cell_are_paired() -> None:
    one, two = ["1"], ["2"]
    assert list(cells.paired(["a", "b"], [one, two])) == [("a", one), ("b", two)]
    assert list(cells.paired(["a"], [one, two])) == [("a", one), ("a", two)]
    assert list(cells.paired(["a", "b"], [one])) == [("a", one), ("b", one)]
    assert list(cells.paired(["a", "b"], [])) == [("a", []), ("b", [])]
    with pytest.raises(AnnotationError, match="3 labels and 2 boxes"):
        cells.paired(["a", "b", "c"], [one, two])


@pytest.mark.parametrize(
    ("lines", "sign"),
    [
        ("image,label\na;b;c,x", ","),
        ("image;label;x1\na;b;1,5\nc,d;e;2,5", ";"),
        ("image\tBbox [x,y,w,h]\na\t1 2 3 4", "\t"),
        ("image|label\na|x", "|"),
        ("image\na", ","),
        ("", ","),
    ],
)
def test_the_delimiter_is_found(lines: str, sign: str) -> None:
    assert cells.delimiter(lines.splitlines(), Options()) == sign


@pytest.mark.parametrize(
    ("said", "sign"), [("tab", "\t"), ("\\t", "\t"), ("\t", "\t"), ("Semicolon", ";"), ("pipe", "|"), ("#", "#")]
)
def test_the_delimiter_is_what_the_user_says(said: str, sign: str) -> None:
    assert cells.delimiter(["image,label"], Options(delimiter=said)) == sign


@pytest.mark.parametrize("said", ["", "two", '"', "\n"])
def test_a_delimiter_that_is_none(said: str) -> None:
    with pytest.raises(IngestError, match="neither one character nor comma, semicolon, tab"):
        cells.delimiter(["image,label"], Options(delimiter=said))


def test_decimal_commas() -> None:
    texts = ("12,5", "-0,25", "12.5", "1,2,3")
    assert [cells.decimal(text, ";") for text in texts] == ["12.5", "-0.25", "12.5", "1,2,3"]
    assert cells.decimal("1,000", ",") == "1,000", "which may be a thousand"
