"""Clinical relevance, the weights of pairs (MMedPO, arXiv 2412.06141).

Of a hallucinated answer: several agents in turn score it without the image, each seeing the last score, until all of
them agree, at most five rounds, else the mean of all scores [paper]. Of a hidden lesion: how sure the source of the map
is of it. Scores of each of the two kinds become weights in [0.75, 1.25]; ``weights`` has the readings of how.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unveil.core import console, jsonl, provenance, records
from unveil.core.number_types import Count
from unveil.core.pairs import read_pairs
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.records import Dialogue, Pair, Record
from unveil.curate.candidates import costs, left_out, used
from unveil.curate.rules import Rules
from unveil.experts import options as experts
from unveil.experts.expert import Expert, kept
from unveil.experts.judge import Score
from unveil.experts.options import ExpertGroup, ExpertOptions
from unveil.experts.requests import Request, Turn, prompt
from unveil.gate.delimiters import quoted
from unveil.gate.said import fill

Weighting = Literal["spread", "literal", "raw"]

FLOOR, CEILING = 0.75, 1.25
VARIANCE = 0.1


ASK = """Question about a medical image, which you do not see:
{question}
Answer:
{answer}
{before}How relevant is this answer clinically, from 0 to 1? 1: it reads as a colleague's finding would, and acting \
on it would change what is done for the patient. 0: it has nothing to do with medicine or with the question. Reply \
with "score"."""
BEFORE = "A colleague gave it {score:.2f}. Keep this score if you agree, else give another. "

#: What the rules hold for a mistake's relevance: what is overlooked matters more than what is put in the wrong place.
SEVERITY = {"missed": 1.0, "false alarm": 0.8, "wrong name": 0.7, "wrong place": 0.5, "unparsable": 0.1}


@dataclass(frozen=True)
class Consensus:
    """The scores that the agents gave in turn; ``final`` is the agreed one, or the mean where they did not agree."""

    history: tuple[float, ...]
    final: float
    agreed: bool


def agree(history: Sequence[float], agents: int) -> bool:
    """Whether the last word of every agent is the same score."""
    return len(history) >= agents and len(set(history[-agents:])) == 1


def scored(
    pairs: Sequence[Pair],
    agents: Sequence[Expert],
    rules: Rules | None,
    rounds: int = 5,
    skipped: Counter[str] | None = None,
    told: Callable[[], object] = lambda: None,
) -> dict[str, Consensus]:
    """The relevance of each pair's worse answer by pair id; a pair without a usable score is left out and counted."""
    skipped = Counter() if skipped is None else skipped
    histories: dict[str, list[float]] = {pair.id: [] for pair in pairs}
    for turn in range(rounds * len(agents)):
        agent = agents[turn % len(agents)]
        todo = [p for p in pairs if p.id in histories and not agree(histories[p.id], len(agents))]
        if not todo:
            break
        for reply in agent.answer(_request(pair, histories[pair.id], rules) for pair in todo):
            told()
            if used(reply, skipped):
                histories[reply.id].append(round(reply.value.score, 2))  # as the next agent sees it
            else:
                del histories[reply.id]
    done = {}
    for name, history in histories.items():
        agreed = agree(history, len(agents))
        done[name] = Consensus(tuple(history), history[-1] if agreed else float(np.mean(history)), agreed)
    return done


def _request(pair: Pair, history: Sequence[float], rules: Rules | None) -> Request:
    before = fill(BEFORE, score=history[-1]) if history else ""
    text = fill(ASK, question=quoted(pair.question), answer=quoted(pair.rejected), before=before)
    return Request(
        id=pair.id,
        task="relevance",
        **prompt(Turn("user", text)),
        schema=Score,
        rule=(lambda: Score(score=severity(pair, rules))) if rules else None,
        record=rules.records.get(pair.record) if rules else None,
    )


def severity(pair: Pair, rules: Rules) -> float:
    """The mean severity of what is wrong with the worse answer, by the annotations."""
    written = pair.kind in ("report", "closed", "choice", "open")
    truth = pair.chosen if written else ""  # else the record's findings are it
    common = (pair.id, pair.record, pair.image, pair.split, pair.kind, pair.question)
    dialogue = Dialogue(*common, truth, pair.target, choices=pair.choices, benchmark=pair.benchmark)
    found = rules.outcome(dialogue, pair.rejected).failures
    return float(np.mean([SEVERITY[name] for name in found])) if found else 0.5


def weights(scores: Sequence[float], reading: Weighting = "spread") -> NDArray[np.float64]:
    """Weights of the pairs of one kind from their scores.

    The paper writes clip((s - mu) / sigma, 0.75, 1.25) with mu = 1 and sigma^2 = 0.1. "literal" does just that, which
    gives every score up to 1 the weight 0.75. "spread" reads it as the distribution that the weights are to have:
    clip(1 + sqrt(0.1) (s - mean) / std, 0.75, 1.25) with mean and standard deviation of these scores, and 1 where they
    are all equal. "raw" takes scores as weights, as the paper's released code does.
    """
    s = np.asarray(scores, float)
    if reading == "raw":
        return s
    if reading == "literal":
        literal: NDArray[np.float64] = np.clip((s - 1) / np.sqrt(VARIANCE), FLOOR, CEILING)
        return literal
    if not len(s) or (spread := s.std()) < 1e-12:
        return np.ones_like(s)
    weights: NDArray[np.float64] = np.clip(1 + np.sqrt(VARIANCE) * (s - s.mean()) / spread, FLOOR, CEILING)
    return weights


def weighted(pairs: Sequence[Pair], found: dict[str, Consensus], reading: Weighting = "spread") -> Iterator[Pair]:
    """The pairs with their weights, normalised for each kind apart. A text pair without a score is left out."""
    text = [p for p in pairs if p.rejected_noise is None and p.id in found]
    visual = [p for p in pairs if p.rejected_noise is not None]
    by_id = dict(zip((p.id for p in text), weights([found[p.id].final for p in text], reading), strict=True))
    sure = [p.rejected_noise.confidence for p in visual if p.rejected_noise]
    by_id |= dict(zip((p.id for p in visual), weights(sure, reading), strict=True))
    for pair in pairs:
        if pair.id in by_id:
            yield replace(pair, weight=float(by_id[pair.id]))


@dataclass(frozen=True, kw_only=True)
class Config:
    """Give preference pairs their weights: clinical relevance by consensus of several agents (MMedPO)."""

    pairs: InputFile
    """pairs.jsonl, as `unveil curate hallucinate` and its like write it."""
    records: InputFile
    """records.jsonl, as `unveil ingest` writes it."""
    out: OutputFile
    """File to write the pairs with their weights to."""
    agents: tuple[str, ...] = ()
    """Who scores, in turn, each as for --expert; by default the one of --expert alone."""
    rounds: Count = 5
    """Rounds of all agents until they must agree, else the mean of their scores counts."""
    reading: Weighting = "spread"
    """How scores become weights. spread: mean 1 and variance 0.1 over all pairs of a kind, in [0.75, 1.25]; literal: as
    the paper prints it, by which all weights are 0.75; raw: the scores themselves, as the paper's code has it."""
    restart: bool = False
    """Write over what another run has left in its place."""
    asked: ExpertGroup = field(default_factory=ExpertOptions)
    """Who is asked."""


def main(config: Config, expert: Expert | None = None) -> Path:
    """Writes the weighted pairs; returns their file. ``expert`` is asked in the place of each agent of the options."""
    with provenance.output(config.out, "curate relevance", config, [config.pairs, config.records]) as output:
        if output:
            output.write(**_relevance(config, expert))
    return config.out


def _relevance(config: Config, expert: Expert | None) -> dict[str, Any]:
    """Writes the weighted pairs; returns what was left out, all scores, and what they have cost."""
    skipped = Counter[str]()
    pairs = read_pairs(config.pairs)
    rules = Rules(list(jsonl.read_jsonl(config.records, Record)))
    named = [replace(config.asked, expert=name) for name in config.agents or (config.asked.expert,)]
    agents = [expert or experts.bind(one, config.out, rules.records.values()) for one in named]
    text = [pair for pair in pairs if pair.rejected_noise is None]
    with console.progress("relevance", len(text) * len(agents)) as advance, console.keeping(kept, *agents):
        found = scored(text, agents, rules, config.rounds, skipped, advance)
    made = list(weighted(pairs, found, config.reading))
    if not made:
        raise records.RecordError(f"{config.pairs}: no pair could be scored: {left_out(skipped)}")
    jsonl.write_jsonl(config.out, [records.rebased(p, config.pairs, config.out) for p in made])
    weights = [pair.weight for pair in made]
    agreed = sum(one.agreed for one in found.values())
    console.say(f"{len(made)} pairs in {config.out}; weights {min(weights):.2f} to {max(weights):.2f}")
    if len(agents) > 1:
        console.say(f"  the agents agreed on {agreed} of {len(found)}")
    for reason, count in skipped.items():
        console.say(f"  left out {count} x {reason}")
    history = {name: one.history for name, one in found.items()}
    return {"left_out": dict(skipped), "scores": history, **costs(*agents)}
