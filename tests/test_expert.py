"""Asking an expert: what is kept, what is asked again, what is paid; and a local checkpoint as one that is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydantic import Field

from tests.conftest import draw
from unveil.core import pixels
from unveil.core.box_formats import PIXELS, View, mark, neutral, neutral_json, render
from unveil.core.geometry import encode_mask
from unveil.core.lesion_noise import LesionMap, Noise, NoiseError
from unveil.core.sampling import Sampling
from unveil.experts.expert import Backend, Budget, Expert, RuleBackend, Spent, kept, read
from unveil.experts.local import Local
from unveil.experts.requests import BudgetSpent, ExpertError, Raw, Request, RequestImage, Strict, Turn
from unveil.experts.store import Store


class Score(Strict):
    """What is asked for in these tests."""

    score: float = Field(ge=0, le=1)
    side: Literal["left", "right"]


class Scripted(Backend):
    """Replies as the test says; notes who was asked."""

    name = "scripted@1"

    def __init__(self, reply: Callable[[Request], Raw]):
        self.reply, self.asked = reply, list[Request]()

    def ask(self, requests: Iterator[Request], keep: Callable[[Request, Raw], None]) -> Iterator[tuple[Request, Raw]]:
        for request in requests:
            self.asked.append(request)
            raw = self.reply(request)
            keep(request, raw)
            yield request, raw


def asks(count: int, **known: object) -> list[Request]:
    return [Request(f"i{n}", "test", (Turn("user", f"Question {n}?"),), **known) for n in range(count)]  # type: ignore[arg-type]


GOOD = '{"score": 0.5, "side": "left"}'


# ------------------------------------------------------------------------------------------------------- the key


def test_the_key_depends_on_what_is_seen_and_on_nothing_else(tmp_path: Path) -> None:
    """Neither id nor task nor the place of the file count; words, picture, drawing and form do."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        draw(tmp_path / name / "x.png", (20, 20), seed=1)
    draw(tmp_path / "other.png", (20, 20), seed=2)
    base = Request("i", "t", (Turn("user", "Q?"),), RequestImage(tmp_path / "a" / "x.png"))
    same = replace(base, id="j", task="u", picture=RequestImage(tmp_path / "b" / "x.png"))
    assert same.key == base.key
    changed = [
        replace(base, turns=(Turn("user", "Q!"),)),
        replace(base, turns=(Turn("asker", "Q?"),)),
        replace(base, system="S"),
        replace(base, picture=RequestImage(tmp_path / "other.png")),
        replace(base, picture=RequestImage(tmp_path / "a" / "x.png", boxes=((1, 1, 5, 5),))),
        replace(base, picture=None),
        replace(base, schema=Score),
        replace(base, kind="open"),
        replace(base, forced="A"),
        replace(base, sampling=Sampling(seed=1)),
    ]
    assert len({r.key for r in [base, *changed]}) == len(changed) + 1


def test_a_missing_picture_is_named_with_the_item(tmp_path: Path) -> None:
    asked = [replace(asks(1)[0], picture=RequestImage(tmp_path / "none.png"))]
    with pytest.raises(pixels.ImageError, match=r"i0: .*none\.png: no such file"):
        list(Expert(Scripted(lambda r: Raw("x")), Store(tmp_path / "s")).answer(asked))


# ----------------------------------------------------------------------------------------------------- the store


def test_replies_are_kept_and_not_asked_again_by_another_process(tmp_path: Path) -> None:
    first = Scripted(lambda r: Raw(f"to {r.id}", 3, 2, cut=True))
    texts = {r.id: r.text for r in Expert(first, Store(tmp_path / "deep" / "s")).answer(asks(3))}
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "deep").iterdir()} == {0o600}
    again = Scripted(lambda r: Raw("new"))
    expert = Expert(again, Store(tmp_path / "deep" / "s"))
    assert {r.id: r.text for r in expert.answer(asks(4))} == texts | {"i3": "new"}
    assert [r.id for r in again.asked] == ["i3"]
    assert (expert.spent.known, expert.spent.asked, expert.spent.tokens_in) == (3, 1, 9)
    kept = Store(tmp_path / "deep" / "s").get(f"scripted@1 {asks(1)[0].key}")
    assert kept == Raw("to i0", 3, 2, cut=True)


def test_another_expert_is_asked_for_itself(tmp_path: Path) -> None:
    store, other = Store(tmp_path / "s"), Scripted(lambda r: Raw("b"))
    list(Expert(Scripted(lambda r: Raw("a")), store).answer(asks(1)))
    other.name = "scripted@2"
    assert [r.value for r in Expert(other, store).answer(asks(1))] == ["b"]


def test_an_error_of_the_endpoint_is_not_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    failing = Expert(Scripted(lambda r: Raw(error="down")), store)
    assert [(r.value, r.error) for r in failing.answer(asks(1))] == [(None, "down")]
    assert failing.spent.set_aside == {"down": 1}
    assert [r.value for r in Expert(Scripted(lambda r: Raw("up")), store).answer(asks(1))] == ["up"]


def test_what_is_said_to_be_kept_is_what_is_not_asked_for_again(tmp_path: Path) -> None:
    """Of four replies one is an error; two were known from before. Without a store nothing is kept."""
    store = Store(tmp_path / "r.db")
    first, one, other = (Expert(Scripted(lambda request: Raw(GOOD)), store) for _ in range(3))
    list(first.answer(asks(2)))
    one.backend = Scripted(lambda request: Raw(error="down") if request.id == "i3" else Raw(GOOD))
    list(one.answer(asks(4)))
    list(other.answer(asks(5)[4:]))
    nowhere = Expert(Scripted(lambda request: Raw(GOOD)))
    list(nowhere.answer(asks(4)))
    assert kept(one, one, None, nowhere) == "3 replies are kept"
    assert kept(one, other) == "4 replies are kept"


def test_a_full_disk_is_named_with_the_item_and_what_was_paid_for_is_kept(tmp_path: Path) -> None:
    """SQLite's own limit of pages stands for the disk: three replies of 2000 letters are kept in pages of 4096."""
    store, backend = Store(tmp_path / "s"), Scripted(lambda r: Raw("x" * 2000))
    expert, came = Expert(backend, store), 0
    with pytest.raises(ExpertError, match=r"i\d+: its reply could not be kept in .*full"):
        for _ in expert.answer(asks(20)):
            came += 1
            if came == 3:
                pages = store._file.execute("PRAGMA page_count").fetchone()[0]
                store._file.execute(f"PRAGMA max_page_count = {pages}")
    store._file.execute("PRAGMA max_page_count = 1000000")
    asked_before = len(backend.asked)
    assert came >= 3 and len(list(expert.answer(asks(20)))) == 20
    assert len(backend.asked) - asked_before == 20 - came


def test_a_place_that_takes_no_replies_is_an_error_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with pytest.raises(ExpertError, match="cannot keep replies here"):
        Store(tmp_path / "s")


# --------------------------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD, None),
        (f"```json\n{GOOD}\n```", None),
        ('{"score": 1.01, "side": "left"}', "score: Input should be less than or equal to 1"),
        ('{"score": NaN, "side": "left"}', "score"),
        ('{"score": "0.5", "side": "left"}', "score: Input should be a valid number"),
        ('{"score": true, "side": "left"}', "score: Input should be a valid number"),
        ('{"score": 0.5}', "side: Field required"),
        ('{"score": 0.5, "side": "up"}', "side: Input should be 'left' or 'right'"),
        ('{"score": 0.5, "side": "left", "note": "x"}', "note: Extra inputs are not permitted"),
        ("", "an empty reply"),
        (" \n", "an empty reply"),
    ],
)
def test_a_reply_of_another_form_is_rejected_and_not_repaired(text: str, why: str | None) -> None:
    value, error = read(Raw(text), asks(1, schema=Score)[0])
    assert (value is None) == (error is not None) == (why is not None)
    assert why is None or why in str(error)


def test_a_reply_that_was_cut_says_so_where_a_form_was_asked_for() -> None:
    """Text that ends at the limit may still be of use; JSON may not, even if it happens to be whole."""
    asked = asks(1, schema=Score, sampling=Sampling(max_tokens=9))[0]
    assert read(Raw(GOOD, cut=True), asked) == (None, "cut at 9 tokens; --thinking-tokens allows more")
    assert read(Raw("Yes, a", cut=True), asks(1)[0]) == ("Yes, a", None)


def test_a_reply_is_asked_again_with_the_reason_and_then_set_aside() -> None:
    """First free text, then a value that the check refuses, then what is wanted: three requests for one item."""
    script = iter(["left", '{"score": 0, "side": "left"}', GOOD])

    def check(value: Score) -> None:
        if value.score == 0:
            raise ValueError("nothing is irrelevant")

    backend = Scripted(lambda r: Raw(next(script), 1, 1))
    (asked,) = asks(1, schema=Score, check=check)
    expert = Expert(backend)
    (reply,) = expert.answer([asked])
    assert reply.value == Score(score=0.5, side="left") and reply.request is asked and reply.writer == "scripted@1"
    assert (expert.spent.again, expert.spent.asked, len(expert.spent.set_aside)) == (2, 3, 0)
    second, third = (r.turns for r in backend.asked[1:])
    assert [t.role for t in second] == [t.role for t in third] == ["user", "assistant", "user"]
    assert second[1].text == "left" and "no JSON object" in second[2].text
    assert "nothing is irrelevant" in third[2].text, "not a heap of all that went before"


def test_what_never_fits_is_set_aside_after_so_many_tries(tmp_path: Path) -> None:
    """Two items of which one never fits: 1 + 3 requests; the other is not held up. Nothing is asked twice later."""
    backend = Scripted(lambda r: Raw(GOOD if r.id == "i0" else f"no {r.attempt}"))
    replies = {r.id: r for r in Expert(backend, Store(tmp_path / "s"), tries=3).answer(asks(2, schema=Score))}
    assert len(backend.asked) == 4
    assert replies["i0"].error is None and "no JSON object" in str(replies["i1"].error)
    assert replies["i1"].text == "no 3"
    again = Scripted(lambda r: Raw("?"))
    assert len(list(Expert(again, Store(tmp_path / "s"), tries=3).answer(asks(2, schema=Score)))) == 2
    assert not again.asked


def test_a_model_that_asks_draws_another_question_instead_of_being_told_why() -> None:
    asked = Request("i", "t", (Turn("user", "Q?"), Turn("assistant", "A."), Turn("asker", "")))
    again = asked.again("?", "too short")
    assert again.turns == asked.turns and again.key != asked.key
    assert again.again("?", "too short").key not in (asked.key, again.key)


def test_the_rules_reply_what_the_request_says_and_are_asked_once() -> None:
    known = replace(asks(1, schema=Score)[0], rule=lambda: Score(score=1, side="right"))
    assert next(Expert(RuleBackend()).answer([known])).value == Score(score=1, side="right")
    expert = Expert(RuleBackend())
    (reply,) = expert.answer([replace(known, rule=lambda: "right")])
    assert reply.error and expert.spent.asked == 1
    with pytest.raises(ExpertError, match="i0: rules cannot answer 'test'"):
        list(Expert(RuleBackend()).answer(asks(1)))


# ------------------------------------------------------------------------------------------------------ the budget


def test_cost_by_hand() -> None:
    """2 million tokens at 3 and half a million at 8 cost 6 + 4 = 10."""
    spent, budget = Spent(), Budget(cost=10.01, price_in=3, price_out=8)
    spent.add(Raw("", 2_000_000, 500_000), budget)
    assert spent.cost == pytest.approx(10) and not spent.over(budget)
    assert spent.over(replace(budget, cost=10.0)) and spent.over(Budget(tokens=2_500_000))
    assert not spent.over(Budget(tokens=2_500_001)) and not spent.over(Budget())


@pytest.mark.parametrize("wrong", [{"cost": 1.0}, {"cost": 0.0, "price_in": 1.0}, {"tokens": 0}])
def test_a_budget_that_cannot_be_kept_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ExpertError, match="budget"):
        Budget(**wrong)  # type: ignore[arg-type]


def test_the_budget_stops_before_the_next_question_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    """10 tokens a reply: a budget of 25 is used up after the third, 45 after the fifth; each is asked for once."""
    backend = Scripted(lambda r: Raw("x", 6, 4))
    with pytest.raises(BudgetSpent, match="3 asked, 0 known from before, 0 asked again, 30 tokens"):
        list(Expert(backend, Store(tmp_path / "s"), Budget(tokens=25)).answer(asks(7)))
    with pytest.raises(BudgetSpent, match="2 asked, 3 known"):
        list(Expert(backend, Store(tmp_path / "s"), Budget(tokens=45)).answer(asks(7)))
    last = Expert(backend, Store(tmp_path / "s"), Budget(tokens=70))
    assert len(list(last.answer(asks(7)))) == 7, "a budget that is just enough is not exceeded"
    assert [r.id for r in backend.asked] == [f"i{n}" for n in range(7)]


# -------------------------------------------------------------------------------------------------- pixel format


def test_boxes_are_whole_pixels_of_the_picture_and_back() -> None:
    view = View(PIXELS, (200, 100), (200, 100))
    text = f"Here {mark((10.4, 20.6, 30, 40))}."
    assert render(text, view) == "Here [10, 21, 30, 40]."
    assert neutral("Here [10, 21, 30, 40].", view) == "Here <box 10.00 21.00 30.00 40.00>."
    assert neutral("[30, 21, 10, 40] and [10, 21, 30, 400]", view) == "[30, 21, 10, 40] and [10, 21, 30, 400]"


def test_lists_of_json_stay_lists() -> None:
    view = View(PIXELS, (200, 100), (200, 100))
    text = neutral_json('{"a": [1, 2, 3, 4], "b": "at [1, 2, 3, 4] \\"x\\""}', view)
    assert json.loads(text) == {"a": [1, 2, 3, 4], "b": 'at <box 1.00 2.00 3.00 4.00> "x"'}


# ------------------------------------------------------------------------------------------------ a local checkpoint


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    return [draw(folder / f"{n}.png", (60 + 10 * n, 50), n) for n in range(5)]


def drawn_questions(pictures: list[Path]) -> list[Request]:
    sampling = Sampling(temperature=1.5, max_tokens=6, seed=3)
    with_picture = [
        replace(r, picture=RequestImage(path), sampling=sampling) for r, path in zip(asks(5), pictures, strict=True)
    ]
    return [*with_picture, replace(asks(6)[5], sampling=sampling)]


def test_what_is_drawn_depends_neither_on_the_batch_nor_on_the_order(tiny_folder: Path, pictures: list[Path]) -> None:
    """Each row has a seed of its own: batches of 1 and of 4, forwards and backwards, with a question of text alone."""
    asked = drawn_questions(pictures)
    one, four = Local(str(tiny_folder), batch_size=1), Local(str(tiny_folder), batch_size=4)
    texts = [
        {r.id: r.text for r in Expert(who).answer(order)}
        for who, order in ((one, asked), (four, asked), (four, asked[::-1]))
    ]
    assert texts[0] == texts[1] == texts[2] and len(texts[0]) == 6
    assert len(set(texts[0].values())) > 1
    other = [replace(r, sampling=replace(r.sampling, seed=4)) for r in asked]
    assert {r.id: r.text for r in Expert(four).answer(other)} != texts[0]


def test_a_model_puts_the_next_question_and_is_led_along_an_answer(tiny_folder: Path, pictures: list[Path]) -> None:
    """Led along an answer it says as many tokens as that has, its end included."""
    local = Local(str(tiny_folder), batch_size=4)
    turns = (Turn("user", "Is anything abnormal in this image?"), Turn("assistant", "Yes."), Turn("asker", ""))
    own = Request("own", "t", turns, RequestImage(pictures[0]), sampling=Sampling(max_tokens=5))
    led = Request("led", "t", turns[:1], RequestImage(pictures[0]), forced="Yes.")
    replies = {r.id: r for r in Expert(local).answer([own, led])}
    assert replies["own"].error is None and replies["led"].error is None
    row = local._row(led)
    assert replies["led"].text == local.engine.led([row])[0] and len(row.answer) >= 2
    assert "VUSER" in local.loaded.chat.asker.upper()
    assert local.loaded.chat.tokenizer.decode(local._row(own).prompt).endswith(local.loaded.chat.asker)


def test_a_picture_that_cannot_be_looked_at_is_named_with_the_item(tiny_folder: Path, pictures: list[Path]) -> None:
    """A file that is no image, and noise made for an image of another size."""
    local, broken = Local(str(tiny_folder)), pictures[0].parent / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(pixels.ImageError, match=r"i0: .*broken\.png"):
        list(Expert(local).answer([replace(asks(1)[0], picture=RequestImage(broken))]))
    mask = encode_mask(np.ones((3, 3), bool))
    shown = RequestImage(pictures[0], noise=Noise(LesionMap(masks=(mask,)), seed=0))
    with pytest.raises(NoiseError, match="i0: "):
        list(Expert(local).answer([replace(asks(1)[0], picture=shown)]))


def test_drawn_boxes_and_noise_reach_what_is_looked_at(pictures: list[Path]) -> None:
    """A yellow frame of one pixel where the box is, all else as it was."""
    plain, framed = RequestImage(pictures[0]).array(), RequestImage(pictures[0], boxes=((5, 5, 20, 20),)).array()
    changed = (plain != framed).any(-1)
    assert changed.sum() == 4 * 15 and framed[5, 5].tolist() == [255, 210, 0]
    assert re.match(rb"\x89PNG", RequestImage(pictures[0]).png())
