"""The model's own answers against one another: Self-Rewarding (arXiv 2401.10020) and SIMA (arXiv 2405.15973).

Self-Rewarding draws several answers to each question and lets the same model score each of them, 0 to 5 by a rubric
that adds points; the best is preferred to the worst. SIMA compares the greedy answer with one that is drawn, and the
same model, which is told the truth, says which is nearer to it. Departure [ours]: it is asked in both orders, as in
``selftrain``, and a pair whose verdict flips or ties is dropped and counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from unveil.core import console, provenance
from unveil.core.number_types import Count
from unveil.core.records import Dialogue, Pair
from unveil.core.sampling import Sampling
from unveil.core.words import tokens
from unveil.curate.candidates import (
    Asking,
    Sampled,
    asking_of,
    costs,
    pair_of,
    preferred,
    read_by,
    seeds,
    trained_model,
    used,
    write_pairs,
)
from unveil.curate.rules import Rules
from unveil.experts import options as experts
from unveil.experts.expert import Expert, kept
from unveil.experts.requests import Request, Strict
from unveil.gate.delimiters import quoted
from unveil.gate.said import fill

By = Literal["rubric", "truth"]


class Points(Strict):
    """Points by the rubric."""

    points: int = Field(ge=0, le=5)


class Better(Strict):
    """The number of the better answer, 0 where neither is."""

    better: Literal[0, 1, 2]


RUBRIC = """Question:
{question}
Answer:
{answer}
Look at the image and add up points for the answer: one if it is about what was asked; one if it answers the question, \
be it in part; one if the image shows what it says; one if nothing that the question asks for is left out or invented; \
one if places and names are exact. Reply with "points", from 0 to 5."""
TRUTH = """Question:
{question}
True answer:
{truth}
Answer 1:
{first}
Answer 2:
{second}
Which answer is nearer to the true one in what it finds, where, and how it names it? Reply with "better": 1 or 2, or 0 \
if neither is."""


@dataclass(frozen=True)
class Ranking:
    """How the model's own answers are compared."""

    by: By = "rubric"
    """rubric: each of several answers is scored 0 to 5 without the truth, best against worst (Self-Rewarding); truth:
    the greedy answer against one that is drawn, by one who is told the truth (SIMA)."""
    samples: Count = 4
    """rubric: answers sampled per question."""
    temperature: float = 0.8
    """Temperature of the draws."""
    top_p: float = 0.9
    """Share of the likeliest tokens that are drawn from."""
    max_new_tokens: Count = 384
    """Longest answer in tokens."""
    both_orders: bool = True
    """truth: judge each pair in both orders and drop those whose verdict flips."""


def rank(
    asking: Asking,
    rules: Rules,
    model: Expert,
    judge: Expert,
    how: Ranking = Ranking(),
    seed: int = 0,
    told: Callable[[], object] = lambda: None,
) -> Iterator[Pair]:
    """Pairs of the model's answers; ties, equal answers and failures are counted by reason in ``asking.skipped``."""
    drawn = Sampling(how.temperature, 0, how.top_p, how.max_new_tokens)
    if how.by == "rubric":
        samplings = seeds(drawn, how.samples, seed)
    else:
        samplings = [replace(drawn, temperature=0.0), *seeds(drawn, 1, seed)]
    given = {name: _distinct(texts) for name, texts in asking.answers(model, samplings, told).items()}
    different = [dialogue for dialogue in asking.dialogues if len(given[dialogue.id]) > 1]
    if same := sum(len(texts) == 1 for texts in given.values()):
        asking.skipped["all of the model's answers are the same"] += same
    writer = f"{model.name}, judged by {judge.name}"
    comparison = _Comparison(asking, rules, given, judge, writer, told)
    if how.by == "rubric":
        yield from comparison.by_rubric(different)
    else:
        yield from comparison.by_truth(different, 2 if how.both_orders else 1)


def _distinct(texts: Sequence[str]) -> list[str]:
    """Each text once, by its words."""
    return list({tuple(tokens(text)): text for text in reversed(texts)}.values())[::-1]


@dataclass(frozen=True)
class _Comparison:
    """The model's answers before a judge."""

    asking: Asking
    rules: Rules
    given: Mapping[str, Sequence[str]]
    judge: Expert
    writer: str
    told: Callable[[], object]

    def by_rubric(self, dialogues: Sequence[Dialogue]) -> Iterator[Pair]:
        """Best against worst by points."""

        def request(dialogue: Dialogue, number: int, text: str) -> Request:
            asked = fill(RUBRIC, question=quoted(dialogue.question), answer=quoted(text))
            return self.asking.judgement(
                dialogue,
                "score by rubric",
                asked,
                str(number),
                schema=Points,
                rule=lambda: Points(points=round(5 * (1 - self.rules.conflict(dialogue, text)))),
            )

        points: dict[str, dict[int, int]] = defaultdict(dict)
        for reply in self.judge.answer(
            request(d, i, text) for d in dialogues for i, text in enumerate(self.given[d.id])
        ):
            self.told()
            if used(reply, self.asking.skipped):
                name, _, number = reply.id.rpartition("/")
                points[name][int(number)] = reply.value.points
        for dialogue in dialogues:
            scores = points[dialogue.id]
            if len(set(scores.values())) < 2:
                if len(scores) == len(self.given[dialogue.id]):  # else it is counted where a reply was set aside
                    self.asking.skipped["all answers have the same points"] += 1
                continue
            best, worst = max(scores, key=lambda i: scores[i]), min(scores, key=lambda i: scores[i])
            texts = self.given[dialogue.id]
            yield pair_of(dialogue, "ranked", texts[best], texts[worst], self.writer)

    def by_truth(self, dialogues: Sequence[Dialogue], orders: int) -> Iterator[Pair]:
        """The one that is nearer to the truth against the other, of two answers."""

        def request(dialogue: Dialogue, order: int) -> Request:
            first, second = self.given[dialogue.id][:: -1 if order else 1]
            parts = {"question": dialogue.question, "truth": dialogue.answer, "first": first, "second": second}

            def rule() -> Better:
                one, other = self.rules.conflict(dialogue, first), self.rules.conflict(dialogue, second)
                return Better(better=0 if one == other else 1 if one < other else 2)

            asked = fill(TRUTH, **{name: quoted(text) for name, text in parts.items()})
            return self.asking.judgement(
                dialogue, "compare given the truth", asked, str(order), schema=Better, rule=rule
            )

        gaps: dict[str, dict[int, float]] = defaultdict(dict)
        for reply in self.judge.answer(request(d, order) for d in dialogues for order in range(orders)):
            self.told()
            if used(reply, self.asking.skipped):
                name, _, order = reply.id.rpartition("/")
                gap = {0: 0, 1: 1, 2: -1}[reply.value.better]
                gaps[name][int(order)] = -gap if order == "1" else gap
        for dialogue in dialogues:
            better = preferred(gaps[dialogue.id], orders, self.asking.skipped)
            if better is not None:
                texts = self.given[dialogue.id]
                yield pair_of(dialogue, "ranked", texts[better], texts[1 - better], self.writer)


@dataclass(frozen=True, kw_only=True)
class Config(Sampled, Ranking):
    """Make preference pairs of the model's own answers (Self-Rewarding, SIMA); the papers' judge is the model itself,
    --expert local:MODEL."""


def main(config: Config, expert: Expert | None = None) -> Path:
    """Writes the pairs; returns their file. ``expert`` is asked instead of the one that the options name."""
    with provenance.output(config.out, "curate rank", config, read_by(config)) as output:
        if output:
            output.write(**_rank(config, expert))
    return config.out


def _rank(config: Config, expert: Expert | None) -> dict[str, Any]:
    skipped = Counter[str]()
    asking, rules = asking_of(config, skipped)
    model = trained_model(config)
    judge = expert or experts.bind(config.asked, config.out, asking.records.values())
    steps = 2 * config.samples if config.by == "rubric" else 3 + config.both_orders
    with console.progress("rank", steps * len(asking.dialogues)) as advance, console.keeping(kept, judge, model):
        made = list(rank(asking, rules, model, judge, config, config.seed, advance))
    return write_pairs(made, config, skipped) | costs(judge, model)
