"""How much noise it takes from a policy gradient to credit each reward to the tokens that it can depend on.

unveil demo
python -m bench.credit --run runs/demo

The gradients of one question each, with eight answers, at a fine-tuned model: the squared length of their mean and
their variance, both free of bias, for all tokens credited with everything and for ``train/credit``, and the cosine
between the two means. Intervals: 1.96 deviations over random halves of the questions.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor

from bench import race
from unveil.rl import advantages, credit, grpo
from unveil.rl import run as rl
from unveil.rl.run import Invocation, Run

WAYS = {"answer": False, "parts": True}


@dataclass(frozen=True)
class Config:
    """Measure the noise of policy gradients with and without credit by part."""

    run: Path = Path("runs/demo")
    """Folder of `unveil run` or `unveil demo`, with a fine-tuned model."""
    questions: int = 200
    """Diagnoses of the training split, each with a gradient of its own."""
    answers: int = 8
    """Answers to each."""
    threads: int = 2
    """Threads of torch."""
    json: Path | None = None
    """File for the figures."""


def gradients(run: Run, questions: int) -> Iterator[dict[str, Tensor]]:
    """The gradient of each question by each way of credit, over all trained weights."""
    weights = [p for p in run.scorer.parameters() if p.requires_grad]
    for _ in range(questions):
        drawn = run.collect(0)
        run.step += 1
        scores = run.scorer(drawn.rows)
        worth = run.rewarded(drawn, scores)
        found = {}
        for name, parts in WAYS.items():
            relative_S = credit.relative(worth, drawn, run.scorer.chat, advantages.named("dr-grpo"), parts)
            loss = -(relative_S * scores.in_order()).sum() / drawn.answers
            found[name] = torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights, retain_graph=True)])
        yield found


def moments(products: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    """From the scalar products of all questions' gradients, (N, N): what is the same for any number of questions.

    The mean over pairs of different questions is free of the noise that a question's product with itself holds.
    """
    n = len(next(iter(products.values())))
    apart = {name: (table.sum() - np.trace(table)) / (n * (n - 1)) for name, table in products.items()}
    likely = min(apart["answer"], apart["parts"]) > 0  # of few questions a squared length may come out below 0
    noise = {name: np.trace(products[name]) / n - apart[name] for name in WAYS}
    return {
        **{f"mean_squared_{name}": float(apart[name]) for name in WAYS},
        **{f"variance_{name}": float(noise[name]) for name in WAYS},
        "variance_parts_over_answer": float(noise["parts"] / noise["answer"]),
        "cosine": float(apart["both"] / np.sqrt(apart["answer"] * apart["parts"])) if likely else float("nan"),
    }


def main(config: Config) -> dict[str, Any]:
    """Measures, prints, and returns the figures."""
    torch.set_num_threads(config.threads)
    resplit = config.run / "resplit.jsonl"
    with tempfile.TemporaryDirectory() as out:
        given = grpo.Config(
            records=resplit if resplit.is_file() else config.run / "data" / "records.jsonl",
            dialogues=config.run / "dialogues.jsonl",
            out=Path(out),
            model=str(config.run / "sft"),
            kinds=("diagnosis",),
            rewards=("relevance", "localisation"),
            combination="sum",
            batch_size=1,
            answers=config.answers,
            limit=config.questions,
            epochs=1.0,
            validate_every=0,
            workers=0,
        )
        with rl.output(given, Invocation("bench credit", given)) as output:
            assert output
            run = rl.begin(given, output, None)
            found = list(gradients(run, min(config.questions, run.total)))
    tables = {name: torch.stack([one[name] for one in found]) for name in WAYS}
    pairs = {"answer": ("answer", "answer"), "parts": ("parts", "parts"), "both": ("answer", "parts")}
    products = {name: (tables[a] @ tables[b].T).double().numpy() for name, (a, b) in pairs.items()}
    out_figures: dict[str, Any] = {name: {"value": value} for name, value in moments(products).items()}
    rng = np.random.default_rng(0)
    halves = [rng.permutation(len(found))[: len(found) // 2] for _ in range(500)]
    drawn = [moments({k: v[np.ix_(half, half)] for k, v in products.items()}) for half in halves]
    for name, figure in out_figures.items():
        # of halves without repetition, whose spread is that of the whole: a question drawn twice is no pair
        middle, spread = figure["value"], np.nanstd([d[name] for d in drawn])
        figure |= {"low": float(middle - 1.96 * spread), "high": float(middle + 1.96 * spread), "n": len(found)}
        print(f"{name:28}{middle:12.4g} [{figure['low']:.4g}, {figure['high']:.4g}]")
    out_figures |= {"answers": config.answers, **race.surroundings()}
    race.write(config.json, out_figures)
    print(
        json.dumps(
            {
                name: value["value"]
                for name, value in out_figures.items()
                if isinstance(value, dict) and "value" in value
            }
        )
    )
    return out_figures


if __name__ == "__main__":
    main(tyro.cli(Config))
