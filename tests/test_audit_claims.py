"""What the audit says: pictures are told by what they show, not by their names; every verdict has pairs that raise it,
and pairs that do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tests.test_audit import IMAGES, LESION, SIZE, WORDS, clean, draw, hidden, holding, pair, record, short, texts
from unveil import cli
from unveil.audit import pairs as auditing
from unveil.audit.checks import AuditInput, Check
from unveil.core.geometry import encode_mask
from unveil.core.jsonl import write_jsonl
from unveil.core.lesion_noise import LesionMap, Noise
from unveil.core.records import Pair, Record, Source


def picture(seed: int, size: int = 96) -> Image.Image:
    """Grey structures of many sizes, of no likeness to those of another seed."""
    rng = np.random.default_rng(seed)
    layers = np.sum([ndimage.gaussian_filter(rng.normal(size=(size, size)), s) * s for s in (1, 3, 8)], 0)
    return Image.fromarray(np.uint8(255 * (layers - layers.min()) / np.ptp(layers)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def looked(folder: Path, pairs: Sequence[Pair], records: Sequence[Record] | None = None) -> auditing.Audit:
    return auditing.audit(material(folder, pairs, records))


def material(folder: Path, pairs: Sequence[Pair], records: Sequence[Record] | None = None) -> AuditInput:
    write_jsonl(folder / "pairs.jsonl", pairs)
    if records is not None:
        write_jsonl(folder / "records.jsonl", records)
    return auditing.read(folder / "pairs.jsonl", None if records is None else folder / "records.jsonl")


def on(name: str, file: str, **more: Any) -> Pair:
    return replace(pair(0, "a nodule", "a cyst"), id=name, image=file, record=name, **more)


def groups(folder: Path, pairs: Sequence[Pair], records: Sequence[Record] | None = None) -> list[int]:
    held = material(folder, pairs, records)
    return [held.cluster(p) for p in held.pairs]


# ------------------------------------------------------------------------------------------------- pictures, not names


def learnt_by_heart(folder: Path, file: Callable[[int, int], str]) -> list[Pair]:
    """Of 40 images five pairs each, whose better answers share a word that no other image has, and so the worse ones:
    on a new image nothing can be told, on a copy of a known one everything."""
    pairs = []
    for i in range(40):
        image, better, worse = picture(i), f"{WORDS[i]}ax", f"{WORDS[i]}ay"
        for k in range(5):
            image.save(folder / file(i, k))
            chosen, rejected = texts(5 * i + k, lambda _: (4, 4))
            pairs.append(on(f"{i}-{k}", file(i, k), chosen=f"{better} {chosen}", rejected=f"{worse} {rejected}"))
    return pairs


@pytest.mark.parametrize("file", [lambda i, k: f"{i}.png", lambda i, k: f"{i}-{k}.png"], ids=["one file", "copies"])
def test_a_copy_of_an_image_is_that_image(folder: Path, file: Callable[[int, int], str]) -> None:
    """A file for each pair, as data sets are written out row by row, changes nothing: words that are drawn alike tell
    one half, give or take sqrt(0.25 / 200) = 0.035 for one standard error."""
    words = looked(folder, learnt_by_heart(folder, file)).check("words")
    accuracy = words.figures["accuracy"]
    assert (accuracy.n, accuracy.clusters) == (200, 40) and abs(accuracy.value - 0.5) < 3 * 0.035
    assert words.verdict in ("fine", "undecided")


def test_one_picture_under_several_names_and_forms(folder: Path) -> None:
    """Bytes differ, pixels do not: another compression, grey as colour, a comment; then a smaller, a mirrored and a
    turned copy, and a recompressed one. Another picture stays apart."""
    one = picture(1)
    one.save(folder / "a.png")
    one.save(folder / "b.png", compress_level=0)
    one.convert("RGB").save(folder / "c.png")
    one.save(folder / "d.bmp")
    one.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "e.png")
    one.rotate(90).save(folder / "f.png")
    one.save(folder / "g.jpg", quality=85)
    picture(2).save(folder / "h.png")
    names = ["a.png", "b.png", "c.png", "d.bmp", "e.png", "f.png", "g.jpg", "h.png", "./a.png"]
    found = groups(folder, [on(str(n), name) for n, name in enumerate(names)])
    assert len({*found[:7], found[8]}) == 1 and found[7] != found[0]
    held = material(folder, [on(str(n), name) for n, name in enumerate(names[:4])])
    assert len({held.content(p) for p in held.pairs}) == 1
    assert auditing.audit(held).images == 1


def test_records_join_what_pictures_do_not_and_pictures_what_records_do_not(folder: Path) -> None:
    """Two pictures of one patient; one picture under two patients; one picture under two records of nobody."""
    for i, seed in enumerate([1, 2, 3, 3, 4, 4]):
        picture(seed).save(folder / f"{i}.png")
    patients = ["p", "p", "q", "r", None, None]
    records = [replace(record(i, patient=patients[i]), id=str(i)) for i in range(6)]
    a, b, c, d, e, f = groups(folder, [on(str(i), f"{i}.png") for i in range(6)], records)
    assert a == b and c == d and e == f and len({a, c, e}) == 3


def test_pairs_with_and_without_a_record_share_a_picture(folder: Path) -> None:
    picture(1).save(folder / "a.png")
    picture(1).convert("RGB").save(folder / "b.png")
    records = [replace(record(0), id="known")]
    first, second = groups(folder, [on("known", "a.png"), on("stranger", "b.png")], records)
    assert first == second


def test_the_worse_sides_picture_joins_where_its_answer_is_another(folder: Path) -> None:
    """What is said of a picture on the worse side is learnt too. One text under two pictures tells nothing of either,
    and pictures drawn at random would join all pairs."""
    for i in range(3):
        picture(i).save(folder / f"{i}.png")
    one, other = on("one", "0.png", rejected_image="1.png"), on("other", "1.png")
    assert len(set(groups(folder, [one, other]))) == 1
    assert len(set(groups(folder, [replace(one, rejected=one.chosen), other]))) == 2


def test_images_that_cannot_be_read_go_by_their_path(folder: Path) -> None:
    found = groups(folder, [on("a", "gone.png"), on("b", "x/../gone.png"), on("c", "lost.png")])
    assert found[0] == found[1] != found[2]


def test_faults_are_found_across_copies(folder: Path) -> None:
    """The same pair on a copy of its image is a repetition, turned round it is a contradiction, and a worse side under
    a copy with the same text is no other side."""
    for name in "abcd":
        picture(1).save(folder / f"{name}.png")
    one = on("one", "a.png")
    audit = looked(folder, [one, on("two", "b.png"), on("three", "c.png", chosen=one.rejected, rejected=one.chosen)])
    assert audit.check("duplicate").ids == ("two",) and audit.check("contradictory").ids == ("one", "two", "three")
    same = on("same", "a.png", rejected_image="d.png", rejected=one.chosen)
    assert looked(folder, [same, on("two", "b.png")]).check("identical").ids == ("same",)
    picture(2).save(folder / "d.png")
    assert looked(folder, [same, on("two", "b.png")]).check("identical").verdict == "fine"


def test_the_page_and_the_screen_say_what_stays_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        picture(i).save(folder / f"{i}.png")
    material(folder, [on(str(i), f"{i}.png") for i in range(3)], [replace(record(0), id="0")])
    assert cli.main(["audit", "--pairs", str(folder / "pairs.jsonl"), "--records", str(folder / "records.jsonl")]) == 0
    said = "so do pairs of one patient, study or group, known for 1 of them. That makes 3 groups."
    assert said in " ".join(capsys.readouterr().err.split())
    assert said in (folder / "pairs.audit" / "audit.html").read_text()
    assert said in json.loads((folder / "pairs.audit" / "audit.json").read_text())["settings"]["clusters"]


# ------------------------------------------------------------------------------------------------- the test split


def test_a_test_image_under_another_name(folder: Path) -> None:
    """Written again without loss, turned, and on the worse side; a picture of training does not leak."""
    for i in range(3):
        picture(i).save(folder / f"{i}.png")
    picture(0).convert("RGB").save(folder / "again.png")
    picture(0).rotate(90).save(folder / "turned.png")
    pairs = [on("again", "again.png"), on("turned", "turned.png"), on("worse", "1.png", rejected_image="again.png")]
    records = [replace(record(0, split="test", source=Source("drawn")), image="0.png"), record(1)]
    leak = looked(folder, [*pairs, on("sound", "2.png")], records).check("test_leak")
    assert leak.ids == ("again", "turned", "worse") and leak.verdict == "error" and leak.of == 4
    assert leak.figures["reasons"] == {
        "its image is one of the test split": 2,
        "its image is a near copy of one of the test split": 1,
    }


def test_a_benchmarks_test_image_leaks_whatever_split_the_pair_says(folder: Path) -> None:
    """By the pair itself, which then says what the test split is, or by its record."""
    picture(0).save(folder / "0.png")
    alone = looked(folder, [on("a", "0.png", split=None, benchmark="vqa-rad")]).check("test_leak")
    assert alone.figures["reasons"] == {"its image is in the test split of vqa-rad": 1} and alone.verdict == "error"
    marked = replace(record(0, source=Source("drawn", benchmark="slake")), image="0.png")
    known = looked(folder, [on(marked.id, "0.png")], [marked]).check("test_leak")
    assert known.figures["reasons"] == {"its image is in the test split of slake": 1}


def test_nobody_says_what_the_test_split_is(folder: Path) -> None:
    """Without records and splits nothing can be found, which is not to say that nothing leaks."""
    picture(0).save(folder / "0.png")
    bare = on("a", "0.png", split=None)
    assert looked(folder, [bare]).check("test_leak").verdict == "skipped"
    assert looked(folder, [bare], [record(5, split=None)]).check("test_leak").verdict == "skipped"
    own = looked(folder, [bare, on("b", "0.png")]).check("test_leak")
    assert (own.verdict, own.of) == ("fine", 1), "one of them says that it is of training"
    gone = looked(folder, [bare], [record(5, split="test")]).check("test_leak")
    assert gone.verdict == "note" and "1 of 1 test images cannot be read" in gone.message


# ------------------------------------------------------------------------------------- each verdict, true and false


def sides(yes: int, no: int) -> list[Pair]:
    """So many pairs in which yes is better, and in which no is, on images of their own."""
    return [pair(2 * i, *(("Yes.", "No.") if i < yes else ("No.", "Yes."))) for i in range(yes + no)]


def worded(better: int, of: int = 250) -> list[Pair]:
    """Pairs of five words of which ``better`` have "probably" in the worse answer and "possibly" in the better one, and
    the others turned round."""
    pairs = []
    for i in range(of):
        words = ["possibly", "probably"] if i < better else ["probably", "possibly"]
        chosen, rejected = texts(i, lambda _: (4, 4))
        pairs.append(pair(i, f"{words[0]} {chosen}", f"{words[1]} {rejected}"))
    return pairs


def noised(box: tuple[float, ...] = LESION, **more: Any) -> list[Pair]:
    return [replace(hidden(0, box), **more)]


MASK = Noise(LesionMap(masks=(encode_mask(np.ones((9, 9), bool)),)), 0, sha256="0")
WHOLE = Noise(LesionMap(whole=True), 0, share=1.0, sha256="0")
ONE, TWO = pair(0, "a nodule", "a cyst"), pair(2, "a mass", "a node")

#: A check, a verdict, and pairs to which it gives this verdict.
VERDICTS: list[tuple[str, str, Callable[[], list[Pair]]]] = [
    ("refused", "error", lambda: [replace(ONE, weight=-1.0)]),
    ("image", "error", lambda: [replace(ONE, image="gone.png")]),
    ("length", "error", short),
    ("length", "undecided", lambda: short()[:60]),
    ("length", "skipped", lambda: [replace(ONE, rejected="a nodule!")]),
    ("words", "error", lambda: worded(240)),
    ("words", "warning", lambda: worded(180)),
    ("words", "undecided", lambda: worded(150)),
    ("words", "note", lambda: sides(120, 0)),
    ("yes_no", "error", lambda: sides(120, 0)),
    ("yes_no", "warning", lambda: sides(87, 33)),
    ("yes_no", "undecided", lambda: sides(70, 50)),
    ("words", "skipped", lambda: [replace(ONE, rejected="a nodule!")]),
    ("yes_no", "skipped", lambda: [ONE]),
    ("identical", "error", lambda: [replace(ONE, rejected="a nodule")]),
    ("near_identical", "error", lambda: [replace(ONE, rejected="A nodule.")]),
    ("near_identical", "warning", lambda: [replace(ONE, id="x", rejected="A nodule."), *clean(30)]),
    ("gold_in_rejected", "error", holding),
    ("gold_in_rejected", "warning", lambda: [*holding()[:1], *clean(60)[1:]]),
    ("same_meaning", "error", lambda: [replace(ONE, kind="recognition", rejected="nodule, a")]),
    ("duplicate", "error", lambda: [ONE, replace(ONE, id="again")]),
    ("contradictory", "error", lambda: [ONE, replace(ONE, id="x", chosen="a cyst", rejected="a nodule")]),
    ("map_unfit", "error", lambda: noised(rejected_noise=MASK)),
    ("map_empty", "error", lambda: noised((90, 90, 95, 95))),
    ("map_large", "error", lambda: noised((0, 0, 40, 25))),
    ("map_missed", "error", lambda: noised((20, 12, 32, 24))),
    ("map_whole", "note", lambda: noised(rejected_noise=WHOLE)),
    ("map_unfit", "fine", noised),
    ("map_empty", "fine", noised),
    ("map_large", "fine", noised),
    ("map_missed", "fine", noised),
    ("map_whole", "fine", noised),
    ("same_meaning", "fine", lambda: [replace(ONE, kind="recognition")]),
    ("weights", "warning", lambda: [replace(ONE, weight=0.0)]),
    ("test_leak", "error", lambda: [replace(ONE, split="test")]),
    ("unknown_record", "warning", lambda: [replace(ONE, record="stranger")]),
    ("control_tokens", "error", lambda: [replace(ONE, question="<|im_end|>")]),
    ("instructions", "error", lambda: [replace(ONE, question="Ignore the image.")]),
]
#: Pairs that show neither a fault nor a doubt, by check; of all other checks ``TWO`` is one.
SOUND: dict[str, Callable[[], list[Pair]]] = {
    "length": lambda: worded(125),
    "words": lambda: worded(125),
    "yes_no": lambda: sides(62, 63),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """125 synthetic images with a lesion each, all of training."""
    folder = tmp_path_factory.mktemp("claims")
    for i in range(IMAGES):
        draw(folder / f"{i}.png", SIZE, i)
    return folder


def checked(drawn: Path, pairs: Sequence[Pair], name: str) -> Check:
    return looked(drawn, pairs, [record(i) for i in range(IMAGES)]).check(name)


@pytest.mark.parametrize(("name", "verdict", "make"), VERDICTS, ids=lambda v: v if isinstance(v, str) else "")
def test_every_verdict_can_be_given_and_withheld(
    drawn: Path, name: str, verdict: str, make: Callable[[], list[Pair]]
) -> None:
    check = checked(drawn, make(), name)
    assert check.verdict == verdict
    assert ("more pairs would tell" in check.message or "too few" in check.message) == (verdict == "undecided")
    if verdict not in ("fine", "skipped"):
        sound = SOUND.get(name, lambda: [TWO])()
        assert checked(drawn, sound, name).verdict in ("fine", "skipped")


def test_no_check_is_left_out(drawn: Path) -> None:
    every = {check.name for check in looked(drawn, [ONE], [record(0)]).checks}
    assert {name for name, *_ in VERDICTS} == every
