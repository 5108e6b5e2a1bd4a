"""The command ``unveil check-served``: whether a server answers as the trained model that it is said to run.

The same questions are asked there and here, greedily, with the same ids banned; what the run itself has answered is
taken where it is of these weights. Answers, boxes, log-probabilities and scores are compared, and where they differ the
cause is looked for (``served_causes``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unveil.core import console, digests, provenance, run_folder
from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.dialects import heard
from unveil.core.geometry import mean_iou
from unveil.core.jsonl import read_jsonl
from unveil.core.records import KINDS, Prediction, Record, RecordError
from unveil.core.run_folder import RunModel
from unveil.core.untrusted import read_json
from unveil.evaluate import predict, score, served_causes
from unveil.evaluate.estimates import written
from unveil.evaluate.exchange.reading import Elsewhere
from unveil.evaluate.options import PredictOptions
from unveil.evaluate.score_table import show_two
from unveil.evaluate.sections import ratios
from unveil.evaluate.served_options import ServedOptions
from unveil.vlm.generate import GenerationError
from unveil.vlm.resolution import Resolution

Config = ServedOptions
#: A mean difference of log-probabilities above which the cause is looked for; rounding of the same sums stays below.
MISMATCH = 1e-3
FIGURES = {
    "equal": ratios.ratio(0, 1),
    "box_iou": ratios.ratio(2, 3),
    "mismatch": ratios.ratio(4, 5, highest=float("inf")),
}
TITLES = {
    "equal": "equal answers",
    "box_iou": "IoU of their boxes",
    "mismatch": "mean |log p - log q|",
}


def main(config: Config) -> bool:
    """Whether the server answers as the model does here."""
    found = _found(config)
    out = config.out or found.folder / "served"
    inputs: list[Any] = [found.records, found.dialogues, *digests.of_model(found.folder)]
    file = out / "served.json"
    with provenance.output(file, "check-served", config, inputs) as output:
        if output is None:
            told = read_json(file)
        else:
            told = _check(replace(config, out=out), found, out)
            provenance.write_json(file, told)
            output.write(model=told["model"])
    show_two(read_json(out / "scores.json", lenient=True))
    _show(told, config.least)
    return bool(told["figures"]["equal"]["value"] >= config.least)


def _found(config: Config) -> RunModel:
    found = run_folder.find(config.run, config.name)
    missing = [what for what in ("records", "dialogues") if getattr(found, what) is None]
    if missing:
        raise RecordError(
            f"{config.run}: the {' and '.join(missing)} of its run are not there, so nothing can be asked"
        )
    return found


def _check(config: Config, found: RunModel, out: Path) -> dict[str, Any]:
    """Asks there and here, and compares."""
    assert found.records and found.dialogues
    server = served_causes.connected(config, found, out)
    try:
        name = _name(config, server)
    except GenerationError as error:
        raise RecordError(f"{error}: start the server, or correct the address (it mostly ends in /v1)") from error
    asked = how_asked(config, found)
    there = predict.main(_served(config, asked, name, out))
    here = _here(config, found, asked, out)
    theirs, ours = ({p.id: p for p in read_jsonl(file, Prediction)} for file in (there, here))
    both = [(ours[i], p) for i, p in theirs.items() if i in ours]
    records = {record.id: record for record in read_jsonl(found.records, Record)}
    whole = theirs.keys() == ours.keys() and config.limit is None and {*asked.kinds} == {*KINDS}
    answers = {"here": here, "served": there}
    part, drawn = Elsewhere(part=not whole), (config.seed, config.resamples)
    score.score(found.records, found.dialogues, answers, out, (), *drawn, elsewhere=part)
    figures = compared(both, records, config.resamples, config.seed)
    told: dict[str, Any] = {"model": name, "host": server.host, "questions": len(both), "figures": figures}
    told["without_logprobs"] = not any(q.tokens for _, q in both)
    told["differing"] = [p.id for p, q in both if p.answer != q.answer]
    if told["differing"] or (figures["mismatch"]["value"] or 0) > MISMATCH:
        server.model = name
        told["causes"] = served_causes.causes(config, found, asked, server, both)
    return told


def _name(config: Config, server: Any) -> str:
    """How the server calls the model. Raises ``RecordError`` where that is not known, or it has no such model."""
    given = config.server_model
    if config.dry_run or (config.engine == "transformers" and given):  # which loads what it is asked for
        return given or "MODEL"
    there = server.names()
    if given is None and len(there) == 1:
        return str(there[0])
    if given is None:
        raise RecordError(f"{server.host} has several models: name one by --server-model: {', '.join(there)}")
    if given not in there:
        raise RecordError(f"{server.host} has no model {given}: it has {', '.join(there)}")
    return given


def how_asked(config: Config, found: RunModel) -> PredictOptions:
    """How the run asked the model, of this process."""
    assert found.dialogues
    told = (found.asked or {}).get("config", {})
    return PredictOptions(
        dialogues=found.dialogues,
        out=found.folder / "unnamed.jsonl",
        model=str(found.folder),
        name="here",
        split=config.split,
        kinds=tuple(told.get("kinds", KINDS)),
        limit=config.limit,
        max_new_tokens=told.get("max_new_tokens", 384),
        precision=told.get("precision", "auto"),
        box_format=told.get("box_format"),
        limits=Resolution(**told.get("limits", {})),
        plugins=config.plugins,
        restart=config.restart,
    )


def _served(config: Config, asked: PredictOptions, name: str, out: Path) -> PredictOptions:
    """The same of the server."""
    from unveil.core.options import part_of
    from unveil.experts.options import ServerOptions

    return replace(
        asked,
        **part_of(ServerOptions, config),
        out=out / "served.jsonl",
        name="served",
        engine=config.engine,
        server=config.url,
        server_model=name,
    )


def _here(config: Config, found: RunModel, asked: PredictOptions, out: Path) -> Path:
    """The answers of this process: those of the run, if they are of these weights and questions, with what tokens were
    worth."""
    told = found.asked
    if found.predictions and told and "finished" in told:
        weights = digests.digest(digests.of_model(found.folder)[0])
        known = {"split": config.split, "image": "own", "engine": "own", "confidence": True}
        same = all(told["config"].get(key, value) == value for key, value in known.items())
        if same and {weights, digests.sha256(asked.dialogues)} <= set(told["inputs"].values()):
            console.say(f"here: the answers of the run, {found.predictions}")
            return found.predictions
    return predict.main(replace(asked, out=out / "here.jsonl"))


# --------------------------------------------------------------------------------------------------------- comparing


def compared(
    both: Sequence[tuple[Prediction, Prediction]], records: Mapping[str, Record], resamples: int, seed: int
) -> dict[str, Any]:
    """Figures of two answers to each question, with 95 % intervals over patients.

    ``equal``: answers that are the same text. ``box_iou``: of answers with a box in either, the mean IoU of boxes
    matched one to one, a surplus box counting 0. ``mismatch``: |log p - log q| of the tokens that both wrote behind the
    same beginning, to four digits as predictions keep them; without a value where one of the two tells none.
    """
    values_NK = np.array([_sums(ours, theirs, records[ours.record]) for ours, theirs in both])
    return ratios.estimates(FIGURES, values_NK, [records[p.record].cluster for p, _ in both], resamples, seed)


def _sums(ours: Prediction, theirs: Prediction, record: Record) -> list[float]:
    a, b = (_boxes(p, record) for p in (ours, theirs))
    iou = mean_iou(a, b) if a or b else 0.0
    apart = served_causes.differences(ours, theirs)
    return [ours.answer == theirs.answer, 1, iou, bool(a or b), sum(apart), len(apart)]


def _boxes(said: Prediction, record: Record) -> list[Any]:
    view = View(BOX_FORMATS[said.box_format], record.size, said.frame)
    return view.read(heard(said.answer, said.kind, view.box_format).text)[0]


def _show(told: Mapping[str, Any], least: float) -> None:
    digits = {"mismatch": 6}
    rows = [[TITLES[name], written(cell, digits.get(name, 3), n=True)] for name, cell in told["figures"].items()]
    title = f"{told['model']} at {told['host']} and here, {told['questions']} questions"
    console.table(title, ["", "value and 95 % interval"], rows)
    if told["figures"]["mismatch"]["value"] is None:
        lack = "the server tells no log-probabilities" if told["without_logprobs"] else "no two answers begin alike"
        console.say(f"{lack}, so whether log-probabilities agree is not known")
    equal = told["figures"]["equal"]["value"]
    verdict = "it answers as the model does here" if equal >= least else "it does not answer as the model does here"
    console.say(f"{verdict}: {100 * equal:.1f} % equal answers ({100 * least:g} % are asked for)")
    for cause in told.get("causes", ()):
        console.say(f"cause: {cause}")
