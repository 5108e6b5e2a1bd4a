"""The main job's own decisions: where it goes, what it refuses before an hour is spent, its last words."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import dialogue, records_in, write_both
from unveil import cli
from unveil.core import console, provenance
from unveil.core.jsonl import write_jsonl
from unveil.core.records import RecordError, Split
from unveil.evaluate import predict, score
from unveil.ingest import ingest
from unveil.pipelines import ending, prefer, run
from unveil.pipelines.run import folder_of
from unveil.rl import grpo
from unveil.train import resources


@pytest.mark.parametrize(
    ("data", "out", "goes_to"),
    [
        (None, None, "runs/demo"),
        ("hospital/ct", None, "runs/ct"),
        ("hospital/ct/", None, "runs/ct"),
        ("hospital/demo", None, "runs/demo-data"),
        ("hospital/ct", "mine", "mine"),
        ("runs/ct", None, "runs/ct-out"),
        ("runs/demo", None, "runs/demo-data"),
    ],
)
def test_own_data_never_goes_to_the_folder_of_the_demo(data: str | None, out: str | None, goes_to: str) -> None:
    config = run.Config(data=Path(data) if data else None, out=Path(out) if out else None)
    assert folder_of(config) == Path(goes_to)


def split_as(folder: Path, *splits: Split) -> Path:
    """Six records with these splits in turn."""
    rows = [replace(r, split=splits[i % len(splits)]) for i, r in enumerate(records_in(folder))]
    write_jsonl(folder / "records.jsonl", rows)
    return folder / "records.jsonl"


def test_an_empty_test_part_is_said_at_once_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no image in test: `--resplit always`"):
        run.refuse_empty(split_as(tmp_path, "train", "val"), dealt=False)
    with pytest.raises(RecordError, match="no image in train and test"):
        run.refuse_empty(split_as(tmp_path, "val"), dealt=False)
    with pytest.raises(RecordError, match="more patients are needed"):
        run.refuse_empty(split_as(tmp_path, "train"), dealt=True)


def test_an_empty_validation_part_is_said_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run.refuse_empty(split_as(tmp_path, "train", "test"), dealt=False)
    assert "no image in val" in capsys.readouterr().err
    run.refuse_empty(split_as(tmp_path, "train", "val", "test"), dealt=False)
    assert not capsys.readouterr().err


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def reported(config: run.Config, output: provenance.Output) -> Path:
    """A run of no stage but the report, with its last words."""
    assert config.out
    (config.out / "report.html").write_text("a report")
    write_jsonl(config.out / "dialogues.jsonl", [dialogue("d", "1.png", "Is it?")])
    output.write()
    run.say_ending(config, config.out, [])
    return config.out / "report.html"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data of one's own, in a folder one works in; what a run does is left out."""
    (tmp_path / "hosp").mkdir()
    (tmp_path / "hosp" / "labels.csv").write_text("image,label\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "_run", lambda config, out, output: reported(config, output))
    return tmp_path / "hosp"


def test_the_advice_at_the_end_of_a_run_can_be_followed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--data", "hosp"]) == 0
    more = ["--compare", "aar", "mmedpo"]
    advice = shlex.split(told(capsys).partition("go on: ")[2].partition(" correct its data:")[0])
    assert advice[:4] == ["unveil", "run", "--data", "hosp"] and advice[-3:] == more
    assert cli.main(advice[1:]) == 0, told(capsys)
    for words in (more, [*more, "--answer-batch", "8", "--resamples", "100", "--expert", "local:mine"]):
        assert cli.main(["run", "--data", "hosp", *words]) == 0, told(capsys)
        assert cli.main(["run", "--data", str(data), *words]) == 0, told(capsys)
    assert cli.main(["run", "--data", "hosp", "--epochs", "2"]) == 1
    assert "epochs 8 -> 2" in told(capsys)


def test_a_comparison_with_nothing_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--data", "hosp"]) == 0 and "--compare names nothing" not in told(capsys)
    assert cli.main(["run", "--data", "hosp", "--compare"]) == 0
    assert "--compare names nothing: nothing is trained beside fine-tuning" in told(capsys)


def test_other_data_are_another_run(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other" / "hosp").mkdir(parents=True)
    assert cli.main(["run", "--data", "hosp"]) == 0 and cli.main(["run", "--data", "other/hosp"]) == 1
    assert "data hosp -> other/hosp" in told(capsys)


def test_what_training_needs_makes_no_other_pairs(tmp_path: Path) -> None:
    """Less of a batch, as is advised where memory was short: the pairs stay; another method is refused."""
    config = prefer.Config(name="dpo", records=tmp_path / "r", dialogues=tmp_path / "d", out=tmp_path / "out")
    for asked in (config, replace(config, batch_size=4, answer_batch=8)):
        with provenance.output(tmp_path / "pairs.jsonl", "prefer", asked, [], derived=True) as output:
            assert output
            (tmp_path / "pairs.jsonl").write_text("")
            output.write()
    again = provenance.output(tmp_path / "pairs.jsonl", "prefer", replace(config, name="sima"), [], derived=True)
    with pytest.raises(provenance.OutputError, match="name dpo -> sima"), again:
        pass


def test_a_saved_configuration_writes_over_nothing_unless_told_to(data: Path) -> None:
    """Restarting, going on, and asking nobody are of the call that was saved."""
    assert cli.main(["run", "--data", "hosp", "--restart"]) == 0
    saved = Path("runs/hosp/run.json")
    assert '"restart": true' in saved.read_text()
    assert not cli.parse(["run", "--config", str(saved)])[1].restart
    assert cli.parse(["run", "--restart", "--config", str(saved)])[1].restart
    config = grpo.Config(records=data, dialogues=data, out=data / "m", resume=True, restart=True)
    asked = replace(config, judge=replace(config.judge, dry_run=True))
    file = provenance.write_json(data / "a.run.json", {"command": "train grpo", "config": provenance.plain(asked)})
    _, read = cli.parse(["train", "grpo", "--config", str(file)])
    assert read == grpo.Config(records=data, dialogues=data, out=data / "m")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--expert", "ruels"), "--expert ruels: use rules or local:MODEL"),
        (("--expert", "local:./nowhere"), "./nowhere: no such folder"),
        (("--data", ".", "--format", "synthetic"), "--format synthetic draws images and reads no --data"),
        (("--data", "nowhere"), "--data nowhere: no such file or folder"),
    ],
)
def test_what_cannot_be_is_said_before_the_model_is_built(
    words: tuple[str, ...],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(resources, "first_look", lambda *_, **__: pytest.fail("too late"))
    assert cli.main(["run", "--compare", "dpo", "--out", "out", *words]) == 1
    assert why in told(capsys) and not Path("out").exists()


def test_training_is_foretold_unless_it_is_there_as_it_would_be_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not where a model is there, of whatever settings."""

    def stop(*_: Any, **__: Any) -> str:
        raise KeyboardInterrupt

    config = run.Config(out=tmp_path)
    (tmp_path / "data").mkdir()
    write_both(tmp_path / "data", 9)
    write_jsonl(tmp_path / "dialogues.jsonl", [dialogue("d", "1.png", "Is it?")])
    learning = replace(run.learning_of(config, tmp_path), kinds=("report", "closed", "choice", "open"))
    with provenance.output(tmp_path / "sft", "train sft", learning, run._learnt_from(learning), ("weights",)) as output:
        assert output
        (tmp_path / "sft" / "weights").write_text("w")
        output.write()
    monkeypatch.setattr(resources, "first_look", stop)
    monkeypatch.setattr(ingest, "main", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.main(config)
    with pytest.raises(KeyboardInterrupt):
        run.main(replace(config, epochs=2.0))


def test_each_model_answers_validation_too_where_there_is_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files beside one another, of which scoring takes the second to choose on; without validation there is one."""
    (tmp_path / "base").mkdir()
    done: list[tuple[str, Split]] = []

    def answered(asked: predict.Config) -> None:
        done.append((asked.out.name, asked.split))
        asked.out.write_text("")

    chosen_on: list[dict[str, Path]] = []

    def scored(asked: score.Config) -> Path:
        chosen_on.append(asked.validation)
        (tmp_path / "scores.json").write_text("{}")
        return tmp_path / "scores.json"

    monkeypatch.setattr(provenance, "stage", lambda command, asked, inputs, main: answered(asked))
    monkeypatch.setattr(score, "main", scored)
    for split in ("test", "val"):
        write_jsonl(tmp_path / "dialogues.jsonl", [dialogue("d", "1.png", "Is it?", split=split)])
        run._answered(run.Config(), tmp_path, "base", "tiny")
        run._scored(run.Config(), tmp_path, tmp_path / "records.jsonl", ["base"])
    assert done == [("predictions.jsonl", "test"), ("predictions.jsonl", "test"), ("validation.jsonl", "val")]
    assert chosen_on == [{}, {"base": tmp_path / "base" / "validation.jsonl"}]


def test_the_command_that_asks_the_model_can_be_typed_as_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "Dr. O'Neil's run"
    out.mkdir()
    write_jsonl(out / "dialogues.jsonl", [dialogue("d", "an image.png", "Is it?")])
    line = next(line for line in ending.last_words(out, [], []).splitlines() if line.startswith("ask it:"))
    words = shlex.split(line.removeprefix("ask it:"))
    assert words[:4] == ["unveil", "ask", "--model", str(out / "sft")]
    assert Path(words[5]).resolve() == out / "an image.png"
    console.trained(out)
    assert shlex.split(told(capsys).partition("ask it:")[2])[3] == str(out)
