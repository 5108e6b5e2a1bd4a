"""Plausible hallucinations: pairs of a true answer and one that a model might well give instead.

MMedPO's D_t (arXiv 2412.06141): several answers are sampled from the model that is to be trained, the expert picks the
one that contradicts the truth most, and writes one where none does. POVID's stage 1 (arXiv 2402.11411): the expert
writes all of them. POVID's stage 2: at each word of the true answer, what the model would have said had it not seen the
image. With ``minimal``, the better side is no longer the truth as annotated but the model's own answer, corrected by
the expert with the fewest changes, so that both sides have one style and length (FiRe-MPO, arXiv 2606.12590).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from unveil.core import console, lesion_noise, provenance, records
from unveil.core.answers import clean_answer, parse, yes_no
from unveil.core.box_formats import MARKUP, View, unmark
from unveil.core.lesion_noise import LesionMap
from unveil.core.number_types import Count
from unveil.core.records import Dialogue, Pair
from unveil.core.sampling import Sampling, seed_of
from unveil.core.wordings import asked_about
from unveil.core.words import holds, tokens
from unveil.curate.candidates import (
    Asking,
    Sampled,
    asking_of,
    costs,
    pair_of,
    read_by,
    seeds,
    trained_model,
    turns,
    used,
    write_pairs,
)
from unveil.curate.rules import Rules
from unveil.experts import options as experts
from unveil.experts.expert import Expert, kept
from unveil.experts.requests import Request, Strict, named
from unveil.gate.delimiters import quoted
from unveil.gate.said import fill, joined, ours

Origin = Literal["sampled", "written", "noised"]


class Picked(Strict):
    """The number of the candidate that contradicts the truth most, or 0 and a hallucination."""

    candidate: int = Field(ge=0)
    hallucination: str


class Corrected(Strict):
    """An answer made right."""

    answer: str


PICK = """Question:
{question}
True answer:
{truth}
{candidates}
Find the candidate that contradicts the true answer most in what matters to a patient: a finding invented, overlooked, \
misnamed or put in the wrong place. Other words for the same are no contradiction. Reply with "candidate", its number, \
and "hallucination", an empty text. If no candidate contradicts the truth, reply with "candidate": 0 and in \
"hallucination" a wrong answer that a careless reader of this image might give, in the length and style of the true \
answer."""
CORRECT = """Question:
{question}
True answer:
{truth}
Given answer:
{answer}
Correct the given answer with the fewest changes that make it true. Keep its words, order, length and style wherever \
they are not wrong. Reply with "answer", the corrected text."""


@dataclass(frozen=True)
class Hallucinations:
    """How wrong answers are come by."""

    origin: Origin = "sampled"
    """Where worse answers come from: sampled from the model and picked by the expert, who writes one where all are
    right (MMedPO); written by the expert (POVID, stage 1); noised: what the model says at each word of the true answer
    when it cannot see the image (POVID, stage 2)."""
    samples: Count = 3
    """sampled: answers sampled per question."""
    temperature: float = 1.0
    """sampled: temperature of the draws."""
    top_p: float = 0.95
    """sampled: share of the likeliest tokens that are drawn from."""
    top_k: int = 0
    """sampled: number of the likeliest tokens that are drawn from; 0 for all."""
    max_new_tokens: Count = 384
    """Longest answer in tokens."""
    edit: Literal["none", "minimal"] = "none"
    """minimal: the better answer is the model's own, corrected with the fewest changes, not the annotated one."""
    balance: bool = True
    """sampled, written: leave pairs out until as many turn something abnormal into nothing as the other way round; else
    a model learns to say "nothing" (or "something") whatever it sees."""
    step: int = 500
    """noised: steps of diffusion out of 1000."""


def hallucinate(
    asking: Asking,
    rules: Rules,
    model: Expert | None,
    expert: Expert,
    how: Hallucinations = Hallucinations(),
    seed: int = 0,
    told: Callable[[], object] = lambda: None,
) -> Iterator[Pair]:
    """Pairs in the order of the dialogues; what comes to nothing is counted by reason in ``asking.skipped``.

    ``model`` is the one to be trained; origin "written" needs none. ``told`` is called once per answer that is asked.
    """
    if how.origin == "noised":
        assert model is not None
        yield from _noised(asking, model, how, seed, told)
        return
    given: Mapping[str, Sequence[str]] = {}
    if how.origin == "sampled":
        assert model is not None
        sampling = Sampling(how.temperature, how.top_k, how.top_p, how.max_new_tokens)
        given = asking.answers(model, seeds(sampling, how.samples, seed), told)
    picker = _Picker(asking, rules, given, how, seed)
    by_id = {d.id: d for d in asking.dialogues}
    wrong: dict[str, str] = {}
    for reply in asking.in_order(expert.answer(map(picker.request, asking.dialogues)), told):
        if not used(reply, asking.skipped):
            continue
        dialogue, picked = by_id[reply.id], reply.value
        if how.edit == "minimal" and not picked.candidate:
            asking.skipped["none of the model's answers is wrong"] += 1
        elif how.edit == "minimal":
            wrong[dialogue.id] = given[dialogue.id][picked.candidate - 1]
        else:
            text = given[dialogue.id][picked.candidate - 1] if picked.candidate else clean_answer(picked.hallucination)
            source = f"{model.name}, picked by {expert.name}" if model and picked.candidate else expert.name
            yield pair_of(dialogue, "hallucinated", dialogue.answer, text, source)
    corrections = (_correction(asking, rules, by_id[name], text) for name, text in wrong.items())
    for reply in asking.in_order(expert.answer(corrections)):
        if used(reply, asking.skipped):
            better = clean_answer(reply.value.answer)
            source = f"{model.name if model else ''}, corrected by {expert.name}"
            yield pair_of(by_id[reply.id], "corrected", better, wrong[reply.id], source)


@dataclass(frozen=True)
class _Picker:
    """Asks which of the model's answers contradicts the truth most."""

    asking: Asking
    rules: Rules
    given: Mapping[str, Sequence[str]]
    how: Hallucinations
    seed: int

    def request(self, dialogue: Dialogue) -> Request:
        candidates = self.given.get(dialogue.id, ())

        def check(picked: Picked) -> None:
            if picked.candidate > len(candidates):
                raise ValueError(f"there is no candidate {picked.candidate}")
            if picked.candidate:
                if holds(candidates[picked.candidate - 1], dialogue.answer):
                    raise ValueError("the candidate holds the true answer")
            elif self.how.edit == "minimal":
                return
            elif not tokens(written := clean_answer(picked.hallucination)):
                raise ValueError("no wrong answer was written")
            elif holds(written, dialogue.answer):
                raise ValueError("the hallucination holds the true answer")

        def rule() -> Picked:
            return _picked(self.rules, dialogue, candidates, self.seed)

        forms = enumerate(map(quoted, candidates), 1)
        listed = joined("\n", (fill("Candidate {number}:\n{text}", number=i, text=text) for i, text in forms))
        question, truth = quoted(dialogue.question), quoted(dialogue.answer)
        text = fill(PICK, question=question, truth=truth, candidates=listed or ours("There are no candidates."))
        return self.asking.judgement(dialogue, "pick a hallucination", text, schema=Picked, check=check, rule=rule)


def _picked(rules: Rules, dialogue: Dialogue, candidates: Sequence[str], seed: int) -> Picked:
    """The rules' choice: of the candidates that can be read the one furthest from the annotations, else one that
    cannot be read, else a mistake of their own making."""
    far = [0.0 if holds(text, dialogue.answer) else rules.conflict(dialogue, text) for text in candidates]
    plausible = [value * rules.readable(dialogue, text) for value, text in zip(far, candidates, strict=True)]
    for values in (plausible, far):
        if values and max(values) > 0:
            return Picked(candidate=values.index(max(values)) + 1, hallucination="")
    rng = np.random.default_rng(seed_of(seed, dialogue.id))
    return Picked(candidate=0, hallucination=rules.wrong(dialogue, rng) or "")


def _correction(asking: Asking, rules: Rules, dialogue: Dialogue, answer: str) -> Request:
    before = rules.conflict(dialogue, answer)

    def check(corrected: Corrected) -> None:
        text = clean_answer(corrected.answer)
        if tokens(text) == tokens(answer):
            raise ValueError("the correction changes nothing")
        if (after := rules.conflict(dialogue, text)) and after >= before:
            raise ValueError("the correction is no nearer to the annotations")

    parts = {"question": dialogue.question, "truth": dialogue.answer, "answer": answer}
    return asking.judgement(
        dialogue,
        "correct",
        fill(CORRECT, **{name: quoted(text) for name, text in parts.items()}),
        schema=Corrected,
        check=check,
        rule=lambda: Corrected(answer=rules.corrected(dialogue, answer)),
    )


def _noised(
    asking: Asking, model: Expert, how: Hallucinations, seed: int, told: Callable[[], object]
) -> Iterator[Pair]:
    by_id = {d.id: d for d in asking.dialogues}

    def requests() -> Iterator[Request]:
        for dialogue in asking.dialogues:
            seen = Request(
                id=dialogue.id,
                task="answer without seeing",
                turns=turns(dialogue),
                kind=dialogue.kind,
                forced=dialogue.answer,
                record=asking.records[dialogue.record],
            )
            with named(seen):
                array = asking.picture(dialogue).array()
                drawn = lesion_noise.draw(array, LesionMap(whole=True), seed_of(seed, dialogue.id), how.step)
            yield replace(seen, picture=asking.picture(dialogue, drawn))

    for reply in asking.in_order(model.answer(requests()), told):
        if not used(reply, asking.skipped):
            continue
        dialogue, text = by_id[reply.id], clean_answer(reply.value)
        if not text or tokens(text) == tokens(dialogue.answer):
            asking.skipped["the model says the same without seeing the image" if text else "empty"] += 1
        else:
            yield pair_of(dialogue, "unseen", dialogue.answer, text, f"{model.name} under noise")


def balanced(pairs: Sequence[Pair], seed: int, skipped: Counter[str]) -> list[Pair]:
    """The pairs without the surplus of those that turn nothing into something, or something into nothing.

    Mistakes are lopsided: a model that is asked about many normal regions invents more than it overlooks. Which pairs
    of the surplus are left out depends on ``seed`` and their ids only. Where all true answers say that there is
    something, or all that there is nothing, one direction only is possible, and all pairs stay.
    """
    if {_asserts(pair, pair.chosen) for pair in pairs} & {True, False} != {True, False}:
        return list(pairs)  # where nothing is ever true, or something always is, there is nothing to balance
    turns = {pair.id: _turn(pair) for pair in pairs}
    counts = Counter(turns.values())
    most = -1 if counts[-1] > counts[1] else 1
    drawn = sorted((p.id for p in pairs if turns[p.id] == most), key=lambda name: seed_of(seed, "balance", name))
    surplus = set(drawn[counts[-most] :])
    if surplus:
        skipped["a surplus of findings invented" if most == 1 else "a surplus of findings overlooked"] += len(surplus)
    return [pair for pair in pairs if pair.id not in surplus]


def _turn(pair: Pair) -> int:
    """1 where the worse answer invents something, -1 where it overlooks all, 0 where both see something or nothing."""
    better, worse = (_asserts(pair, text) for text in (pair.chosen, pair.rejected))
    return 0 if None in (better, worse) else int(bool(worse)) - int(bool(better))


def _asserts(pair: Pair, text: str) -> bool | None:
    """Whether an answer says that there is something; None where it says neither."""
    if pair.kind in ("closed", "choice", "open"):
        return yes_no(text)
    if unmark(text):
        return True
    target = pair.target or asked_about(pair.kind, pair.question)
    return parse(pair.kind, text, View(MARKUP, (1, 1), (1, 1)), target=target).abnormal


@dataclass(frozen=True, kw_only=True)
class Config(Sampled, Hallucinations):
    """Make preference pairs of a true answer and a plausible wrong one (MMedPO's D_t, POVID, minimal edits)."""


def main(config: Config, expert: Expert | None = None) -> Path:
    """Writes the pairs; returns their file. ``expert`` is asked instead of the one that the options name."""
    with provenance.output(config.out, "curate hallucinate", config, read_by(config)) as output:
        if output:
            output.write(**_hallucinate(config, expert))
    return config.out


def _hallucinate(config: Config, expert: Expert | None) -> dict[str, Any]:
    skipped = Counter[str]()
    if config.edit == "minimal" and config.origin != "sampled":
        raise records.RecordError("--edit minimal corrects the model's own answers: it goes with --origin sampled")
    asking, rules = asking_of(config, skipped)
    model = None if config.origin == "written" else trained_model(config)
    expert = expert or experts.bind(config.asked, config.out, asking.records.values())
    steps = {"sampled": config.samples + 1, "written": 1, "noised": 1}[config.origin]
    total = steps * len(asking.dialogues)
    with console.progress("hallucinate", total) as advance, console.keeping(kept, expert, model):
        made = list(hallucinate(asking, rules, model, expert, config, config.seed, advance))
    if config.balance and config.origin != "noised":
        made = balanced(made, config.seed, skipped)
    return write_pairs(made, config, skipped) | costs(expert, model)
