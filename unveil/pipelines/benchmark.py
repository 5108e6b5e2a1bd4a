"""``unveil benchmark``: a model measured by a benchmark of the field, or by all whose data are in a folder.

It chains ingest, curate mau, the choice of a benchmark's questions, predict and score. By hand the same is done by
itself without a model, which writes the questions, and then predict and score. What is there already, made with the
same settings, is not made again, so that a run that was stopped goes on with the same command.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from unveil.core import benchmarks as learning
from unveil.core import console, digests, jsonl, options, provenance, records
from unveil.core.digests import about_run, folder_of
from unveil.core.grading import ScoreError
from unveil.core.options import OptionError, part_of
from unveil.core.records import Dialogue, Prediction, Record, RecordError
from unveil.core.untrusted import read_json
from unveil.curate import mau
from unveil.evaluate import predict, score
from unveil.evaluate.benchmarks import BENCHMARKS, Benchmark, chosen, questions, results
from unveil.evaluate.exchange import reading
from unveil.evaluate.exchange.reading import Elsewhere
from unveil.evaluate.metrics import cases
from unveil.ingest import ingest
from unveil.ingest.reading import IngestError
from unveil.pipelines import benchmark_page
from unveil.pipelines.benchmark_data import Places, SetsFound, among, places, sets_in
from unveil.pipelines.options import BenchmarkOptions
from unveil.vlm.choice import ModelChoice

Config = BenchmarkOptions
#: A benchmark's question is asked however many places its true answer has.
MOST_PLACES = 100_000


def main(config: Config) -> Path | bool:
    """Lists the benchmarks, or measures; returns the page, or the questions where nobody answers them."""
    if not config.name and not config.all:
        return listing()
    _refuse(config)
    assert config.data
    if config.all:
        return _every(config, config.data)
    benchmark = chosen(config.name)
    found = places(benchmark, config.data)
    job = Job(benchmark, found, config, config.out or Path(f"runs/benchmark-{benchmark.name}"))
    jobs = [job, *job.beside()]
    if config.dry_run:
        _rehearse(jobs)
    with _output(config, job.out, found.inputs) as output:
        assert output  # a page is derived, so that it is always made
        rows = [row for one in jobs if (row := one.run())]
        output.write()
    if not rows:
        return _asked_only(job)
    page = benchmark_page.write(rows, {}, job.out)
    benchmark_page.show(rows)
    console.made("page", page)
    return page


def listing() -> bool:
    """Tells all benchmarks, on the standard output."""
    for row in BENCHMARKS.values():
        print(f"{row.name:<16}{row.title}: {', '.join(results.TITLES[m] for m in row.metrics)}")
    print("\nunveil benchmark NAME --model MODEL --data DIR   DIR is the data set as it was downloaded")
    print("unveil benchmark --all --model MODEL --data DIR  all whose data sets are in folders below DIR")
    print("docs/reference/benchmarks.md tells each: wording, parser, metrics, split, citation")
    return True


def _refuse(config: Config) -> None:
    """Raises ``OptionError`` or ``RecordError`` for options that do not go together."""
    if config.name and config.all:
        raise OptionError(f"--all measures by every benchmark that is there: leave {config.name} out, or --all")
    if config.name:
        chosen(config.name)
    if config.data is None:
        raise OptionError("--data is needed: the folder of the data set, as it was downloaded")
    if config.model and config.predictions:
        raise OptionError("--predictions are answers that were given elsewhere: leave --model out")
    if config.frame and not config.predictions:
        raise OptionError("--frame tells of answers that were made elsewhere: give them with --predictions")
    if config.all and config.predictions:
        raise OptionError("--predictions are answers to one benchmark's questions: name it in place of --all")
    if config.all and not config.model:
        raise OptionError("--all: a --model is needed to answer")


def _output(config: Config, out: Path, inputs: list[Path]) -> Any:
    return provenance.output(out, "benchmark", config, inputs, ("benchmark.json",), derived=True)


def _asked_only(job: Job) -> Path:
    """Says how to go on where only the questions were wanted."""
    console.say(f"questions: {job.dialogues}; answers made elsewhere are scored by --predictions FILE, or by hand:")
    for step in job.answering("MODEL"):
        console.say("  " + step.line)
    return job.dialogues


def _rehearse(jobs: list[Job]) -> NoReturn:
    for job in jobs:
        console.say(f"{job.benchmark.name}: {job.benchmark.title}")
        for step in job.steps():
            console.say("  " + step.line)
    raise provenance.DryRun("nothing was read or written")


# ---------------------------------------------------------------------------------------------------------------- one


@dataclass(frozen=True)
class Step:
    """A command of the chain."""

    command: str
    config: Any
    main: Callable[[Any], Any]
    inputs: Callable[[], list[Any]]

    @property
    def line(self) -> str:
        """As it is typed."""
        return shlex.join(["unveil", *self.command.split(), *options.words(self.config)])

    def run(self) -> None:
        provenance.stage(self.command, self.config, self.inputs(), self.main)


@dataclass(frozen=True)
class Job:
    """One benchmark to be run."""

    benchmark: Benchmark
    found: Places
    config: Config
    out: Path
    store: Path | None = None
    """Where data sets are read to, if other benchmarks share them."""

    @property
    def records(self) -> Path:
        return self.out / "records.jsonl"

    @property
    def dialogues(self) -> Path:
        return self.out / "dialogues.jsonl"

    @property
    def model(self) -> str:
        """How the model is called."""
        c = self.config
        return c.called or c.model or (c.predictions.stem if c.predictions else "")

    def beside(self) -> list[Job]:
        """The other protocol that stands on the same page, where a model can answer its questions too."""
        if not (self.benchmark.beside and self.config.model):
            return []
        other = BENCHMARKS[self.benchmark.beside]
        return [Job(other, self.found, self.config, self.out / other.name, self.out / "data")]

    def run(self) -> dict[str, Any] | None:
        """The row of the page; None where nobody was there to answer."""
        learnt = self.learnt()
        dealt = self.read()
        left = self.ask()
        if not (self.config.model or self.config.predictions):
            return None
        for step in self.answering(self.config.model):
            step.run()
        return self.told(learnt, dealt, left)

    # ------------------------------------------------------------------------------------------------------- questions

    def learnt(self) -> dict[str, int]:
        """How many images of this benchmark's test split the model has learnt from, as far as is known.

        Raises ``RecordError`` where there are some, unless that is allowed.
        """
        known = learning.of_run(about_run(folder_of(self.config.model) / "run.json")) if self.config.model else {}
        found = {name: n for name, n in known.items() if name in self.benchmark.sets}
        if found and not self.config.allow_benchmark_test:
            raise RecordError(
                f"{self.config.model} has learnt from {learning.told(found)}: {learning.WORTHLESS}; "
                "--allow-benchmark-test measures it all the same, and the page says so"
            )
        return found

    def reading(self) -> list[Step]:
        """A command for each data set."""
        store = self.store or self.out / "data"
        c = self.config
        return [
            Step(
                "ingest",
                ingest.Config(data=place, format=name, out=store / name, plugins=c.plugins, restart=c.restart),
                ingest.main,
                partial(list, [place]),
            )
            for name, place in self.found.sets.items()
        ]

    def read(self) -> list[str]:
        """Writes the records of all its sets; returns those that were dealt to splits here."""
        for step in self.reading():
            step.run()
        files = [step.config.out / "records.jsonl" for step in self.reading()]
        rows = [
            records.rebased(row, file, self.records)
            for file in ([self.found.records] if self.found.records else files)
            for row in jsonl.read_jsonl(file, Record)
        ]
        if strange := sorted({r.source.dataset for r in rows} - {*self.benchmark.sets}):
            console.say(f"note: records of {', '.join(strange)}, which is not what {self.benchmark.name} is made of")
        rows, dealt = questions.tested(rows, self.config.seed, self.benchmark.whole)
        jsonl.write_jsonl(self.records, rows)
        return dealt

    @property
    def asking(self) -> Step:
        every = mau.Config(
            records=self.records,
            out=self.out / "every.jsonl",
            report_sections=("report",) if self.benchmark.report else (),
            max_findings=MOST_PLACES,
            restart=self.config.restart,
        )
        return Step("curate mau", every, mau.main, lambda: [self.records])

    def ask(self) -> dict[str, int]:
        """Writes the questions; returns what of the data was left out, and why."""
        self.asking.run()
        every = self.asking.config.out
        rows = list(jsonl.read_jsonl(self.records, Record))
        alone = questions.once(jsonl.read_jsonl(every, Dialogue), rows)
        group = self.benchmark.group
        groups = {row.id: group(row) for row in rows} if group else {}
        kept, left = questions.asked(self.benchmark, alone, self.config.limit, groups)
        jsonl.write_jsonl(self.dialogues, kept)
        unread = [step.config.out / "rejected.jsonl" for step in self.reading()]
        lost = sum(file.read_bytes().count(b"\n") for file in unread if file.is_file())
        if lost:
            left["annotations or images that could not be read (rejected.jsonl)"] = lost
        return dict(left)

    # --------------------------------------------------------------------------------------------------------- answers

    def steps(self) -> list[Step]:
        """The commands that do the same by hand, in order: the first one reads the data and writes the questions."""
        return [self.preparing, *self.answering(self.config.model or "MODEL")]

    @property
    def preparing(self) -> Step:
        c, found = self.config, self.found
        data = found.records or (next(iter(found.sets.values())) if len(self.benchmark.sets) == 1 else c.data)
        alone = Config(
            name=self.benchmark.name,
            data=data,
            out=self.out,
            limit=c.limit,
            seed=c.seed,
            plugins=c.plugins,
            restart=c.restart,
        )
        return Step("benchmark", alone, main, found.inputs.copy)

    def answering(self, model: str) -> list[Step]:
        """Predict, unless answers are there, and score."""
        c, file = self.config, self.config.predictions or self.out / "predictions.jsonl"
        asked = predict.Config(
            **part_of(ModelChoice, replace(c, model=model)),
            dialogues=self.dialogues,
            out=file,
            name=self.model or model,
            batch_size=c.batch_size,
            max_new_tokens=c.max_new_tokens,
            precision=c.precision,
            restart=c.restart,
        )
        graded = score.Config(
            records=self.records,
            dialogues=self.dialogues,
            predictions={self.model or model: file},
            out=self.out / "scores",
            box_format=c.box_format if c.predictions else None,
            frame=c.frame,
            resamples=c.resamples,
            seed=c.seed,
            restart=True,
        )
        predicting = Step("predict", asked, predict.main, lambda: [self.dialogues, *digests.of_model(model)])
        scoring = Step("score", graded, score.main, lambda: [self.records, self.dialogues, file])
        return [scoring] if c.predictions else [predicting, scoring]

    def told(self, learnt: Mapping[str, int], dealt: list[str], left: Mapping[str, int]) -> dict[str, Any]:
        """The figures with what has to be said of them, written as benchmark.json."""
        rows = list(jsonl.read_jsonl(self.records, Record))
        [found] = results.outcomes(self.out / "scores").values()
        bootstrap = results.Bootstrap(self.config.resamples, self.config.seed)
        scores = read_json(self.out / "scores" / "scores.json", lenient=True)
        own = results.result(self.benchmark, rows, found, bootstrap)
        if self.benchmark.report:
            own["metrics"] |= results.of_reports(scores, self.model)
        published = results.published(self.benchmark, scores, self.model)
        if self.benchmark.further:
            asked = {d.id: d for d in jsonl.read_jsonl(self.dialogues, Dialogue)}
            answers = list(cases(rows, asked.values(), self._answers(rows, asked)))
            more = self.benchmark.further(answers, self.config.resamples, self.config.seed)
            own["metrics"] |= more.ours
            published |= more.published
        about = {
            "benchmark": self.benchmark.name,
            "model": self.model,
            "limit": self.config.limit,
            **own,
            "published": published,
            "learnt": dict(learnt),
            "trained_here": bool(self.config.model and about_run(folder_of(self.config.model) / "run.json")),
            "dealt": dealt,
            "missing": list(self.found.missing),
            "left_out": dict(left),
            "commands": [step.line for step in self.steps()],
        }
        provenance.write_json(self.out / "benchmark.json", about)
        return about

    def _answers(self, rows: list[Record], asked: Mapping[str, Dialogue]) -> list[Prediction]:
        """The answers that were scored, whoever made them."""
        c = self.config
        how = Elsewhere(box_format=c.box_format, frame=c.frame)
        file = c.predictions or self.out / "predictions.jsonl"
        return reading.read(file, self.model, asked, {r.id: r for r in rows}, self.out, how).predictions


# ---------------------------------------------------------------------------------------------------------------- all


def _every(config: Config, data: Path) -> Path:
    """Every benchmark whose data are there, on one page; what could not be measured is told with its reason."""
    found = sets_in(data)
    out = config.out or Path("runs/benchmarks")
    jobs, left = _jobs(config, data, found, out)
    if config.dry_run:
        _rehearse(jobs)
    rows = []
    with _output(config, out, [data]) as output:
        assert output
        for job in jobs:
            console.say(f"[{job.benchmark.name}]")
            try:
                if row := job.run():
                    rows.append(row)
            except (RecordError, IngestError, ScoreError) as error:
                left[job.benchmark.name] = str(error)
                console.say(f"{job.benchmark.name} is left out: {error}")
        if not rows:
            raise RecordError(f"{data}: no benchmark could be run: " + "; ".join(f"{n}: {w}" for n, w in left.items()))
        provenance.write_json(out / "benchmark.json", {"benchmarks": rows, "left_out": left})
        output.write()
    page = benchmark_page.write(rows, left, out)
    benchmark_page.show(rows)
    console.made("page", page)
    return page


def _jobs(config: Config, data: Path, found: SetsFound, out: Path) -> tuple[list[Job], dict[str, str]]:
    """The benchmarks that can be run, and why other folders and benchmarks are left out."""
    jobs, left = [], dict(found.others)
    for benchmark in BENCHMARKS.values():
        if not set(benchmark.sets) & set(found.sets):
            continue
        try:
            jobs.append(Job(benchmark, among(benchmark, found, data), config, out / benchmark.name, out / "data"))
        except IngestError as error:
            left[benchmark.name] = str(error)
    used = {name for job in jobs for name in job.benchmark.sets}
    left |= {found.sets[n].name: f"{n} is no benchmark's data set" for n in found.sets if n not in used}
    if not jobs:
        held = "; ".join(f"{name}: {why}" for name, why in left.items()) or "nothing that can be read"
        raise IngestError(f"{data}: no benchmark's data set is in a folder below it: {held}")
    return jobs, left
