"""The evaluations of three papers: commands that can be typed, the papers' own figures beside, what is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.test_benchmark import written
from unveil import cli
from unveil.core import provenance
from unveil.core.jsonl import to_json, write_jsonl
from unveil.core.records import Finding, Record, RecordError, Source
from unveil.curate.holdout import withheld
from unveil.ingest.reading import IngestError
from unveil.pipelines import paper_mmedpo, paper_stllava, paper_umed, papers, study
from unveil.pipelines.paper import FigureOf, Paper, PaperRun, PaperTable, TypedCommand
from unveil.pipelines.study import Config

ALL = pytest.mark.parametrize("paper", papers.PAPERS.values(), ids=lambda paper: paper.name)
FIGURE = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8, "reason": None}


def asked(out: Path, **more: Any) -> PaperRun:
    return PaperRun(out, "tiny", 1, "rules", **more)


def folders(paper: Paper) -> dict[str, Path]:
    return {name: Path(f"data/{name}") for name in paper.sets}


@ALL
def test_every_command_can_be_typed(paper: Paper, tmp_path: Path) -> None:
    """Each has a name of its own, and comes after what it needs."""
    done: list[str] = []
    for command in paper.commands(folders(paper), Path("data"), asked(tmp_path, epochs=1.0, limit=4, restart=True)):
        cli.parse(command.words)
        assert set(command.after) <= {*done} and command.name not in done
        done.append(command.name)


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
    assert paper_mmedpo.ANSWERS["SFT + MMedPO"]["SLAKE closed"] == 75.24
    assert paper_mmedpo.ANSWERS["MMedPO"]["VQA-RAD open"] == 36.36


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
            groups = {"of": dict.fromkeys(paper.sets, FIGURE), "mean": 0.5}
            about = {"questions": 8, "groups": groups, "metrics": dict.fromkeys(("closed", "open_recall"), FIGURE)}
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


def test_a_row_that_only_the_paper_has_stays(tmp_path: Path) -> None:
    table = PaperTable("t", ("c",), {"paper": {"c": 1.5}}, {"ours": {"c": FigureOf("nowhere", "closed")}})
    found = papers.compared(table, tmp_path, {})
    assert found["rows"] == {"ours": {"c": {"paper": None, "ours": None}}, "paper": {"c": {"paper": 1.5, "ours": None}}}
    assert papers._cell(found["rows"]["paper"]["c"]) == "1.5 / –"


# ------------------------------------------------------------------------------------------------------------ bad input


def test_what_a_study_of_a_paper_needs(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="study umed: --data is needed, the folder whose folders hold deeplesion"):
        study.main(Config(name="umed"))
    with pytest.raises(RecordError, match="with one seed"):
        study.main(Config(name="umed", data=tmp_path, seeds=(1, 2)))
    written("busi", tmp_path / "data" / "busi")
    with pytest.raises(IngestError, match="MMedPO is measured on slake, vqa-rad; in its folders is busi"):
        study.main(Config(name="mmedpo", data=tmp_path / "data"))


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written("vqa-rad", tmp_path / "data" / "vqa-rad")
    with pytest.raises(provenance.DryRun, match="18 commands"):
        study.main(Config(name="mmedpo", data=tmp_path / "data", out=tmp_path / "out", dry_run=True))
    assert "unveil prefer --name povid" in capsys.readouterr().err and not (tmp_path / "out").exists()
