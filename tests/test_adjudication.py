"""Who decides where readers differ: her queue grows while they read, she sees what they said, and her word stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.helpers.annotated import draw
from tests.helpers.reviewed import corrected
from unveil.core.decisions import Annotation, read_decisions
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Finding, Pair, Record, RecordError
from unveil.review import journal, queue, review, server
from unveil.review.adjudication import Disputed
from unveil.review.items import Items
from unveil.review.options import ReviewOptions
from unveil.review.room import ReviewRoom, Sent

MASS = Finding("mass", (4.0, 2.0, 20.0, 12.0))
ROWS = [Record(f"r{n}", "a.png", 40, 20, patient=f"p{n}", split="train", findings=(MASS,)) for n in range(3)]
PAIR = Pair("p", "r0", "a.png", "train", "open", "What is it?", "A mass.", "A cyst.")


class Ward:
    """Anna and ben read each item, carla decides where they differ."""

    def __init__(self, items: Items, kept: journal.ReviewJournal, **more: Any) -> None:
        config = ReviewOptions(what=items.path, reviewers=("anna", "ben"), readings=2, adjudicator="carla", **more)
        dealt = queue.dealt(queue.as_in_file(range(len(items))), config.reviewers, 2)
        carla = Disputed("carla", kept.decisions, items.rows.number, items.hash)
        self.room = ReviewRoom(items, kept, {**dealt, "carla": carla}, config)

    def says(self, who: str, number: int, verdict: Any = "accept", **known: Any) -> dict[str, Any]:
        shown = self.room.show(who, number)
        return self.room.decide(who, number, Sent(verdict, shown["revision"], shown["sha256"], **known))

    def differ(self) -> list[tuple[int, str]]:
        return [(one["number"], one["why"]) for one in self.room.queue("carla", 0, 9)["entries"]]


@pytest.fixture
def ward(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ward]:
    known = dict(getattr(request, "param", {}))
    rows = known.pop("rows", ROWS)
    draw(tmp_path / "data/a.png")
    write_jsonl(tmp_path / "data/rows.jsonl", rows)
    with closing(Items(tmp_path / "data/rows.jsonl")) as items, journal.opened(tmp_path / "reviews.jsonl") as kept:
        yield Ward(items, kept, **known)


def test_her_queue_grows_while_they_read(ward: Ward) -> None:
    """Boxes of IoU 0.75 are one place; a verdict, a name and a box elsewhere are not."""
    mark = Annotation("mass", MASS.box, finding=0)
    ward.says("anna", 0)
    assert ward.differ() == [] and ward.room.session("carla")["total"] == 0
    ward.says("ben", 0, "reject")
    assert ward.differ() == [(0, "readers differ: verdict")]
    ward.says("ben", 2, "edit", marks=(replace(mark, box=(4.0, 2.0, 16.0, 12.0)),))
    ward.says("anna", 2, "edit", marks=(mark,))
    assert ward.differ() == [(0, "readers differ: verdict")]
    ward.says("anna", 1, "edit", marks=(replace(mark, label="cyst"),))
    ward.says("ben", 1, "edit", marks=(mark,))
    assert ward.differ() == [(0, "readers differ: verdict"), (1, "readers differ: names")]
    ward.says("anna", 2, "edit", marks=(replace(mark, box=(24.0, 2.0, 40.0, 12.0)),))
    ward.says("ben", 0)
    assert ward.differ() == [(1, "readers differ: names"), (2, "readers differ: places")]


def test_she_sees_what_they_said_and_nobody_else_does(ward: Ward) -> None:
    ward.says("anna", 0, comment="clear")
    ward.says("ben", 0, "reject", reasons=("wrong-finding",), severity=4)
    assert ward.room.show("ben", 0)["readings"] == [] and ward.room.session("carla")["adjudicates"] is True
    anna, ben = ward.room.show("carla", 0)["readings"]
    assert (anna["reader"], anna["verdict"], anna["comment"]) == ("anna", "accept", "clear")
    assert (ben["reader"], ben["reasons"], ben["severity"]) == ("ben", ["wrong-finding"], 4)
    assert anna["marks"] == [{"label": "mass", "box": [4.0, 2.0, 20.0, 12.0], "finding": 0}]
    with pytest.raises(server.Unknown):
        ward.room.show("carla", 1)


def test_her_word_stands(ward: Ward, tmp_path: Path) -> None:
    """It names the readers between whom it decides; corrections take it; taken back, it is nobody's again."""
    ward.says("anna", 0)
    ward.says("ben", 0, "reject")
    ward.says("carla", 0, "accept")
    decisions = read_decisions(tmp_path / "reviews.jsonl")
    assert decisions[-1].adjudicates == ("anna", "ben") and decisions[0].adjudicates == ()
    assert ward.differ() == [(0, "readers differ: verdict")]
    assert [row.id for row in corrected(tmp_path / "apart", ROWS, decisions)] == ["r0", "r1", "r2"]
    ward.says("carla", 0, "withdraw")
    decisions = read_decisions(tmp_path / "reviews.jsonl")
    assert [row.id for row in corrected(tmp_path / "apart", ROWS, decisions)] == ["r1", "r2"]


@pytest.mark.parametrize("ward", [{"rows": [PAIR], "blind": True}], indirect=True)
def test_blinded_she_is_told_neither_names_nor_which_side_is_chosen(ward: Ward) -> None:
    """Whatever her own order of the two sides, what a reader prefers is the side on which she sees it."""
    sides = {who: [text["text"] for text in ward.room.show(who, 0)["texts"][1:]] for who in ("anna", "ben")}
    ward.says("anna", 0, preferred=("left", "right")[sides["anna"].index("A mass.")])
    ward.says("ben", 0, preferred=("left", "right")[sides["ben"].index("A cyst.")])
    shown = ward.room.show("carla", 0)
    seen = {("left", "right")[n]: text["text"] for n, text in enumerate(shown["texts"][1:])}
    assert [one["reader"] for one in shown["readings"]] == ["reader 1", "reader 2"]
    assert sorted(seen[one["preferred"]] for one in shown["readings"]) == ["A cyst.", "A mass."]
    assert not {"chosen", "rejected"} & {one["preferred"] for one in shown["readings"]}


def test_the_page_is_told_how_far_they_agree(ward: Ward) -> None:
    """Accept and reject alike on three items of three patients: kappa 1."""
    for number, verdict in enumerate(("accept", "reject", "accept")):
        for who in ("anna", "ben"):
            ward.says(who, number, verdict)
    app = server.application("review")
    review.routes(app, ward.room)
    kappa, *_ = TestClient(app).get("/api/agreement").json()
    assert (kappa["statistic"], kappa["value"], kappa["n"], kappa["readers"]) == ("Cohen's kappa", 1.0, 3, 2)


def test_a_row_that_was_changed_is_no_dispute_any_more(ward: Ward, tmp_path: Path) -> None:
    ward.says("anna", 0)
    ward.says("ben", 0, "reject")
    decisions = read_decisions(tmp_path / "reviews.jsonl")
    changed = Disputed("carla", decisions, {"r0": 0}, lambda _: "another")
    assert changed.entries == [] and changed.readings("r0") is None


def test_who_reads_does_not_decide_between_readers(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="--adjudicator anna reads items too"):
        review.main(ReviewOptions(what=tmp_path / "x.jsonl", reviewers=("anna",), adjudicator="anna", browser=False))
