"""From questions to what is rewarded: questions, attention, answers and the names in them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from tests.conftest import ids_of, logged, records_in, write_dialogues
from unveil.core.answered import Answered
from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.grading import Case, grade
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, Finding, Kind, Record
from unveil.rl.experience import (
    Experience,
    Progress,
    Rewarded,
    _named,
    collect,
    figures,
    questions,
    reads_attention,
    rewarded,
    without_attention,
)
from unveil.rl.options import RlOptions
from unveil.rl.rewards import Reward, named
from unveil.testing.models import fresh
from unveil.train.loop import TrainingError
from unveil.vlm import token_offsets
from unveil.vlm.chat import Chat
from unveil.vlm.features import Features
from unveil.vlm.generate import Rollout
from unveil.vlm.inputs import EncodedExample, ImageInput
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer


def options(folder: Path, **more: Any) -> RlOptions:
    return RlOptions(out=folder / "out", records=folder / "records.jsonl", dialogues=folder / "dialogues.jsonl", **more)


# ----------------------------------------------------------------------------------------------------------- questions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six records: r0 to r2 train, r3 validation, r4 and r5 test; a nodule and a cyst, a nodule, nothing, and again."""
    write_dialogues(tmp_path)
    write_jsonl(tmp_path / "records.jsonl", records_in(tmp_path))
    return tmp_path


def counted(asked: list[Dialogue]) -> dict[tuple[str, str], int]:
    keys = [(d.record, d.kind) for d in asked]
    return {key: keys.count(key) for key in keys}


def test_questions_by_hand(folder: Path) -> None:
    """A diagnosis of each image; where it is of each finding, and of one of the names that are not there.

    Both are there in r0, so no absent one is asked for; test images are not asked about.
    """
    found = questions(options(folder))
    assert counted(found.train) == {
        ("r0", "diagnosis"): 1, ("r0", "localisation"): 2, ("r1", "diagnosis"): 1, ("r1", "localisation"): 2,
        ("r2", "diagnosis"): 1, ("r2", "localisation"): 1,
    }  # fmt: skip
    assert counted(found.val) == {("r3", "diagnosis"): 1, ("r3", "localisation"): 2}
    assert found.names == ["cyst", "nodule"] and set(found.records) == {f"r{i}" for i in range(6)}


def test_other_kinds_of_questions(folder: Path) -> None:
    assert counted(questions(options(folder, kinds=("detection",))).train) == {
        (f"r{i}", "detection"): 1 for i in range(3)
    }


def test_a_limit_takes_the_same_questions_each_time(folder: Path) -> None:
    """Of eight, three, in their order; validation has a limit of its own."""
    everything = questions(options(folder))
    few = questions(options(folder, limit=3, validation_rows=2))
    assert len(few.train) == 3 and [d for d in everything.train if d in few.train] == few.train
    assert len(few.val) == 2
    assert questions(options(folder, limit=3)).train == few.train
    assert any(questions(options(folder, limit=3, seed=seed)).train != few.train for seed in range(1, 4))


def test_a_question_without_its_record_is_named(folder: Path) -> None:
    """r0 has a diagnosis and two places."""
    write_jsonl(folder / "records.jsonl", records_in(folder)[1:])
    first = next(d for d in read_jsonl(folder / "dialogues.jsonl", Dialogue) if d.kind in ("diagnosis", "localisation"))
    with pytest.raises(TrainingError, match=rf"^{first.id}: its record is not in .*records.jsonl \(3 are missing\)$"):
        questions(options(folder))


def test_nothing_to_learn_from(folder: Path) -> None:
    rows = [d for d in read_jsonl(folder / "dialogues.jsonl", Dialogue) if d.split != "train"]
    write_jsonl(folder / "dialogues.jsonl", rows)
    with pytest.raises(TrainingError, match=r"dialogues.jsonl: no open or recognition question has the split 'train'"):
        questions(options(folder, kinds=("open", "recognition")))


# ----------------------------------------------------------------------------------------------------------- attention


def scorer(copy: Loaded, tree: bool) -> Scorer:
    return Scorer(copy.model, copy.chat, Features(copy.model, copy.chat.processor.image_processor, 10), tree=tree)


def rewards(**weights: float) -> list[Reward]:
    return [named(name.replace("_", "-"), float(weight)) for name, weight in weights.items()]


def test_who_asks_where_the_model_looked() -> None:
    """Watching asks too."""
    assert reads_attention(rewards(relevance=1, vision=1))
    assert reads_attention(rewards(relevance=1, vision_lift=0))
    assert not reads_attention(rewards(relevance=1, localisation=1))


def test_a_token_tree_shows_attention() -> None:
    asked = rewards(relevance=1, vision=1)
    assert without_attention(asked, scorer(fresh("llava_siglip"), tree=True)) == (asked, None)


def test_plain_rows_leave_vision_out(tiny: Loaded) -> None:
    """It is said why; the others keep their weights. Who does not ask for it is not told."""
    plain = scorer(tiny, tree=False)
    kept, why = without_attention(rewards(relevance=1, vision=1, localisation=0.5, vision_lift=0), plain)
    assert kept == rewards(relevance=1, localisation=0.5)
    assert why == "the vision reward is left out: it runs on plain rows, on which attention is not read"
    assert without_attention(kept, plain) == (kept, None)


def test_attention_that_does_not_show_it_leaves_vision_out() -> None:
    copy = fresh("llava_siglip")
    copy.model.set_attn_implementation("eager")
    kept, why = without_attention(rewards(relevance=1, vision=1), scorer(copy, tree=True))
    assert kept == rewards(relevance=1)
    assert why == "the vision reward is left out: --attention eager does not show it; sdpa does"


@pytest.mark.parametrize("others", [{}, {"localisation": 0.0}])
def test_with_nothing_else_to_learn_from_it_is_refused(tiny: Loaded, others: dict[str, float]) -> None:
    """A reward that is only watched is not enough."""
    with pytest.raises(TrainingError, match="the vision reward cannot be had: it runs on plain rows"):
        without_attention(rewards(vision=1, **others), scorer(tiny, tree=False))


# ------------------------------------------------------------------------------------------------------------- answers

#: Each pixel is a bin, which stands for its middle. The nodule is that of the bins 10, 10, 20, 20.
VIEW = View(BOX_FORMATS["bins-64"], (64, 64), (64, 64))
NODULE, CYST = Finding("nodule", (10.5, 10.5, 20.5, 20.5)), Finding("cyst", (40.0, 40.0, 60.0, 60.0))
NAMES = ["cyst", "mass", "nodule"]
HERE, HALF = "<b10><b10><b20><b20>", "<b10><b10><b15><b20>"


def case(kind: Kind, text: str, *findings: Finding, cut: bool = False, complete: bool = True) -> Case:
    """An answer to a question on an image with these findings, about the nodule if about one."""
    record = Record("a", "a.png", 64, 64, findings=findings, completeness="exhaustive" if complete else "partial")
    asked = Dialogue("a/q", "a", "a.png", "train", kind, "?", "", "nodule")
    return grade(asked, record, text, VIEW, NAMES, cut)


def names_in(chat: Chat, kind: Kind, text: str, *findings: Finding) -> dict[str, str]:
    """The categories that an answer is found to name, and what their tokens say."""
    ids = ids_of(chat, text)
    pieces = token_offsets.pieces(chat.tokenizer, ids)
    found = _named(chat, case(kind, text, *findings), ids)
    return {label: "".join(pieces[t] for t in tokens) for label, tokens in found.items()}


def test_names_are_the_true_ones_that_were_given(tiny: Loaded) -> None:
    """Nodule and cyst are there, mass and cyst are named: of the cyst it is asked where its word looked."""
    said = f"Detection: abnormal.\nLocalisation: {HERE}; {HALF}.\nRecognition: mass; cyst."
    assert names_in(tiny.chat, "diagnosis", said, NODULE, CYST) == {"cyst": "cyst"}
    assert names_in(tiny.chat, "diagnosis", said) == {}
    assert names_in(tiny.chat, "localisation", said, NODULE, CYST) == {}


@pytest.mark.parametrize(
    "said",
    [
        f"There is no nodule.\nDetection: abnormal.\nLocalisation: {HERE}.\nRecognition: cyst.",
        f"Detection: abnormal.\nLocalisation: {HERE} (nodule).\nRecognition: cyst (as a nodule).\nnodule",
        "A cyst without a nodule.",
    ],
)
def test_a_word_that_gives_no_name_is_not_asked(tiny: Loaded, said: str) -> None:
    """What stands there denied, or outside of the names, is not what the answer names, though the word stands there."""
    assert "nodule" in said
    assert names_in(tiny.chat, "diagnosis", said, NODULE, CYST) == {"cyst": "cyst"}


def test_a_name_s_tokens_are_all_that_give_it(tiny: Loaded) -> None:
    """The annotation's Nodule is the parser's nodule, in either number. Where names are not read, its word is none."""
    said = f"Detection: nodule.\nLocalisation: {HERE}; {HERE}.\nRecognition: nodules; Nodule."
    found = names_in(tiny.chat, "diagnosis", said, Finding("Nodule", NODULE.box))
    assert {label: words.split() for label, words in found.items()} == {"nodule": ["nodules", "Nodule"]}


def test_answers_are_collected_with_what_a_judge_says(folder: Path) -> None:
    """Two questions, two answers each; the judge is asked about all four, and where there is none it is said."""
    copy = fresh("llava_siglip")
    policy, given = scorer(copy, tree=True), options(folder, answers=2, max_new_tokens=4)
    asked = questions(given)
    batch = asked.train[:2]
    rows = [copy.chat.encode(d, folder / d.image, with_answer=True) for d in batch]
    scores = [0.25, None, 0.0, 1.0]

    def judge(cases: Any) -> list[float | None]:
        assert [c.dialogue.id for c in cases] == [batch[0].id, batch[0].id, batch[1].id, batch[1].id]
        return scores

    found, without = (
        collect(policy, asked, batch, rows, given.answers, given.max_new_tokens, 0, who) for who in (judge, None)
    )
    assert found.judged and found.relevance == scores
    assert not without.judged and without.relevance == [None] * 4
    assert found.answers == 2 and [d.question for d in found.rollouts] == [0, 0, 1, 1]
    assert [c.text for c in found.cases] == [copy.chat.text(d.ids) for d in found.rollouts]
    assert [row.answer for row in found.rows] == [d.ids for d in found.rollouts]
    assert found.sampled_S.tolist() == pytest.approx([p for d in found.rollouts for p in d.logps])


# --------------------------------------------------------------------------------------------- what answers are worth


def group(*cases: Case, relevance: list[float | None] | None = None, lengths: list[int] | None = None) -> Experience:
    """The answers to one question; judged where the judge's scores are given."""
    row = EncodedExample("a/q", ImageInput({}, "", [], {}, VIEW), [], [], 0)
    drawn = [Rollout(0, [5] * n, [0.0] * n, c.cut) for n, c in zip(lengths or [1] * len(cases), cases, strict=True)]
    return Experience(
        dialogues=[cases[0].dialogue],
        rollouts=drawn,
        rows=[row] * len(cases),
        cases=list(cases),
        named=[{}] * len(cases),
        relevance=relevance or [None] * len(cases),
        judged=relevance is not None,
        sampled_S=torch.zeros(sum(len(d.ids) for d in drawn)),
    )


def worth(experience: Experience, *names: str, state: Progress | None = None, **more: Any) -> Rewarded:
    """Their rewards; none of these asks where the model looked, so neither a model nor a pass is needed."""
    used = [named(name, 1.0) for name in names]
    return rewarded(experience, cast(Any, None), cast(Any, None), used, state or Progress(), **more)


WHERE = [case("localisation", HERE, NODULE), case("localisation", HALF, NODULE), case("localisation", "", NODULE)]


def test_rewards_of_a_group_by_hand() -> None:
    """The place: 1, half of the columns, nothing. The relevance of such a question is the same: 2, 1 and 0."""
    found = worth(group(*WHERE), "relevance", "localisation", combination="sum")
    assert found.usable_QG.tolist() == [[True, True, False]]
    assert {name: part.tolist() for name, part in found.parts_QG.items()} == {
        "relevance": [[1.0, 0.5, 0.0]], "localisation": [[1.0, 0.5, 0.0]],
    }  # fmt: skip
    assert found.totals_QG.tolist() == [[2.0, 1.0, 0.0]]


def test_parts_of_what_cannot_be_used_are_0() -> None:
    """The right place and form, cut: 0 and 0. So the largest of the place is the other's half, which becomes 1."""
    cut = replace(WHERE[0], cut=True)
    found = worth(group(cut, WHERE[1]), "localisation", "form")
    assert {name: part.tolist() for name, part in found.parts_QG.items()} == {
        "localisation": [[0.0, 0.5]], "form": [[0.0, 1.0]],
    }  # fmt: skip
    assert found.totals_QG.tolist() == [[0.0, 2.0]]


def test_what_has_no_verdict_stays_so_where_it_cannot_be_used() -> None:
    """The place of what is not annotated; its form is 0, as of any answer that was cut."""
    unknown = case("localisation", HERE, complete=False, cut=True)
    found = worth(group(unknown, replace(unknown, cut=False)), "localisation", "form")
    assert all(math.isnan(value) for value in found.parts_QG["localisation"][0])
    assert found.parts_QG["form"].tolist() == [[0.0, 1.0]]


def test_a_judge_that_cannot_tell_gives_no_verdict() -> None:
    """Of 0.25 and none the rules' 1 and 1/2 are no part: none counts as the mean. Not judged, the scores are unused."""
    asked = group(*WHERE[:2], relevance=[0.25, None])
    found = worth(asked, "relevance")
    assert found.parts_QG["relevance"][0, 0] == 0.25 and math.isnan(found.parts_QG["relevance"][0, 1])
    assert found.totals_QG.tolist() == [[0.25, 0.25]]
    assert worth(replace(asked, judged=False), "relevance").parts_QG["relevance"].tolist() == [[1.0, 0.5]]


def test_a_tight_place_counts_hits_only() -> None:
    """From a running mean of 0.6 on, half is none; at the start 0.3 is enough."""
    asked = group(*WHERE[:2])
    late, start = (worth(asked, "localisation", tighten=True, state=Progress(iou=iou)) for iou in (0.6, None))
    assert late.parts_QG["localisation"].tolist() == [[1.0, 0.0]]
    assert start.parts_QG["localisation"].tolist() == [[1.0, 1.0]]


def test_figures_by_hand() -> None:
    """IoU 1, 1/2 and 0 of three answers of 2, 3 and 4 tokens: mean 1/2, deviation with G - 1 also 1/2."""
    asked = group(*WHERE, lengths=[2, 3, 4])
    found = logged(figures(asked, worth(asked, "localisation", combination="sum")))
    hand = {"iou": 1 / 2, "reward": 1 / 2, "reward_spread": 1 / 2, "groups_alike": 0, "unusable": 1 / 3, "cut": 0}
    hand |= {"length": 3, "localisation": 1 / 2, "localisation_zero": 1 / 3, "localisation_none": 0}
    assert {name: found[name] for name in hand} == pytest.approx(hand)


def test_the_iou_is_logged_whatever_is_rewarded() -> None:
    """Of the right place, cut, which counts 0, and a half: 1/4, whether the place is a reward, a tight one, or none."""
    asked = group(replace(WHERE[0], cut=True), WHERE[1])
    for names, tighten in ((("localisation",), False), (("localisation",), True), (("form",), False)):
        assert logged(figures(asked, worth(asked, *names, tighten=tighten)))["iou"] == 1 / 4


def test_no_iou_is_logged_where_no_place_is_known() -> None:
    asked = group(case("localisation", HERE, complete=False), case("localisation", HALF, complete=False))
    assert "iou" not in logged(figures(asked, worth(asked, "localisation", "form")))


def test_iou_is_of_those_that_have_one() -> None:
    """One question with a known place, one without: the mean of 1 and 1/2."""
    unknown = [case("localisation", HERE, complete=False)] * 2
    answered = [Answered(c) for c in (*WHERE[:2], *unknown)]
    asked = group(*WHERE[:2], *unknown)
    found = replace(worth(asked, "form"), answered=answered)
    assert logged(figures(asked, found))["iou"] == 3 / 4
