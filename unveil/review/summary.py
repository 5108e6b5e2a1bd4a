"""What was decided so far, how wrong the file is by its random sample, and the commands that go on from there."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unveil.core.decisions import Decision, Subject
from unveil.core.jsonl import to_json
from unveil.review.options import ReviewOptions
from unveil.review.queue import RANDOM

#: Decisions that say that an item was wrong, and those that say that it was right.
WRONG, RIGHT = ("edit", "reject"), ("accept",)
#: How each kind of row goes back into training, once it is corrected: the option that it is given by, and the command.
BACK: dict[Subject, tuple[str, str, str]] = {
    "record": ("--records", "records.jsonl", "unveil run --data {} --out {}"),
    "dialogue": ("--dialogues", "dialogues.jsonl", "unveil train sft --model MODEL --dialogues {} --out {}"),
    "pair": ("--pairs", "pairs.jsonl", "unveil train dpo --model MODEL --pairs {} --out {}"),
    "prediction": ("--predictions", "pairs.jsonl", "unveil train dpo --model MODEL --pairs {} --out {}"),
}


#: What a page is told of a decision. The ids of item and record are often made of names, and those of other readers
#: would tell a blind adjudicator who they are.
TOLD = (
    *("verdict", "revision", "time", "preferred", "reasons", "severity", "comment"),
    *("after", "texts_before", "texts", "order", "blinded"),
)


def told(decision: Decision | None, identifiers: bool) -> dict[str, Any] | None:
    """A decision as a page is told of it, with the ids of item and record where those are shown."""
    if decision is None:
        return None
    names = (*TOLD, "item", "record") if identifiers else TOLD
    return {name: value for name, value in to_json(decision).items() if name in names}


def verdicts(decisions: Iterable[Decision]) -> dict[str, int]:
    """How many of each verdict, the most frequent first."""
    return dict(Counter(decision.verdict for decision in decisions).most_common())


def sampled(decisions: Iterable[Decision]) -> str:
    """The share of wrong items in the file, in words, by what was drawn at random; "" where that is nothing.

    The interval is exact (Clopper and Pearson 1934).
    """
    drawn = [d.verdict in WRONG for d in decisions if d.why == RANDOM and d.verdict in (*WRONG, *RIGHT)]
    if not drawn:
        return ""
    from scipy.stats import binomtest  # late: it takes long to import

    found = binomtest(sum(drawn), len(drawn)).proportion_ci()
    return (
        f"Of {len(drawn)} drawn at random {sum(drawn)} were corrected or rejected: {sum(drawn) / len(drawn):.0%} of the"
        f" file, 95 % interval {found.low:.0%} to {found.high:.0%}."
    )


def commands(config: ReviewOptions, subject: Subject, run: Path | None) -> tuple[str, ...]:
    """The two commands that take decisions back into training; ``run`` is the run whose records were shown."""
    assert config.out
    option, name, train = BACK[subject]
    corrected = config.out.parent / "corrected" / name
    words = ["unveil", "curate", "corrections", "--reviews", config.out, option, config.what, "--out", corrected]
    if subject == "prediction":
        words += ["--records", config.records or "RECORDS", "--dialogues", config.dialogues or "DIALOGUES"]
    parent = config.out.parent.resolve()
    trained = config.out.parent.parent / f"{parent.name}-corrected" if run else config.out.parent / "corrected" / "run"
    go_on = train.format(shlex.quote(str(corrected)), shlex.quote(str(trained)))
    if run and (run / "run.json").is_file():  # with all settings of the run, but for its data
        go_on += f" --format records --config {shlex.quote(str(run / 'run.json'))}"
    return shlex.join(map(str, words)), go_on
