"""What a page is told and what it may say: nothing that is hidden is sent, and a decision says what was shown.

Records r0 to r4 have an ulcer in [10, 8, 30, 28] of 64 x 48 pixels; pairs are "yes N" against "no N".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.pages import write_answers, write_pairs, write_records
from unveil import cli
from unveil.core.access import AccessError
from unveil.core.decisions import Annotation, read_decisions
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Access, Record, Source
from unveil.review import runs, trying
from unveil.review.journal import Conflict
from unveil.review.options import ReviewOptions, RunsOptions, TryOptions
from unveil.review.review import opened
from unveil.review.room import ReviewRoom, Sent
from unveil.review.server import Refused, Unknown


def options(what: Path, **more: Any) -> ReviewOptions:
    return ReviewOptions(what=what, out=what.parent / "reviews.jsonl", reviewers=("anna", "ben"), **more)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[ReviewRoom]:
    with opened(options(write_records(tmp_path), order="file", readings=2)) as made:
        yield made


def sent(room: ReviewRoom, number: int, reviewer: str = "anna", **more: Any) -> Sent:
    """A decision upon what is shown."""
    item = room.show(reviewer, number)
    return Sent(**{"verdict": "accept", "revision": item["revision"], "sha256": item["sha256"]} | more)


def test_a_decision_tells_what_was_shown_and_what_was_changed(room: ReviewRoom) -> None:
    moved = Annotation("polyp", (11.0, 9.0, 31.5, 29.0), finding=0)
    texts = {"report": "A polyp."}
    room.decide("anna", 0, sent(room, 0, verdict="edit", marks=(moved,), texts=texts, reasons=("wrong-finding",)))
    [kept] = read_decisions(room.journal.path)
    assert kept.before == (Annotation("ulcer", (10.0, 8.0, 30.0, 28.0), finding=0),) and kept.after == (moved,)
    assert (kept.texts_before, kept.texts) == ({"report": "An ulcer, number 0."}, texts)
    assert (kept.width, kept.height, kept.why, kept.reasons) == (64, 48, "in the file's order", ("wrong-finding",))
    again = room.show("anna", 0)
    assert again["revision"] == 1 and again["decision"]["verdict"] == "edit"


def test_texts_as_they_were_are_no_change(room: ReviewRoom) -> None:
    room.decide("anna", 0, sent(room, 0, texts={"report": "An ulcer, number 0."}))
    [kept] = read_decisions(room.journal.path)
    assert kept.texts == {} and kept.after is None


def test_what_has_a_field_can_be_changed(tmp_path: Path) -> None:
    """The page sends back all texts with fields."""
    pairs, records = write_pairs(tmp_path), write_records(tmp_path)
    for what, more in ((pairs, {"records": records}), (records, {})):
        with opened(options(what, readings=2, **more)) as room:
            for text in room.show("anna", 0)["texts"]:
                assert bool(text["field"]) is text["editable"]
                if text["editable"]:
                    room.decide("anna", 0, sent(room, 0, verdict="edit", texts={text["field"]: "other"}))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"marks": (Annotation(" ", (1.0, 1.0, 2.0, 2.0)),)}, "needs a name"),
        ({"marks": (Annotation("ulcer", (50.0, 1.0, 90.0, 20.0)),)}, "leads outside the image"),
        ({"marks": (Annotation("ulcer", (5.0, 5.0, 5.0, 20.0)),)}, "zero-area"),
        ({"marks": (Annotation("ulcer", polygon=((1.0, 1.0), (2.0, 2.0))),)}, "3 to"),
        ({"marks": (Annotation("ulcer", (1.0, 1.0, 2.0, 2.0), finding=7),)}, "no finding 7"),
        ({"marks": (Annotation("ulcer", (1.0, 1.0, 2.0, 2.0)),) * 1001}, "1000 marks"),
        ({"texts": {"patient": "x"}}, "no text 'patient'"),
        ({"texts": {"report": "x" * 20_001}}, "20000 characters"),
        ({"comment": "x" * 20_001}, "20000 characters"),
        ({"severity": 6}, "1 to 5"),
        ({"preferred": "left"}, "only sides of a pair"),
        ({"sha256": "0"}, "was changed in its file"),
    ],
)
def test_what_cannot_be_a_decision_is_refused(room: ReviewRoom, said: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        room.decide("anna", 0, sent(room, 0, **said))
    assert read_decisions(room.journal.path) == []


def test_an_outline_has_the_box_around_it(room: ReviewRoom) -> None:
    drawn = Annotation("ulcer", polygon=((10.0, 10.0), (20.0, 10.0), (15.0, 30.0)))
    room.decide("anna", 0, sent(room, 0, verdict="edit", marks=(drawn,)))
    [kept] = read_decisions(room.journal.path)
    assert kept.after and kept.after[0].box == (10.0, 10.0, 20.0, 30.0)


def test_a_second_tab_stands_upon_what_it_was_shown(room: ReviewRoom) -> None:
    late = sent(room, 0, verdict="reject")
    room.decide("anna", 0, sent(room, 0))
    with pytest.raises(Conflict):
        room.decide("anna", 0, late)
    room.decide("ben", 0, sent(room, 0, "ben", verdict="reject"))  # another reader's word is another
    assert [(d.reviewer, d.verdict) for d in room.journal.decisions] == [("anna", "accept"), ("ben", "reject")]


def test_counts_follow_decisions_and_what_is_taken_back(room: ReviewRoom) -> None:
    for number in (0, 2):
        room.decide("anna", number, sent(room, number))
    session = room.session("anna")
    assert (session["decided"], session["first"], session["total"], room.session("ben")["decided"]) == (2, 1, 5, 0)
    assert [e["number"] for e in room.queue("anna", 0, 9, "todo")["entries"]] == [1, 3, 4]
    room.decide("anna", 0, sent(room, 0, verdict="withdraw"))
    assert room.session("anna")["decided"] == 1 == room.summary("anna")["decided"]
    assert room.show("anna", 0)["decision"] is None and room.show("anna", 0)["revision"] == 2


def test_the_queue_is_told_in_pieces(room: ReviewRoom) -> None:
    first = room.queue("anna", 0, 2)
    assert [e["number"] for e in first["entries"]] == [0, 1] and first["next"] == 2
    assert room.queue("anna", 2, 3)["next"] is None and room.queue("anna", 5, 3)["entries"] == []
    assert room.queue("anna", 0, 9, "random") == {"entries": [], "next": None, "reasons": ["in the file's order"]}
    assert room.find("anna", 3)["place"] == 3


def test_the_queue_is_told_by_verdict_and_backwards(room: ReviewRoom) -> None:
    """r0 accepted, r2 and r4 rejected, of which r4 is taken back: what is to do are r1, r3 and r4."""
    for number, verdict in ((0, "accept"), (2, "reject"), (4, "reject"), (4, "withdraw")):
        room.decide("anna", number, sent(room, number, verdict=verdict))
    told = {which: [e["number"] for e in room.queue("anna", 0, 9, which)["entries"]] for which in ("accept", "reject")}
    assert told == {"accept": [0], "reject": [2]}
    back = room.queue("anna", 3, 1, "todo", back=True)
    assert ([e["number"] for e in back["entries"]], back["next"]) == ([3], 1)
    assert room.queue("anna", 0, 1, "todo", back=True) == {**back, "entries": [], "next": None}
    assert [e["number"] for e in room.queue("anna", 99, 9, back=True)["entries"]] == [4, 3, 2, 1, 0]
    assert room.queue("ben", 0, 9, "reject")["entries"] == []


def test_places_of_an_answer_are_in_pixels_and_the_truth_is_told_after_a_blind_decision(tmp_path: Path) -> None:
    """.5 .5 .75 .75 of 64 x 48 is [32, 24, 48, 36]; without records the size is the image's own."""
    records = write_records(tmp_path)
    asked, answers = write_answers(tmp_path)
    for known in (records, None):
        config = options(answers, records=known, dialogues=asked, blind=True, readings=2, order="file")
        with opened(replace(config, out=tmp_path / f"{known is None}.jsonl")) as room:
            item = room.show("anna", 0)
            assert [(m["label"], m["box"]) for m in item["said"]][1:] == [("polyp", [32, 24, 48, 36])]
            assert item["said"][0]["label"] == "ulcer" and item["truth"] == []
            after = room.decide("anna", 0, sent(room, 0))
            assert [(m["label"], m["box"]) for m in after["truth"]] == [("ulcer", [10, 8, 30, 28])]


def test_an_answer_about_an_image_that_cannot_be_read_is_shown(tmp_path: Path) -> None:
    """Without its places, whose pixels are not known; of the image the page asks by itself."""
    write_records(tmp_path, 2)
    asked, answers = write_answers(tmp_path)
    (tmp_path / "0.png").write_bytes(b"\x89PNG no more")
    with opened(options(answers, dialogues=asked, readings=2, order="file")) as room:
        assert room.show("anna", 0)["said"] == [] and len(room.show("anna", 1)["said"]) == 2


def test_who_is_not_shown_an_item_is_told_nothing_of_it(tmp_path: Path) -> None:
    """Of one reading each, anna has r0 and ben has r1."""
    with opened(options(write_records(tmp_path), order="file")) as room:
        assert [room.show(name, n)["name"] for name, n in (("anna", 0), ("ben", 1))] == ["item 1", "item 2"]
        asks: list[Any] = [
            lambda: room.show("anna", 1), lambda: room.find("anna", 1), lambda: room.draft("anna", 1, {}),
            lambda: room.find("anna", 99), lambda: room.show("anna", -1), lambda: room.show("anna", 99),
        ]  # fmt: skip
        for ask in asks:
            with pytest.raises(Unknown):
                ask()


def test_names_of_people_and_files_are_told_only_where_that_was_asked_for(tmp_path: Path) -> None:
    file = write_records(tmp_path)
    for shown in (False, True):
        with opened(options(file, show_identifiers=shown)) as room:
            told = json.dumps(
                [
                    room.session("anna"),
                    room.queue("anna", 0, 9),
                    room.show("anna", room.queue("anna", 0, 1)["entries"][0]["number"]),
                ]
            )
            assert ("NAME" in told) is shown


def test_sides_are_hidden_until_the_answer_is_saved(tmp_path: Path) -> None:
    """Which one is the chosen one is not sent; the order is drawn for each item and reader, and stays."""
    with opened(options(write_pairs(tmp_path), records=write_records(tmp_path), blind=True, readings=2)) as room:
        orders = {}
        for number in range(20):
            item = room.show("anna", number)
            left, right = (text for text in item["texts"] if text["field"] in ("left", "right"))
            assert (left["title"], right["title"]) == ("", "")
            orders[number] = left["text"].startswith("yes")
            assert room.show("anna", number)["texts"] == item["texts"]
        assert 3 < sum(orders.values()) < 17
        assert orders != {n: room.show("ben", n)["texts"][1]["text"].startswith("yes") for n in range(20)}
        number = next(n for n, chosen_left in orders.items() if not chosen_left)
        assert {e["why"] for e in room.queue("anna", 0, 20)["entries"]} == {""} and room.queue("anna", 0, 9)[
            "reasons"
        ] == []
        after = room.decide("anna", number, sent(room, number, preferred="left", texts={"left": "never"}))
        assert {text["title"] for text in after["texts"]} == {"Question", "Chosen", "Rejected"}
        [kept] = read_decisions(room.journal.path)
        assert (kept.order, kept.preferred, kept.blinded) == (("rejected", "chosen"), "rejected", True)
        assert (kept.texts_before, kept.texts) == ({"rejected": f"no {number}"}, {"rejected": "never"})


def test_a_decision_made_anew_is_not_blind(tmp_path: Path) -> None:
    """The first one was, and told what was hidden."""
    with opened(options(write_pairs(tmp_path), records=write_records(tmp_path), blind=True, readings=2)) as room:
        for verdict in ("skip", "accept"):
            room.decide("anna", 0, sent(room, 0, verdict=verdict))
        assert [d.blinded for d in read_decisions(room.journal.path)] == [True, False]


def test_a_map_is_told_where_there_is_one_and_not_before_a_blind_decision(tmp_path: Path) -> None:
    """Values count from 0 to their largest; half of the attention on a quarter of the area is twice as much."""
    row = {"id": "r0/diagnosis", "record": "r0", "cluster": "c", "model": "sft", "share": 0.5, "even": 0.25}
    write_jsonl(tmp_path / "attention.jsonl", [row | {"map": [[0.0, 0.2], [0.4, 0.1]]}])
    for blind in (False, True):
        config = options(write_records(tmp_path), readings=2, attention=tmp_path / "attention.jsonl", blind=blind)
        with opened(replace(config, out=tmp_path / f"{blind}.jsonl")) as room:
            assert (room.show("anna", 0)["map"], room.show("anna", 1)["map"]) == (not blind, False)
            with pytest.raises(Unknown):
                room.map("anna", 0 if blind else 1)
            room.decide("anna", 0, sent(room, 0))
            told = room.map("anna", 0)
            assert (told["values"], told["width"], told["mass"], told["ratio"]) == ([0, 0.5, 1, 0.25], 2, 0.5, 2)
    write_jsonl(tmp_path / "attention.jsonl", [row | {"map": [[0.0], [0.4, 0.1]]}])
    with pytest.raises(ValueError, match="no table of numbers"), opened(config):
        pass


def test_drafts_are_there_at_the_next_start_until_they_are_decided(tmp_path: Path) -> None:
    config = options(write_records(tmp_path), order="file", readings=2)
    with opened(config) as room:
        room.draft("anna", 0, {"comment": "begun"})
    with opened(config) as room:
        assert room.show("anna", 0)["draft"] == {"comment": "begun"} and room.show("ben", 0)["draft"] is None
        assert room.drafts and room.drafts.path.stat().st_mode & 0o777 == 0o600
        room.decide("anna", 0, sent(room, 0))
        assert room.show("anna", 0)["draft"] is None
    with opened(config) as room:
        assert room.show("anna", 0)["draft"] is None and room.session("anna")["first"] == 1


def test_an_item_that_was_changed_in_its_file_is_not_decided_as_it_was(tmp_path: Path) -> None:
    file = write_records(tmp_path, 1)
    with opened(options(file, readings=2)) as room:
        late = sent(room, 0)
        row = file.read_text()
        with file.open("r+") as same:
            same.write(row.replace("ulcer, number 0", "ulcer, number 9"))
        with pytest.raises(Refused, match="was changed"):
            room.decide("anna", 0, late)


def test_the_share_of_errors_is_told_by_the_random_sample_alone(tmp_path: Path) -> None:
    """Of three at random one is rejected: 33 %, exact interval from 1 to 91 %."""
    with opened(options(write_records(tmp_path), order="random", readings=2)) as room:
        for number, verdict in ((0, "accept"), (1, "reject"), (2, "accept"), (3, "skip")):
            room.decide("anna", number, sent(room, number, verdict=verdict))
        told = room.summary("anna")
        assert told["sampled"] == (
            "Of 3 drawn at random 1 were corrected or rejected: 33% of the file, 95 % interval 1% to 91%."
        )
        assert told["verdicts"] == {"accept": 2, "reject": 1, "skip": 1}
        first, second = told["commands"]
        assert first.startswith("unveil curate corrections --reviews") and second.startswith("unveil run --data")


def test_a_file_of_rows_in_several_kinds_says_which_it_is_not(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "strange.jsonl", [{"a": 1}])
    with pytest.raises(ValueError, match="neither a record, a dialogue, a pair nor a prediction"):
        opened(options(tmp_path / "strange.jsonl")).__enter__()
    write_jsonl(tmp_path / "twice.jsonl", [Record("r", "r.png", 1, 1)] * 2)
    with pytest.raises(ValueError, match="occurs more than once"):
        opened(options(tmp_path / "twice.jsonl")).__enter__()


OTHERS = "0.0.0.0"
CLOSED = r"--host 0.0.0.0 shows them to other machines, and not all data are said to be open: "


@pytest.mark.parametrize("access", [None, "dua", "credentialed", "open"])
def test_data_that_are_not_open_are_shown_to_other_machines_only_where_that_was_asked_for(
    tmp_path: Path, access: Access | None
) -> None:
    """On this machine they are a file of whoever started the command."""
    rows = [replace(row, source=Source("set", access=access)) for row in read_jsonl(write_records(tmp_path, 2), Record)]
    open_one = replace(rows[0], id="o", source=Source("other", access="open"))
    write_jsonl(tmp_path / "records.jsonl", [*rows, open_one])
    for host, restricted in (("127.0.0.1", False), (OTHERS, True), (OTHERS if access == "open" else "::1", False)):
        with opened(options(tmp_path / "records.jsonl", host=host, restricted=restricted)):
            pass
    if access != "open":
        told = rf"{CLOSED}set \({access or 'unknown'}, 2 images\);.*--restricted shows them all the same"
        with pytest.raises(AccessError, match=told), opened(options(tmp_path / "records.jsonl", host=OTHERS)):
            pass
        with (
            pytest.raises(AccessError, match=told),
            trying.opened(TryOptions(model="none", records=tmp_path / "records.jsonl", host=OTHERS)),
        ):
            pass


def test_rows_without_records_and_runs_are_not_known_to_be_open(tmp_path: Path) -> None:
    """Of pairs the images count: all are about one of them."""
    told = rf"{CLOSED}without a record \(unknown, 1 images\)"
    with pytest.raises(AccessError, match=told), opened(options(write_pairs(tmp_path), host=OTHERS)):
        pass
    shown = RunsOptions(folder=tmp_path, host=OTHERS)
    with pytest.raises(AccessError, match="--restricted shows it"), runs.opened(shown):
        pass
    with runs.opened(RunsOptions(folder=tmp_path, host=OTHERS, restricted=True)):
        pass


def test_the_command_shows_closed_data_to_nobody_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unveil.review.server.serve", lambda *_: pytest.fail("it was served"))
    assert cli.main(["review", str(write_records(tmp_path, 1)), "--no-browser", "--host", OTHERS]) == 1
    assert "not all data are said to be open: set (unknown, 1 images)" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.glob("*reviews.jsonl"))


def test_the_commands_go_on_with_all_settings_of_the_run(tmp_path: Path) -> None:
    run = tmp_path / "my run"
    (run / "data").mkdir(parents=True)
    records = write_records(run / "data")
    write_jsonl(records, [replace(record, split="train") for record in read_jsonl(records, Record)])
    for file, settings in (("", ""), ("run.json", f" --format records --config '{run / 'run.json'}'")):
        if file:
            (run / file).write_text("{}")
        with opened(replace(options(run), out=run / "reviews.jsonl", split=())) as room:
            second = room.summary("anna")["commands"][1]
        corrected, out = run / "corrected" / "records.jsonl", tmp_path / "my run-corrected"
        assert second == f"unveil run --data '{corrected}' --out '{out}'{settings}"
