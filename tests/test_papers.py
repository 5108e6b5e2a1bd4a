"""The evaluations of three papers: commands that can be typed, the papers' own figures beside, what is left out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.test_benchmark import written
from unveil import cli
from unveil.core import benchmarks as learning
from unveil.core import provenance
from unveil.core.jsonl import to_json, write_jsonl
from unveil.core.options import OptionError
from unveil.core.pairs import read_pairs
from unveil.core.records import Finding, Record, RecordError, Source
from unveil.curate.holdout import withheld
from unveil.experts.options import AskedOptions, ExpertOptions
from unveil.experts.requests import ExpertError
from unveil.gate import GateError
from unveil.ingest.reading import IngestError
from unveil.pipelines import commands as processes
from unveil.pipelines import paper_mmedpo, paper_stllava, paper_umed, papers, study
from unveil.pipelines.paper import FigureOf, Paper, PaperRun, PaperTable, TypedCommand
from unveil.pipelines.study import Config
from unveil.vlm.families import ModelError

ALL = pytest.mark.parametrize("paper", papers.PAPERS.values(), ids=lambda paper: paper.name)
#: The commands that ask the expert.
ASKS = {"umed": ("curate mau",), "stllava": ("curate selftrain",), "mmedpo": ("prefer",)}
#: What a page is made of, when nothing was done.
ABOUT: dict[str, Any] = {
    "model": "m",
    "seed": 1,
    "limit": None,
    "missing": [],
    "failed": {},
    "tables": [],
    "by_place": [],
    "cannot": [],
}
FIGURE = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8, "reason": None}


def asked(out: Path, **more: Any) -> PaperRun:
    return PaperRun(out, "tiny", 1, **more)


def folders(paper: Paper) -> dict[str, Path]:
    return {name: Path(f"data/{name}") for name in paper.sets}


@ALL
def test_every_command_can_be_typed(paper: Paper, tmp_path: Path) -> None:
    """Each has a name of its own, and comes after what it needs; of those with the same options one is parsed."""
    done: list[str] = []
    known: set[tuple[str, ...]] = set()
    expert = AskedOptions(expert="http://127.0.0.1:8000/v1", expert_model="m", identifiers="redact", budget_tokens=9)
    run = asked(tmp_path, asked=expert, epochs=1.0, limit=4, restart=True, allow_benchmark_test=True)
    for command in paper.commands(folders(paper), Path("data"), run):
        assert set(command.after) <= {*done} and command.name not in done
        done.append(command.name)
        options = (*command.words[:2], *(word for word in command.words if word.startswith("--")))
        if options in known:
            continue
        known.add(options)
        parsed, config = cli.parse(command.words)
        assert config.restart
        if " ".join(command.words[:2]) in ASKS[paper.name] or command.words[0] in ASKS[paper.name]:
            assert replace(config.asked, replies=None) == ExpertOptions(**vars(expert))
        assert not parsed.module.startswith("train.") or (config.epochs, config.allow_benchmark_test) == (1.0, True)


@ALL
def test_every_figure_comes_from_a_command(paper: Paper, tmp_path: Path) -> None:
    commands = paper.commands(folders(paper), Path("data"), asked(tmp_path))
    written = {command.words[command.words.index("--out") + 1] for command in commands if "--out" in command.words}
    reads = [read for table in paper.tables for row in table.ours.values() for read in row.values()]
    assert reads and {str(tmp_path / read.folder) for read in reads} <= written


def test_the_papers_figures_are_those_of_the_papers() -> None:
    """UMed-LVLM's mean is the plain mean of its five sources, to rounding; the rows of all have every column."""
    for row in paper_umed.ACCURACY.values():
        five = [row[column] for column in paper_umed.COLUMNS[:-1]]
        assert row["mean"] == pytest.approx(sum(five) / 5, abs=0.0101)
    assert paper_umed.ACCURACY["UMed-LVLM"]["TBX11K"] == 0.86
    assert paper_stllava.ZERO_SHOT["STLLaVA-Med"]["SLAKE open"] == 46.69
    assert paper_mmedpo.IN_ANSWERS["SFT + MMedPO"]["SLAKE closed"] == 75.24
    assert paper_mmedpo.IN_ANSWERS["MMedPO"]["VQA-RAD open"] == 36.36
    assert paper_mmedpo.IN_REPORTS["MMedPO"]["IU-Xray ROUGE-L"] == 29.52
    assert paper_mmedpo.IN_REPORTS["SFT + MMedPO"]["MIMIC-CXR METEOR"] == 10.20
    assert paper_mmedpo.IN_REPORTS.keys() == paper_mmedpo.IN_ANSWERS.keys()


def test_the_rarest_label_of_each_source(tmp_path: Path) -> None:
    """Of a the label y (one image of three), of b the label z; x is in both sources, and c has one label alone."""

    def record(name: str, dataset: str, *labels: str) -> Record:
        return Record(name, "a.png", 9, 9, findings=tuple(map(Finding, labels)), source=Source(dataset))

    rows = [record("1", "a", "x", "y"), record("2", "a", "w"), record("3", "a", "w"), record("4", "b", "x", "z")]
    rows += [record("5", "b", "v"), record("6", "b", "v", "v"), record("7", "c", "only")]

    write_jsonl(tmp_path / "split" / "records.jsonl", rows)
    assert paper_umed.rarest(tmp_path) == ("y", "z")


def test_a_data_set_can_be_withheld() -> None:
    from tests.helpers.outcomes import dialogue

    rows = [Record(name, "a.png", 9, 9, split="train", source=Source(of)) for name, of in (("1", "a"), ("2", "b"))]
    kept = withheld([dialogue("detection", "Yes.", name=row.id, of=row.id, split="train") for row in rows], rows, ["a"])
    assert [d.record for d in kept] == ["2"]
    with pytest.raises(RecordError, match="no record has 'c'; there are a, b"):
        withheld([], rows, ["c"])


# ------------------------------------------------------------------------------------------------------------- the runs


def chain(tmp_path: Path, words: dict[str, list[str]], after: dict[str, tuple[str, ...]]) -> dict[str, str]:
    commands = [TypedCommand(name, tuple(given), after.get(name, ())) for name, given in words.items()]
    return papers.run(commands, tmp_path, {"{datasets}": lambda out: ("datasets", "vqa-rad")})


def test_what_fails_leaves_out_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    """Real processes; what is filled in is words of its own."""
    failed = chain(
        tmp_path,
        {"a": ["datasets", "nothing-such"], "b": ["--version"], "c": ["{datasets}"], "d": ["--version"]},
        {"b": ("a",), "d": ("b",)},
    )
    assert failed == {"a": failed["a"], "b": "needs a", "d": "needs b"}
    assert failed["a"].startswith("no data set or form is called 'nothing-such'")
    assert "VQA-RAD" in (tmp_path / "logs" / "c.log").read_text()


def test_a_split_that_was_dealt_is_one_whatever_else_is_amiss(tmp_path: Path) -> None:
    """`check` ends with 1 where an image is broken, and has dealt a split all the same."""
    from tests.helpers.annotated import draw

    for seed, name in enumerate("ab"):
        draw(tmp_path / f"{name}.png", seed=seed)
    rows = [Record(name, f"{name}.png", 40, 20) for name in "abc"]
    write_jsonl(tmp_path / "records.jsonl", rows)
    command = asked(tmp_path).split(tmp_path / "records.jsonl", "split")
    assert papers.run([command], tmp_path, {}) == {}
    assert (tmp_path / "split" / "records.jsonl").is_file()


@ALL
def test_a_study_writes_the_papers_figures_and_ours(
    paper: Paper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every benchmark's run says 0.5 of 8, in per cent 50; where a command has failed, a row has the paper's alone."""
    data, there = tmp_path / "data", paper.sets[-2:]
    for name in there:
        written(name, data / name)

    def running(commands: list[TypedCommand], out: Path, fills: Any) -> dict[str, str]:
        measured = [c for c in commands if c.words[0] == "benchmark" and "--model" in c.words]
        for command in measured[1:]:
            folder = Path(command.words[command.words.index("--out") + 1])
            groups = {"of": dict.fromkeys(paper.sets, FIGURE), "mean": FIGURE}
            reads = [read for table in paper.tables for row in table.ours.values() for read in row.values()]
            figures = dict.fromkeys((read.metric for read in reads), FIGURE)
            about = {"questions": 8, "groups": groups, "metrics": figures, "published": figures}
            provenance.write_json(folder / "benchmark.json", about)
            (folder / "scores").mkdir()
            (folder / "scores" / "outcomes.jsonl").write_text(json.dumps({**to_json(OUTCOME), "model": "m"}) + "\n")
        return {measured[0].name: "no answer"}

    monkeypatch.setattr(papers, "run", running)
    monkeypatch.setitem(paper.fills, "{rarest}", lambda out: ("mass",)) if paper.fills else None
    path = study.main(Config(name=paper.name, data=data, out=tmp_path / "out"))  # type: ignore[arg-type]
    about, page = json.loads(path.read_text()), (tmp_path / "out" / "study.md").read_text()
    assert about["missing"] == [name for name in paper.sets if name not in there]
    assert "no answer" in page and "What cannot be redone" in page and page in capsys.readouterr().err.replace("\r", "")
    half = "0.50 [0.25, 0.75] (n 8)" if paper.name == "umed" else "50.0 [25.0, 75.0] (n 8)"
    assert f"/ {half}" in page


def _outcome() -> Any:
    from tests.helpers.outcomes import diagnosis, dialogue, outcome, record

    found = ("mass", (1.0, 1.0, 9.0, 9.0))
    r = record(found)
    return outcome(r, dialogue("diagnosis", diagnosis(found)), diagnosis(found))


OUTCOME = _outcome()


def test_a_figure_of_some_labels_is_of_these_images_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    provenance.write_json(folder / "benchmark.json", {"metrics": {}})
    (folder / "scores").mkdir()
    row = {**to_json(OUTCOME), "model": "m"}
    (folder / "scores" / "outcomes.jsonl").write_text(json.dumps(row) + "\n")
    read = FigureOf("run", "accuracy", labels="{x}")
    found = papers.figure(read, tmp_path, {"{x}": lambda out: ("mass",)})
    assert found and (found["value"], found["n"]) == (1.0, 1)
    none = papers.figure(read, tmp_path, {"{x}": lambda out: ("other",)})
    assert none and (none["value"], none["n"]) == (None, 0)
    assert papers.figure(FigureOf("nowhere", "accuracy"), tmp_path, {}) is None


def test_accuracy_by_iou_has_intervals_and_counts(tmp_path: Path) -> None:
    """Of thirty images met at IoU 1 twenty are named rightly, of one that is missed none."""
    rows = []
    for i, (iou, right) in enumerate([*[(1.0, 1), (1.0, 1), (1.0, 0)] * 10, (0.0, 0)]):
        sums = {"iou": (iou, 1), "accuracy": (right, 1)}
        rows.append(json.dumps({**to_json(replace(OUTCOME, id=str(i), cluster=str(i), sums=sums)), "model": "m"}))
    folder = tmp_path / "aar-measured"
    provenance.write_json(folder / "benchmark.json", {})
    (folder / "scores").mkdir()
    (folder / "scores" / "outcomes.jsonl").write_text("\n".join(rows))
    found = {row["place"]: row["UMed-LVLM"] for row in papers.by_place(tmp_path)}
    assert (found["0.75 and more"]["value"], found["0.75 and more"]["n"]) == (pytest.approx(2 / 3), 30)
    assert found["0.75 and more"]["low"] < 2 / 3 < found["0.75 and more"]["high"]
    assert (found["not met"]["value"], found["not met"]["n"], found["up to 0.25"]["n"]) == (0.0, 1, 0)
    page = papers.text(papers.UMED_LVLM, {**ABOUT, "by_place": papers.by_place(tmp_path)})
    assert "| 0.75 and more | 0.67 [" in page and "| not met | 0.00 (n 1) |" in page


def test_a_figure_that_was_not_measured_says_why(tmp_path: Path) -> None:
    about = {"metrics": {"meteor_nltk": {**FIGURE, "value": None, "low": None, "high": None, "reason": "no WordNet"}}}
    provenance.write_json(tmp_path / "run" / "benchmark.json", about)
    table = PaperTable("t", ("METEOR",), {}, {"ours": {"METEOR": FigureOf("run", "meteor_nltk")}}, 100.0)
    page = papers.text(papers.MMEDPO, {**ABOUT, "tables": [papers.compared(table, tmp_path, {})]})
    assert "| ours | – / – |" in page and "METEOR: no WordNet." in page


def test_what_lies_there_of_another_run_is_no_figure_of_a_command_that_failed(tmp_path: Path) -> None:
    provenance.write_json(tmp_path / "vqa-rad" / "base-measured" / "benchmark.json", {"metrics": {"closed": FIGURE}})
    table = PaperTable("t", ("c",), {}, {"ours": {"c": FigureOf("vqa-rad/base-measured", "closed")}})
    assert papers.compared(table, tmp_path, {})["rows"]["ours"]["c"]["ours"] == FIGURE
    assert papers.compared(table, tmp_path, {}, {"vqa-rad-base-measured"})["rows"]["ours"]["c"]["ours"] is None


def test_a_row_that_only_the_paper_has_stays(tmp_path: Path) -> None:
    table = PaperTable("t", ("c",), {"paper": {"c": 1.5}}, {"ours": {"c": FigureOf("nowhere", "closed")}})
    found = papers.compared(table, tmp_path, {})
    assert found["rows"] == {"ours": {"c": {"paper": None, "ours": None}}, "paper": {"c": {"paper": 1.5, "ours": None}}}
    assert papers._cell(found["rows"]["paper"]["c"], 2) == "1.5 / –"


# ------------------------------------------------------------------------------------------------------------ bad input


def test_what_a_study_of_a_paper_needs(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="study umed: --data is needed, the folder whose folders hold deeplesion"):
        study.main(Config(name="umed"))
    with pytest.raises(RecordError, match="with one seed"):
        study.main(Config(name="umed", data=tmp_path, seeds=(1, 2)))
    written("busi", tmp_path / "data" / "busi")
    with pytest.raises(IngestError, match="MMedPO is measured on slake, vqa-rad, iu-xray, mimic-cxr-r2gen; in its"):
        study.main(Config(name="mmedpo", data=tmp_path / "data"))
    with pytest.raises(OptionError, match="--patients, --jobs: not of `unveil study umed`, but of preferences, "):
        study.main(Config(name="umed", data=tmp_path, patients=8, jobs=2))
    with pytest.raises(OptionError, match="--data, --expert: not of `unveil study rewards`, but of umed, stllava"):
        study.main(Config(name="rewards", data=tmp_path, asked=AskedOptions(expert="local:m")))


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"model": "./nowhere"}, ModelError, "./nowhere: no such folder"),
        ({"asked": AskedOptions(expert="local:./nowhere")}, ModelError, "./nowhere: no such folder"),
        ({"asked": AskedOptions(expert="gpt")}, ExpertError, "--expert: use rules, local:MODEL or the address"),
        ({"asked": AskedOptions(expert="http://127.0.0.1:1/v1")}, ExpertError, "--expert-model: name the model"),
        ({"asked": AskedOptions(expert="https://a.example/v1", expert_model="m")}, GateError, "--allow-remote"),
    ],
    ids=["base", "expert", "no expert", "unnamed", "remote"],
)
def test_what_no_command_could_do_is_refused_before_the_first(
    more: dict[str, Any], error: type[Exception], said: str, tmp_path: Path
) -> None:
    written("vqa-rad", tmp_path / "data" / "vqa-rad")
    with pytest.raises(error, match=said):
        study.main(Config(name="mmedpo", data=tmp_path / "data", out=tmp_path / "out", **more))
    assert not (tmp_path / "out").exists()


def test_half_a_set_is_refused_before_the_first_command(tmp_path: Path) -> None:
    """Label maps without volumes. `benchmark` refuses it too, which would leave out all that needs its records."""
    written("kvasir-seg", tmp_path / "data" / "kvasir-seg")
    (folder,) = (written("kits23", tmp_path / "data" / "kits23") / "dataset",)
    for file in folder.rglob("imaging.nii.gz"):
        file.unlink()
    with pytest.raises(IngestError, match="not the whole of kits23"):
        study.main(Config(name="umed", data=tmp_path / "data", out=tmp_path / "out"))


def test_a_model_that_has_learnt_the_test_is_refused_before_the_first_command(
    tmp_path: Path, tiny_folder: Path
) -> None:
    model = shutil.copytree(tiny_folder, tmp_path / "model")
    about = {"command": "train sft", "config": {}, "inputs": {}, learning.KEY: {"vqa-rad": 3, "busi": 1}}
    provenance.write_json(model / "run.json", about)
    written("vqa-rad", tmp_path / "data" / "vqa-rad")
    config = Config(name="mmedpo", data=tmp_path / "data", out=tmp_path / "out", model=str(model), dry_run=True)
    with pytest.raises(RecordError, match="has learnt from 3 images of the test split of vqa-rad: "):
        study.main(config)
    with pytest.raises(provenance.DryRun):
        study.main(replace(config, allow_benchmark_test=True))


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written("vqa-rad", tmp_path / "data" / "vqa-rad")
    with pytest.raises(provenance.DryRun, match="18 commands"):
        study.main(Config(name="mmedpo", data=tmp_path / "data", out=tmp_path / "out", dry_run=True))
    said = capsys.readouterr().err
    assert "unveil prefer --name povid" in said and not (tmp_path / "out").exists()
    assert "slake            not there, left out; `unveil datasets slake` says" in said


def test_stage_2_without_an_expert_that_sees_is_left_out_before_the_first_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rules know nothing of images that nobody has annotated; with an expert all is done."""
    for name in ("llava-med", "vqa-rad"):
        written(name, tmp_path / "data" / name)
    config = Config(name="stllava", data=tmp_path / "data", out=tmp_path / "out", dry_run=True)
    with pytest.raises(provenance.DryRun, match="7 commands"):
        study.main(config)
    said = capsys.readouterr().err
    assert "llava-med-pairs is left out: rules do not know" in said and "curate selftrain" not in said
    assert "vqa-rad-stage-2-measured is left out: needs llava-med-stage-2" in said
    with pytest.raises(provenance.DryRun, match="10 commands"):
        study.main(replace(config, asked=AskedOptions(expert="local:tiny")))
    assert "curate selftrain" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- to its end


def test_reports_are_learnt_from_and_measured_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """MMedPO's second task on IU X-Ray's form: no command fails, and a second start makes nothing again.

    The commands are run in this process, since each of its own takes seconds to start; of the methods one.
    """

    def run(words: Sequence[str], log: Path) -> processes.Ended:
        code = cli.main(words)
        return processes.Ended(code, capsys.readouterr().err)

    monkeypatch.setattr(papers.processes, "run", run)
    monkeypatch.setattr(paper_mmedpo, "METHODS", {"MMedPO": "mmedpo"})
    monkeypatch.setattr(paper_mmedpo, "ROWS", {"LLaVA-Med 1.5": "base", "MMedPO": "mmedpo"})
    reports = written("iu-xray", tmp_path / "data" / "iu-xray") / "annotation.json"
    reports.write_text(reports.read_text().replace("No focal", "Focal"))  # of a normal image noise would hide nothing
    config = Config(name="mmedpo", data=tmp_path / "data", out=tmp_path / "out", epochs=0.5, limit=2)
    about = json.loads(study.main(config).read_text())
    assert about["failed"] == {} and about["missing"] == ["slake", "vqa-rad", "mimic-cxr-r2gen"]
    pairs = list(read_pairs(tmp_path / "out" / "iu-xray" / "mmedpo" / "pairs.jsonl"))
    assert {pair.kind for pair in pairs} == {"report"} and {pair.rejected_noise is not None for pair in pairs} == {
        True,
        False,
    }
    [*_, table] = about["tables"]
    cell = table["rows"]["MMedPO"]["IU-Xray ROUGE-L"]
    assert cell["paper"] == 29.52 and cell["ours"]["n"] == 1 and 0 <= cell["ours"]["value"] <= 100
    weights = tmp_path / "out" / "iu-xray" / "mmedpo" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    assert json.loads(study.main(config).read_text())["tables"] == about["tables"]
    assert weights.stat().st_mtime_ns == before
