"""A data folder: what is in it, which image a written path means, what links lead to."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.annotated import BOXES, coco, draw, run, write_csv, xml
from tests.helpers.images import dicom
from unveil.core import digests, geometry, provenance
from unveil.ingest import ingest
from unveil.ingest.files import listing
from unveil.ingest.lookup import Index
from unveil.ingest.reading import AnnotationError, IngestError

ROWS = "image,label,x1,y1,x2,y2\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def index(root: Path, *names: str) -> Index:
    paths = [root / name for name in names]
    return Index(root, paths, paths, (".png",))


# Which image is meant


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("/home/me/set/images/a.png", "images/a.png"),
        ("C:\\Users\\me\\images\\a.png", "images/a.png"),
        ("../../images/a.png", "images/a.png"),
        ("images/1/a.png", "images/a.png"),
        ("file:///mnt/x/a%20b.png", "images/a b.png"),
        ("/data/upload/1/1f2e3d4c-a.png", "images/a.png"),
        ("/data/local-files/?d=set/images/a.png", "images/a.png"),
        ("https://host/images/a.png?token=1", "images/a.png"),
        ("IMAGES/A.PNG", "images/a.png"),
        ("a", "images/a.png"),
        ("p1/001.png", "p1/001.png"),
        ("/elsewhere/p2/001.png", "p2/001.png"),
        (unicodedata.normalize("NFD", "lésion.png"), "lésion.png"),
    ],
)
def test_a_written_path_is_found_by_its_end(written: str, found: str) -> None:
    root = Path("/set")
    names = "images/a.png", "images/a b.png", "p1/001.png", "p2/001.png", "lésion.png"
    assert index(root, *names).find(written, root) == root / found


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("001.png", r"several images are called '001.png' \(p1/001.png, p2/001.png\)"),
        ("p3/002.png", "p1/002.png lies in another folder"),
        ("p2/002.png", "p1/002.png lies in another folder"),
        ("../../etc/passwd", "no image"),
        ("2019-002.png", "no image"),
        ("fe-002.png", "no image"),
        ("", "empty"),
    ],
)
def test_a_path_that_means_nothing_or_several(written: str, reason: str) -> None:
    with pytest.raises(AnnotationError, match=reason):
        index(Path("/set"), "p1/001.png", "p2/001.png", "p1/002.png").find(written, Path("/set"))


def test_images_that_are_all_called_alike_are_no_others() -> None:
    """Of the case c nothing is here; that others are called so too is not what is amiss."""
    root = Path("/data")
    with pytest.raises(AnnotationError, match=r"^no image .*c/source.jpg.; several images are called .source.jpg."):
        index(root, "imgs/a/source.jpg", "imgs/b/source.jpg").find("imgs/c/source.jpg", root)


def test_two_paths_never_mean_one_image() -> None:
    """Of 001.png of two patients only one is here: whose it is cannot be told."""
    found = index(Path("/set"), "001.png").find_all(["x/p1/001.png", "x/p2/001.png"], Path("/set"))
    assert all(isinstance(place, AnnotationError) for place in found.values())


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        ("", True), ("p1", True), ("labels", True), ("labels/p2", True), ("p1/labels", True),
        ("p2", False), ("p2/labels", False), ("train", True), ("train/csv", True),
    ],
)  # fmt: skip
def test_a_name_alone_is_not_of_another_patient(annotation: str, found: bool) -> None:
    """Of 001.png only p1's is here. Among p2's images it is p2's that is missing; what lies among none is of all."""
    root, notes = Path("/set"), list[tuple[str, str]]()
    paths = [root / name for name in ("p1/001.png", "p2/002.png", "test/003.png")]
    names = Index(root, paths, paths, (".png",), lambda text, example: notes.append((text, example)))
    if found:
        assert names.find("001.png", root / annotation) == names.find("x/001.png", root / annotation) == paths[0]
        outside = annotation not in ("", "p1")
        assert [example for text, example in notes if "names alone" in text] == ["p1/001.png"] * outside
    else:
        with pytest.raises(AnnotationError, match=r"p1/001\.png lies in another folder"):
            names.find("001.png", root / annotation)
    with pytest.raises(AnnotationError, match=r"test/003\.png lies in another folder"):
        names.find("003.png", root / "train/csv")
    assert names.candidates("003.png") == [paths[2]]


def test_a_prefix_of_label_studio_is_told(data: Path) -> None:
    draw(data / "a.png")
    (data / "l.csv").write_text(ROWS + "1f2e3d4c-a.png,x,1,1,9,9\n")
    summary, (record,), _ = run(data.parent, "csv")
    assert record.source.file == "a.png" and any("Label Studio" in note and "a.png" in note for note in summary.notes)


@pytest.mark.parametrize(("other", "named"), [("p1", "p2"), ("test", "train")])
@pytest.mark.parametrize("format", ["voc", "coco", "csv"])
def test_a_box_of_a_missing_image_is_not_given_to_another(format: str, other: str, named: str, data: Path) -> None:
    """Only 001.png of the other patient, or split, is here. It may be meant, so it is no negative."""
    draw(data / other / "001.png")
    draw(data / named / "002.png", seed=1)
    for folder, image, boxes in ((other, "001.png", []), (named, "001.png", BOXES[:1]), (named, "002.png", BOXES[:1])):
        if format == "voc":
            (data / folder / f"{image}.xml").write_text(xml(image, boxes))
        elif format == "coco":
            annotations = [{"image_id": 7, "category_id": 0, "bbox": [4, 2, 16, 10]}] if boxes else []
            (data / folder / f"{image}.json").write_text(json.dumps(coco(image) | {"annotations": annotations}))
        else:
            row = "nodule,4,2,20,12" if boxes else "No finding,,,,"
            (data / folder / f"{image}.csv").write_text(f"{ROWS}{image},{row}\n")
    _, records, rejected = run(data.parent, format)
    found = {r.source.file: (len(r.findings), r.completeness) for r in records}
    assert found[f"{other}/001.png"] == (0, "partial") and found[f"{named}/002.png"][0] == 1 and len(rejected) == 1


def test_images_in_a_folder_of_their_own(data: Path) -> None:
    draw(data.parent / "pictures/deep/a.png")
    (data / "l.csv").write_text(ROWS + "a.png,x,1,1,9,9\n")
    with pytest.raises(IngestError, match="no image"):
        run(data.parent, "csv")
    _, (record,), _ = run(data.parent, "csv", images=data.parent / "pictures")
    assert record.source.file == "deep/a.png"


@pytest.mark.parametrize("folder", ["", "images/deep/"])
def test_dicom_without_an_ending(folder: str, data: Path) -> None:
    """Scanners call files IM000001; what they are is in their bytes 128 to 132."""
    (data / folder).mkdir(parents=True, exist_ok=True)
    dicom(data / f"{folder}IM000001", np.zeros((20, 40), np.uint8))
    (data / f"{folder}NOTES").write_text("no image" * 30)
    (data / "l.csv").write_text(ROWS + "IM000001,x,1,1,9,9\n")
    _, (record,), rejected = run(data.parent, "auto")
    assert (record.source.file, record.size, rejected) == (f"{folder}IM000001", (40, 20), [])


# Links, pipes, devices


def test_linked_folders_are_followed_once(data: Path) -> None:
    """images -> a folder elsewhere, which holds a link back to itself and one to the data folder."""
    elsewhere = data.parent / "elsewhere"
    draw(elsewhere / "a.png")
    (elsewhere / "again").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(data)
    (data / "images").symlink_to(elsewhere)
    (data / "up").symlink_to(data.parent)
    (data / "l.csv").write_text(ROWS + "images/a.png,x,1,1,9,9\n")
    summary, (record,), rejected = run(data.parent, "csv")
    assert record.source.file == "images/a.png"
    assert any("linked folders are followed" in note and str(elsewhere) in note for note in summary.notes)
    assert [(r["file"], "holds the data folder" in r["reason"]) for r in rejected] == [("up", True)]
    with pytest.raises(IngestError, match="no image"):
        run(data.parent, "csv", links="none")


def test_nothing_but_regular_files_is_opened(data: Path) -> None:
    write_csv(data)
    os.mkfifo(data / "c.png")
    (data / "d.png").symlink_to("/dev/zero")
    (data / "e.png").symlink_to("e.png")
    (data / "f").symlink_to("/dev")
    (data / "g.png").symlink_to("/etc/hostname")
    summary, _, rejected = run(data.parent, "csv")
    said = {r["file"]: r["reason"] for r in rejected}
    assert summary.records == 2 and said.keys() == {"c.png", "d.png", "e.png", "f", "g.png"}
    reasons = ["a named pipe", "a device", "leads nowhere", "of the system", "outside"]
    assert all(reason in said[name] for name, reason in zip(sorted(said), reasons, strict=True))
    assert data.resolve() / "g.png" in listing(data.resolve(), "all").files


def test_what_is_refused_is_no_annotation_row_and_costs_no_run(data: Path) -> None:
    write_csv(data)
    for n in range(9):
        os.mkfifo(data / f"p{n}.png")
    summary, _, _ = run(data.parent, "csv", allow_rejected=0.1)
    assert [(reason.rows, reason.entries) for reason in summary.reasons] == [(0, 9)]


@pytest.mark.parametrize(
    ("format", "name", "partial"),
    [("voc", "a.xml", "a"), ("voc", "z.xml", ""), ("coco", "a.json", "a"), ("csv", "z.csv", ""), ("csv", "a.xml", "-")],
)
def test_what_a_refused_file_is_called_as_is_no_negative(format: str, name: str, partial: str, data: Path) -> None:
    """Of the others it is said that they may hold annotations, if the format has such files."""
    for seed, stem in enumerate("abc"):
        draw(data / f"{stem}.png", seed=seed)
    images = [{"id": n, "file_name": f"{stem}.png"} for n, stem in enumerate("abc")]
    (data / "l.json").write_text(json.dumps(coco() | {"images": images, "annotations": []}))
    (data / "l.csv").write_text("image,label\na,\nb,\nc,\n")
    for stem in "abc":
        (data / f"of_{stem}.xml").write_text(xml(f"{stem}.png", []))
    (data / name).symlink_to("/etc/hostname")
    summary, records, _ = run(data.parent, format)
    assert "".join(Path(r.image).stem for r in records if r.completeness == "partial") == partial.strip("-")
    assert any("refused unopened" in note and name in note for note in summary.notes) is (partial != "-")


# Text that is not UTF-8


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le-bom"])
@pytest.mark.parametrize("format", ["csv", "coco", "voc"])
def test_marked_encodings_are_recognised(format: str, encoding: str, data: Path) -> None:
    draw(data / "a.png")
    text = {
        "csv": ROWS + "a.png,lésion,4,2,20,12\n",
        "coco": json.dumps(coco(), ensure_ascii=False).replace("nodule", "lésion"),
        "voc": xml("a.png", [("lésion", BOXES[0][1])]),
    }[format]
    name = {"csv": "l.csv", "coco": "l.json", "voc": "a.xml"}[format]
    coded = b"\xff\xfe" + text.encode("utf-16-le") if encoding.endswith("bom") else text.encode(encoding)
    (data / name).write_bytes(coded)
    _, (record,), rejected = run(data.parent, "auto")
    assert record.findings[0].label == "lésion" and rejected == []


def test_other_encodings_are_said(data: Path) -> None:
    draw(data / "a.png")
    draw(data / "b.png", seed=1)
    (data / "l.csv").write_bytes((ROWS + "a.png,lésion,4,2,20,12\nb.png,mass,4,2,20,12\n").encode("latin-1"))
    _, records, rejected = run(data.parent, "csv")
    assert [r.findings[0].label for r in records] == ["mass"] and "--encoding" in rejected[0]["reason"]
    _, records, rejected = run(data.parent, "csv", encoding="latin-1")
    assert [r.findings[0].label for r in records] == ["lésion", "mass"] and rejected == []
    with pytest.raises(IngestError, match="no such encoding"):
        run(data.parent, "csv", encoding="latin-one")


# The picture as it is shown


def turned(path: Path) -> None:
    """Stored as 40 x 20, shown as 20 x 40: orientation 6, a quarter turn clockwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((20, 40), np.uint8)).save(path, exif=exif)


@pytest.mark.parametrize(
    ("stated", "options", "box"),
    [
        ((20, 40), {}, (4, 2, 14, 12)),
        ((40, 20), {}, (8, 4, 18, 14)),
        (None, {}, (4, 2, 14, 12)),
        (None, {"orientation": "stored"}, (8, 4, 18, 14)),
    ],
)
@pytest.mark.parametrize("format", ["coco", "voc", "csv"])
def test_boxes_of_turned_pictures(
    format: str, stated: tuple[int, int] | None, options: dict[str, Any], box: tuple[int, ...], data: Path
) -> None:
    """A quarter turn clockwise takes (x, y) of a picture 20 high to (20 - y, x): the corners 4, 2 and 14, 12 to
    x from 20 - 12 = 8 to 20 - 2 = 18 and y from 4 to 14."""
    turned(data / "a.jpg")
    width, height = stated or (0, 0)
    if format == "coco":
        entry = {"id": 1, "file_name": "a.jpg"} | ({"width": width, "height": height} if stated else {})
        square = [[4, 2, 14, 2, 14, 12, 4, 12]]
        annotations = [{"image_id": 1, "category_id": 0, "bbox": [4, 2, 10, 10], "segmentation": square}]
        (data / "l.json").write_text(json.dumps(coco() | {"images": [entry], "annotations": annotations}))
    elif format == "voc":
        (data / "a.xml").write_text(xml("a.jpg", [("x", (4, 2, 14, 12))], (width, height)))
    elif stated:
        (data / "l.csv").write_text(f"image,width,height,{ROWS[6:]}a.jpg,{width},{height},x,4,2,14,12\n")
    else:
        (data / "l.csv").write_text(ROWS + "a.jpg,x,4,2,14,12\n")
    summary, (record,), _ = run(data.parent, "auto", **options)
    finding = record.findings[0]
    assert (record.size, finding.box) == ((20, 40), box)
    assert any("EXIF orientation" in note for note in summary.notes)
    if format == "coco":
        rows, columns = np.nonzero(geometry.decode_mask(finding.mask or {}))
        assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == box


def test_a_run_within_its_data_is_none_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an interrupted run has left there, the data are as they were, and what it has read is kept."""
    write_csv(tmp_path)
    monkeypatch.chdir(tmp_path)
    given = listing(tmp_path).files
    out = Path("runs/mine")
    config = ingest.Config(data=Path(), out=out / "data")
    read: list[int] = []

    def work(asked: ingest.Config) -> None:
        read.append(1)
        ingest.main(asked)

    for _ in range(2):
        with (
            pytest.raises(KeyboardInterrupt),
            provenance.output(out, "run", config, [], ("report.html",), derived=True),
        ):
            provenance.stage("ingest", config, [Path()], work)
            (out / "sft" / "checkpoints").mkdir(parents=True, exist_ok=True)
            draw(out / "sft" / "picture.png")
            (out / "sft" / "checkpoints" / "config.json").write_text("{}")
            raise KeyboardInterrupt
    assert read == [1]
    with provenance.output(out, "run", config, [], ("report.html",), derived=True):
        assert listing(tmp_path).files == given
    (out / "run.json").write_text('{"of": "another program"}')
    assert listing(tmp_path).files != given, "whatever others have made may be data"


def test_an_ingestion_that_failed_within_its_data_leaves_them_as_they_were(tmp_path: Path) -> None:
    before = digests.digest(tmp_path, tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "rejected.jsonl").write_text("{}")
    assert digests.digest(tmp_path, tmp_path / "out") == before
