"""The csv reader: what is in the rows comes out; what is lost is named, and makes no image a negative."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.tables import HEADER, draw, read, write
from unveil.ingest.reading import IngestError, Options
from unveil.ingest.runner import ingest


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """a.png, b.png and c.png of 60 x 40 pixels."""
    for seed, name in enumerate("abc"):
        draw(tmp_path / "data" / f"{name}.png", seed)
    return tmp_path / "data"


# What columns hold


def test_every_column(data: Path) -> None:
    text = (
        "pic;finding;bbox;pid;study;modality;Set;body_part;side;report\n"
        'a;nodule;"[4, 2, 20, 12]";p1;s1;CT;valid;lung;left;Two lesions.\n'
        "a;mass;;p1;s1;CT;valid;;;\n"
        "b;No Finding;;p2;;MR;test;;;Nothing.\n"
    )
    found = read(write(data, text), columns=("image=pic", "patient=pid", "split=set"))
    a, b = found.records.values()
    assert (a.patient, a.study, a.modality, a.split, a.report) == ("p1", "s1", "CT", "val", "Two lesions.")
    assert [(f.label, f.box, f.attributes) for f in a.findings] == [
        ("nodule", (4, 2, 20, 12), {"body_part": "lung", "side": "left"}),
        ("mass", None, {}),
    ]
    assert (b.findings, b.completeness, b.study, b.modality) == ((), "exhaustive", None, "MR")
    assert any("image = pic, label = finding, box = bbox, patient = pid" in note for note in found.notes)


@pytest.mark.parametrize(
    "header", ["image, label, x1, y1, x2, y2", "Image,LABEL,X1,Y1,X2,Y2", "\ufeffimage,label,x_1,y_1,x_2,y_2"]
)
def test_spelling_of_the_header(header: str, data: Path) -> None:
    found = read(write(data, header + "\na.png, nodule, 1, 2, 30, 40\n", encoding="utf-8"))
    assert found.boxes("a.png") == [("nodule", (1, 2, 30, 40))]


def test_an_unnamed_index_column_as_pandas_writes_it(data: Path) -> None:
    assert len(read(write(data, ",image,label\n0,a,x\n1,b,\n")).records) == 2


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("image\tlabel\tx1\ty1\tx2\ty2\na.png\tx\t1\t2\t30.5\t40\n", "t.tsv"),
        ("image\tlabel\tx1\ty1\tx2\ty2\na.png\tx\t1\t2\t30.5\t40\n", "t.csv"),
        ("image;label;x1;y1;x2;y2\na.png;x;1,0;2,0;30,5;40\n", "t.csv"),
        ("sep=;\nimage;label;x1;y1;x2;y2\na.png;x;1;2;30,5;40\n", "t.csv"),
        ("image|label|x1|y1|x2|y2\na.png|x|1|2|30.5|40\n", "t.csv"),
        ("image\tlabel\tbbox [x1,y1,x2,y2]\na.png\tx\t[1,2,30.5,40]\n", "t.csv"),
    ],
)
def test_delimiters(text: str, name: str, data: Path) -> None:
    assert read(write(data, text, name)).boxes("a.png") == [("x", (1, 2, 30.5, 40))]


def test_line_numbers_count_the_lines_of_the_file(data: Path) -> None:
    found = read(write(data, "sep=,\n\n" + HEADER + "a.png,x,1,2,30,40\n\n,,,,,\na.png,x,1,2,1,40\n"))
    assert [bad["row"] for bad in found.rejected] == [7]


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        ("image,label,x1,y1,x2,y2,pat", {"columns": ("patient=patid",)}, r"no column 'patid'; it has .*is it 'pat'\?"),
        (
            "file_name,patient_id,finding",
            {"columns": ("image=pic",)},
            r"no column names the images: t.csv has file_name, pat",
        ),
        ("image,lab,x1,y1,x2,y2", {"columns": ("label=lap",)}, r"no column for their label \('lap'\).*label=lab,"),
        ("image,label,x1,y1", {}, "only some of the columns of a box"),
        ("image,image,label", {}, "'image' and 'image' may be the image"),
        ("image,klasse", {}, r"no column is known to hold labels.*--columns label=klasse, or label= if"),
        ("image,label", {"annotations": "ghost.csv"}, "fits the pattern 'ghost.csv'"),
        ("a.png,nodule,1", {}, "its first line is no header: write one above it"),
        ("# export of 2020", {}, "as its only column: is its first line no header, or does another --delimiter"),
        ("image label x1", {"delimiter": ","}, "as its only column"),
        ("bild,befund", {}, r"no column names the images: t.csv has bild, befund\. Say --columns image=COLUMN"),
    ],
)
def test_header_that_does_not_fit(header: str, options: dict[str, Any], message: str, data: Path) -> None:
    with pytest.raises(IngestError, match=message):
        read(write(data, header + "\nx,x\n"), **options)


@pytest.mark.parametrize(
    ("format", "header", "named", "guess"),
    [
        ("auto", "nr,bild,alter,befund", (), "--columns image=bild label=befund"),
        ("auto", "nr,bild,alter,befund,x1,y1,x2,y2", ("image=bild",), "--columns label=befund, or --default-label"),
        ("auto", "nr,scan,alter,finding", (), "--columns image=scan label=finding"),
        ("csv", "nr,scan,alter,finding", (), "Say --columns image=scan"),
        ("csv", "nr,file_name,alter,befund", (), "--columns label=befund, or label= if"),
    ],
)
def test_columns_of_any_name_are_guessed_by_what_they_hold(
    format: str, header: str, named: tuple[str, ...], guess: str, data: Path
) -> None:
    """Images are what leads to files; labels are words of which there are few, neither numbers nor one for each row."""
    row = "{0},{1}.png,6{0},{2}" + ",1,2,30,40" * ("x1" in header) + "\n"
    lines = [row.format(n, "abc"[n % 3], ("Knoten", "ohne Befund")[n % 2]) for n in range(6)]
    with pytest.raises(IngestError, match=guess):
        ingest(write(data, header + "\n" + "".join(lines)), format, data / "out", Options(columns=named))


def test_an_empty_table(data: Path) -> None:
    with pytest.raises(IngestError, match=r"t\.csv is empty"):
        read(write(data, ""))


def test_a_quotation_mark_that_runs_rows_together_stops(data: Path) -> None:
    """b.png's row would be lost, and with it what it says of b.png."""
    rows = 'image,label,report\na.png,x,"Not closed.\nb.png,y,Fine.\n'
    with pytest.raises(IngestError, match=r"t\.csv, lines 2 to 3: a quotation mark that is not closed"):
        read(write(data, rows))
    with pytest.raises(IngestError, match="lines 2 to 4"):
        read(write(data, rows + 'c.png,y,"Closed."\n'))
    found = read(write(data, 'image,label,report\na.png,"x,\nb.png,y,"\nc.png,y,"Two\nlines ""here""."\n'))
    assert set(found.records) == {"c.png"} and found.records["c.png"].report == 'Two\nlines "here".'
    assert [(bad["row"], bad["rows"]) for bad in found.rejected] == [(3, 2)]


@pytest.mark.parametrize("column", ["report", "remark"])
def test_a_row_within_a_cell_is_no_text(column: str, data: Path) -> None:
    """Closed by the next mark, which was to open: b.png's nodule would be lost, and b.png a negative."""
    head, last = f"image,label,{column}\n", "b.png,No finding,fine\n"
    with pytest.raises(
        IngestError, match=r"t\.csv, a cell that ends in line 3 holds a row of its own, 'b.png,nodule,ba"
    ):
        read(write(data, f'{head}a.png,mass,"ok\nb.png,nodule,bad"\n{last}'))
    found = read(write(data, f'{head}a.png,mass,"b.png,\n1. Liver, normal\nc.png\nsee b.png, too"\n{last}'))
    assert found.completeness()["b.png"] == "exhaustive" and not found.rejected
    found = read(write(data, f'{head}a.png,"mass\nb.png,nodule,",bad\n{last}c.png,No finding,\n'))
    assert found.completeness() == {"b.png": "partial", "c.png": "exhaustive"}


def test_a_table_of_findings_without_an_image_column_is_not_passed_over(data: Path) -> None:
    """What it says of a.png would be lost, and a.png a negative."""
    write(data, "scan,finding,x1,y1,x2,y2\na.png,nodule,1,2,30,40\n", "boxes.csv")
    write(data, HEADER + "a.png,,,,,\nb.png,x,1,2,30,40\n")
    with pytest.raises(
        IngestError, match=r"boxes\.csv .*no column that names.*--columns image=scan.*--annotations t\."
    ):
        read(data)
    assert set(read(data, annotations="t.csv").records) == {"a.png", "b.png"}
    write(data, "scan,age\na.png,7\n", "boxes.csv")
    assert any("passed over" in note and "boxes.csv" in note for note in read(data).notes)


def test_a_quotation_mark_within_one_row_rejects_it(data: Path) -> None:
    rows = 'image, label, bbox\na.png, x, "1, 2, 30, 40"\nb.png, "5" x, "1, 2, 30, 40"\nb.png, , \n'
    found = read(write(data, rows))
    assert found.boxes("a.png") == [("x", (1, 2, 30, 40))]
    assert found.completeness()["b.png"] == "partial" and [bad["row"] for bad in found.rejected] == [3]


def test_a_list_of_images_has_no_findings_and_says_nothing_about_them(data: Path) -> None:
    assert read(write(data, "image,split\na,train\n")).completeness() == {"a.png": "unknown"}
    assert read(write(data, "image,age\na,40\n"), columns=("label=",)).completeness() == {"a.png": "unknown"}


def test_which_of_two_columns_names_the_image_is_told_by_the_files(data: Path) -> None:
    found = read(write(data, "image_id,file_name,label\n17,a.png,x\n18,b.png,y\n"))
    assert found.boxes("a.png") == [("x", None)]
    with pytest.raises(IngestError, match="'image_id' and 'file_name' may be the image"):
        read(write(data, "image_id,file_name,label\na,b,x\n"))


def test_a_name_that_became_a_number(data: Path) -> None:
    draw(data / "17.png", 9)
    assert read(write(data, "image,label\n17.0,x\n")).boxes("17.png") == [("x", None)]


def test_columns_of_zero_and_one_are_named(data: Path) -> None:
    with pytest.raises(IngestError, match="Columns of 0 and 1 such as nodule, mass are not read"):
        read(write(data, "image,nodule,mass,age\na,1,0,30\nb,0.0,1.0,31\n"))


def test_width_and_height_may_be_those_of_the_box(data: Path) -> None:
    found = read(
        write(data, "image,label,x1,y1,x2,y2,width,height\na.png,x,1,2,30,40,29,38\na.png,y,1,2,11,12,10,10\n")
    )
    assert found.boxes("a.png") == [("x", (1, 2, 30, 40)), ("y", (1, 2, 11, 12))]


def test_the_stated_size_is_that_of_the_image(data: Path) -> None:
    """Beside corners, width and height are the image's: another one was annotated on another version."""
    header = "image,width,height,label,xmin,ymin,xmax,ymax\n"
    rows = "a.png,60,40,x,1,2,30,40\nb.png,120,80,x,1,2,30,40\nb.png,120,80.0,y,1,2,30,40\nc.png,,,x,1,2,30,40\n"
    found = read(write(data, header + rows))
    assert set(found.records) == {"a.png", "c.png"}
    (bad,) = found.rejected
    assert "says 120 x 80, the image has 60 x 40" in bad["reason"] and bad["row"] == 3 and bad["rows"] == 2


# What cells hold


@pytest.mark.parametrize("nothing", ["", "NaN", "None", "null", "n/a", "-", "No Finding", "no_finding", "Normal"])
@pytest.mark.parametrize("box", ["", "nan", "None"])
def test_words_for_nothing(nothing: str, box: str, data: Path) -> None:
    found = read(write(data, HEADER + f"a.png,{nothing},{','.join([box] * 4)}\nb.png,x,1,2,30,40\n"))
    assert found.completeness() == {"a.png": "exhaustive", "b.png": "unknown"} and not found.rejected


@pytest.mark.parametrize(
    ("box", "negative"), [("0,0,1,1", True), ("0,0,0,0", True), ("-1,-1,-1,-1", True), ("5,5,9,9", False)]
)
def test_no_finding_with_a_box(box: str, negative: bool, data: Path) -> None:
    """A box that only fills the columns is none; any other one denies the label."""
    found = read(write(data, HEADER + f"a.png,No finding,{box}\nb.png,x,1,2,30,40\n"))
    assert found.completeness()["a.png"] == ("exhaustive" if negative else "partial")
    assert [bad["row"] for bad in found.rejected] == ([] if negative else [2])


def test_labels_that_are_numbers_name_nothing(data: Path) -> None:
    """As RSNA's Target: read as a name, 0 would be a finding of every normal image."""
    write(data, "image,x,y,width,height,Target\na,1,2,29,38,1\nb,,,,,0\n")
    with pytest.raises(IngestError, match=r"t\.csv: the labels are numbers \(0, 1\).*--label-names 0=NAME"):
        read(data, columns=("label=target",))
    for options in (
        {"columns": ("label=target",), "label_names": ("0=normal", "1=opacity")},
        {"default_label": "opacity"},
    ):
        found = read(data, **options)
        assert found.boxes("a.png") == [("opacity", (1, 2, 30, 40))]
        assert found.completeness()["b.png"] == "exhaustive" and not found.records["b.png"].findings
    with pytest.raises(IngestError, match="'1=' is no CODE=NAME"):
        read(data, columns=("label=target",), label_names=("1=",))
    with pytest.raises(IngestError, match="label names: '1' is named twice"):
        read(data, columns=("label=target",), label_names=("1=opacity", "0=normal", "1 =mass"))


def test_labels_that_may_deny_something_are_told(data: Path) -> None:
    found = read(write(data, "image,label\na,no_tumor\nb,nodule\n"))
    assert any("no_tumor are taken as findings" in note for note in found.notes)
    assert read(data, negative_labels=("no tumor",)).completeness()["a.png"] == "exhaustive"


def test_several_labels_in_one_cell(data: Path) -> None:
    found = read(write(data, "image,labels\na,Atelectasis|Effusion\nb,No Finding\nc,\"['Mass', 'Nodule/Mass']\"\n"))
    assert found.boxes("a.png") == [("Atelectasis", None), ("Effusion", None)]
    assert found.boxes("c.png") == [("Mass", None), ("Nodule/Mass", None)]
    assert found.completeness()["b.png"] == "exhaustive"
    assert any("with | between" in note for note in found.notes)


def test_a_label_with_a_semicolon_is_one_label_unless_its_parts_stand_alone(data: Path) -> None:
    found = read(write(data, "image,label\na,mass; left\nb,mass\n"))
    assert found.boxes("a.png") == [("mass; left", None)] and any("one label each" in note for note in found.notes)
    found = read(write(data, "image,label\na,mass; left\nb,mass\n"), label_separator=";")
    assert found.boxes("a.png") == [("mass", None), ("left", None)]
    found = read(write(data, "image,label\na,mass;nodule\nb,mass\nc,nodule\n"))
    assert found.boxes("a.png") == [("mass", None), ("nodule", None)]


def test_several_boxes_in_one_cell(data: Path) -> None:
    text = (
        "image,label,bbox\n"
        'a.png,x,"[[1, 2, 30, 40], [5, 6, 7, 8]]"\n'
        "b.png,x|y,1 2 30 40;5 6 7 8\n"
        'c.png,x|y,"[1,2,30,40]"\n'
        'c.png,x|y|z,"[[1,2,30,40],[5,6,7,8]]"\n'
        'c.png,x,"[[1,2,30,40],[5,6,7]]"\n'
    )
    found = read(write(data, text))
    one, two = (1, 2, 30, 40), (5, 6, 7, 8)
    assert found.boxes("a.png") == [("x", one), ("x", two)]
    assert found.boxes("b.png") == [("x", one), ("y", two)]
    assert found.boxes("c.png") == [("x", one), ("y", one)], "the third is equal to the first"
    assert [(bad["row"], bad["reason"]) for bad in found.rejected] == [
        (5, "3 labels and 2 boxes: which belong together?"),
        (6, "a box needs four numbers, not 3: '5 6 7'"),
    ]


@pytest.mark.parametrize("box", ["1;2;30;40", "1|2|30|40", "1 ; 2 ; 30 ; 40", "(1) (2) (30) (40)"])
def test_one_box_with_signs_between_its_numbers(box: str, data: Path) -> None:
    found = read(write(data, f"image,label,bbox\na.png,x,{box}\n"))
    assert found.boxes("a.png") == [("x", (1, 2, 30, 40))] and not found.rejected


def test_boxes_with_names_for_their_numbers(data: Path) -> None:
    """As in the labels of SIIM-FISABIO-RSNA, which repeat the boxes and are no names."""
    boxes = "[{'x': 1, 'y': 2, 'width': 29, 'height': 38}, {'x': 5, 'y': 6, 'width': 2, 'height': 2}]"
    write(data, f'image,boxes,label\na,"{boxes}",opacity 1 1 2 30 40 opacity 1 5 6 7 8\nb,,none 1 0 0 1 1\n')
    with pytest.raises(IngestError, match="'none 1 0 0 1 1' hold the numbers of boxes: choose another column"):
        read(data)
    found = read(data, columns=("label=",), default_label="opacity")
    assert found.boxes("a.png") == [("opacity", (1, 2, 30, 40)), ("opacity", (5, 6, 7, 8))]
    assert found.completeness()["b.png"] == "exhaustive"


def test_names_of_columns_tell_the_order_of_a_box(data: Path) -> None:
    rows = "a.png,x,10,10,20,20\n"
    assert read(write(data, "image,label,x,y,w,h\n" + rows)).boxes("a.png") == [("x", (10, 10, 30, 30))]
    assert read(write(data, "image,label,cx,cy,w,h\n" + rows)).boxes("a.png") == [("x", (0, 0, 20, 20))]
    given = read(data, box_convention="xywh")
    assert given.boxes("a.png") == [("x", (10, 10, 30, 30))]
