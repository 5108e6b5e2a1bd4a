"""Self-training: pairs from a model's own questions and answers, judged by an expert. STLLaVA-Med, stage 2
(arXiv 2406.19973).

The model describes an image, puts questions about it, and answers each of them twice; an expert that sees the image
scores both answers. Departures [ours]: the expert judges each pair in both orders, and a pair whose verdict flips or
ties is dropped and counted (the authors judge once and keep the second answer on a tie); a question that was put twice
about an image is used once. The judge's wording is not published.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from unveil.core import console, provenance
from unveil.core.answers import clean_answer
from unveil.core.box_formats import unmark
from unveil.core.number_types import Count
from unveil.core.records import Dialogue, Kind, Pair
from unveil.core.sampling import Sampling
from unveil.core.wordings import QUESTIONS, asked_about
from unveil.core.words import tokens
from unveil.curate.candidates import (
    DESCRIBE,
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
from unveil.experts.requests import Request, Strict, Turn
from unveil.gate.delimiters import quoted
from unveil.gate.said import fill


class JudgedScores(Strict):
    """What the two answers are worth, 0 to 10 each."""

    first: float = Field(ge=0, le=10)
    second: float = Field(ge=0, le=10)


JUDGE = """Question about the image:
{question}
Answer 1:
{first}
Answer 2:
{second}
Score both answers from 0 to 10. First of all an answer must be right about what the image shows; then it must answer \
all of the question; and it must claim nothing that the image does not support. Their order, length and style do not \
matter. Reply with "first" and "second", the scores of answer 1 and answer 2."""


@dataclass(frozen=True)
class SelfTraining:
    """Draws and lengths, by default the paper's."""

    questions: Count = 5
    """Questions that the model puts about each image."""
    describe_tokens: Count = 1024
    """Longest description in tokens."""
    ask_temperature: float = 1.2
    """Temperature of the questions."""
    ask_top_k: int = 300
    """Number of the likeliest tokens that a question is drawn from."""
    ask_top_p: float = 0.95
    """Share of the likeliest tokens that a question is drawn from."""
    ask_tokens: Count = 300
    """Longest question in tokens."""
    answer_temperature: float = 1.2
    """Temperature of the answers."""
    answer_top_k: int = 100
    """Number of the likeliest tokens that an answer is drawn from."""
    answer_top_p: float = 0.95
    """Share of the likeliest tokens that an answer is drawn from."""
    answer_tokens: Count = 1024
    """Longest answer in tokens."""
    judge_temperature: float = 0.2
    """Temperature of the judge."""
    both_orders: bool = True
    """Judge each pair in both orders and drop those whose verdict flips; off as the paper has it."""


def selftrain(
    asking: Asking,
    rules: Rules,
    model: Expert,
    judge: Expert,
    how: SelfTraining = SelfTraining(),
    seed: int = 0,
    told: Callable[[], object] = lambda: None,
) -> Iterator[Pair]:
    """Pairs from the images of ``asking``, one of whose dialogues stands for each; what comes to nothing is counted."""
    put = list(_put(asking, model, how, seed, told))
    own = replace(asking, dialogues=put)
    drawn = Sampling(how.answer_temperature, how.answer_top_k, how.answer_top_p, how.answer_tokens)
    given = own.answers(model, seeds(drawn, 2, seed), told)
    both = [d for d in put if len(given[d.id]) == 2]
    apart = [d for d in both if tokens(given[d.id][0]) != tokens(given[d.id][1])]
    if len(apart) < len(both):
        asking.skipped["both answers are the same"] += len(both) - len(apart)
    verdicts = _judged(own, rules, apart, given, judge, how, told)
    writer = f"{model.name}, judged by {judge.name}"
    for dialogue in apart:
        better = preferred(verdicts.get(dialogue.id, {}), 2 if how.both_orders else 1, asking.skipped)
        if better is not None:
            texts = given[dialogue.id]
            yield pair_of(dialogue, "judged", texts[better], texts[1 - better], writer)


def _put(asking: Asking, model: Expert, how: SelfTraining, seed: int, told: Callable[[], object]) -> Iterator[Dialogue]:
    """The questions that the model puts about each image, as dialogues without a true answer."""
    # of the dialogue that stands for an image nothing is meant but the image
    images = {d.record: replace(d, history=(), choices=(), language=None) for d in asking.dialogues}

    def description(name: str) -> Request:
        asked = replace(images[name], question=DESCRIBE, kind="open")
        return replace(asking.question(asked, Sampling(max_tokens=how.describe_tokens), "description"), id=name)

    def questions() -> Iterator[Request]:
        drawn = Sampling(how.ask_temperature, how.ask_top_k, how.ask_top_p, how.ask_tokens)
        for name in filter(described.get, images):
            turns = (Turn("user", DESCRIBE), Turn("assistant", described[name]), Turn("asker", ""))
            for i, sampling in enumerate(seeds(drawn, how.questions, seed)):
                request = asking.question(images[name], sampling, "")
                yield replace(request, id=f"{name}/self-{i}", task="put a question", turns=turns, kind=None)

    described = dict(_texts(model, map(description, images), asking, "an empty description", told))
    known: set[tuple[str, tuple[str, ...]]] = set()
    for name, text in sorted(_texts(model, questions(), asking, "an empty question", told)):
        record, words = name.rpartition("/")[0], tuple(tokens(text))
        if (record, words) in known:
            asking.skipped["a question that the model put twice"] += 1
            continue
        known.add((record, words))
        kind, target = _kind(text)
        yield replace(images[record], id=name, kind=kind, question=text, answer="", target=target)


def _texts(
    model: Expert, requests: Iterable[Request], asking: Asking, empty: str, told: Callable[[], object]
) -> Iterator[tuple[str, str]]:
    """What the model says to each request by id; failures and texts without a word are counted."""
    for reply in model.answer(requests):
        told()
        if not used(reply, asking.skipped):
            continue
        if tokens(text := clean_answer(reply.value)):
            yield reply.id, text
        else:
            asking.skipped[empty] += 1


def _kind(question: str) -> tuple[Kind, str | None]:
    """Kind and target of a question in one of the rules' own wordings; any other is open."""
    for kind in QUESTIONS:
        target = asked_about(kind, question)
        if target is not None and (kind != "recognition" or len(unmark(target)) == 1):
            return kind, target or None
    return "open", None


def _judged(
    asking: Asking,
    rules: Rules,
    dialogues: Sequence[Dialogue],
    given: Mapping[str, Sequence[str]],
    judge: Expert,
    how: SelfTraining,
    told: Callable[[], object],
) -> dict[str, dict[int, float]]:
    """By dialogue and order (0: as drawn, 1: swapped), by how much the first-sampled answer is better."""

    def request(dialogue: Dialogue, order: int) -> Request:
        texts = given[dialogue.id][:: -1 if order else 1]
        parts = {"question": dialogue.question, "first": texts[0], "second": texts[1]}

        def rule() -> JudgedScores | None:
            known = rules.understood(dialogue.question, dialogue)
            worth = [10 * (1 - rules.conflict(known, text)) for text in texts] if known else None
            return JudgedScores(first=worth[0], second=worth[1]) if worth else None

        asked = fill(JUDGE, **{name: quoted(text) for name, text in parts.items()})
        sampling = Sampling(how.judge_temperature)
        return asking.judgement(
            dialogue, "judge two answers", asked, str(order), schema=JudgedScores, rule=rule, sampling=sampling
        )

    verdicts: dict[str, dict[int, float]] = defaultdict(dict)
    orders = (0, 1) if how.both_orders else (0,)
    for reply in judge.answer(request(d, order) for d in dialogues for order in orders):
        told()
        if used(reply, asking.skipped):
            name, _, order = reply.id.rpartition("/")
            gap = reply.value.first - reply.value.second
            verdicts[name][int(order)] = -gap if order == "1" else gap
    return verdicts


@dataclass(frozen=True, kw_only=True)
class Config(Sampled, SelfTraining):
    """Make preference pairs from the model's own questions and answers, judged by an expert (STLLaVA-Med, stage 2)."""

    images: Count | None = None
    """Only the first so many images."""


def main(config: Config, expert: Expert | None = None) -> Path:
    """Writes the pairs; returns their file. ``expert`` is asked instead of the one that the options name."""
    with provenance.output(config.out, "curate selftrain", config, read_by(config)) as output:
        if output:
            output.write(**_selftrain(config, expert))
    return config.out


def _selftrain(config: Config, expert: Expert | None) -> dict[str, Any]:
    skipped = Counter[str]()
    asking, rules = asking_of(config, skipped)
    asking = replace(asking, dialogues=list({d.record: d for d in asking.dialogues}.values())[: config.images])
    model = trained_model(config)
    judge = expert or experts.bind(config.asked, config.out, asking.records.values())
    steps = 1 + config.questions * (3 + 1 + config.both_orders)
    with console.progress("selftrain", steps * len(asking.dialogues)) as advance, console.keeping(kept, judge, model):
        made = list(selftrain(asking, rules, model, judge, config, config.seed, advance))
    return write_pairs(made, config, skipped) | costs(judge, model)
