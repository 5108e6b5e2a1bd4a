"""The commands as a user meets them: the main job on a few synthetic patients, the overview, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from unveil import __version__, cli
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue, Record
from unveil.experts.requests import ExpertError
from unveil.pipelines import variants
from unveil.vlm.families import ModelError


def unveil(*words: object) -> int:
    return cli.main([str(w) for w in words])


together = pytest.mark.xdist_group("main job")
"""What looks at the same run, which one process makes."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The main job on ten synthetic patients with the tiny model and hardly any training."""
    out = tmp_path_factory.mktemp("run")
    assert unveil("demo", "--patients", 10, "--epochs", 0.3, "--out", out, "--resamples", 50) == 0
    return out


@together
def test_the_main_job_leaves_what_it_promises(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    for model in ("base", "sft"):
        for metric in ("accuracy", "iou", "iou50", "detection"):
            assert set(summary[model][metric]) >= {"value", "low", "high", "n"}
    assert summary["seconds"] > 0 and summary["peak_mb"] > 0
    for file in (
        "data/records.jsonl",
        "dialogues.jsonl",
        "base/predictions.jsonl",
        "sft/model.safetensors",
        "report.html",
    ):
        assert (run / file).is_file(), file
    about = json.loads((run / "sft" / "run.json").read_text())
    assert about["inputs"] and about["versions"]["torch"] and about["config"]["seed"] == 0


@together
def test_the_main_job_ends_with_what_to_do_next(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command that it names for one image can be typed as it stands."""
    assert unveil("demo", "--patients", 10, "--epochs", 0.3, "--out", run, "--resamples", 50) == 0
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("fine-tuned model:") and line.endswith(str(run / "sft")) for line in lines)
    asking = [line.partition("unveil ")[2] for line in lines if line.startswith("ask it:")][-1]
    command, config = cli.parse(asking.split())
    assert command is cli.COMMANDS["ask"] and config.image.is_file() and Path(config.model, "config.json").is_file()


@together
def test_the_main_job_splits_by_patient(run: Path) -> None:
    splits: dict[str | None, set[str | None]] = {}
    for record in read_jsonl(run / "data" / "records.jsonl", Record):
        splits.setdefault(record.patient, set()).add(record.split)
    assert all(len(s) == 1 and None not in s for s in splits.values())


@together
def test_a_second_call_does_nothing_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*.safetensors")}
    assert unveil("demo", "--patients", 10, "--epochs", 0.3, "--out", run, "--resamples", 50) == 0
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*.safetensors")} == before
    assert "is there already" in capsys.readouterr().err


@together
def test_a_saved_configuration_repeats_a_run(run: Path) -> None:
    """--config gives every option the value that it had; options besides go before it."""
    _, config = cli.parse(["run", "--config", str(run / "run.json"), "--seed", "7"])
    _, same = cli.parse(
        ["demo", "--patients", "10", "--epochs", "0.3", "--out", str(run), "--resamples", "50", "--seed", "7"]
    )
    assert config == same


@together
def test_the_report_can_be_written_again(run: Path) -> None:
    (run / "report.html").unlink()
    assert unveil("report", "--run", run) == 0
    assert "not a medical device" in (run / "report.html").read_text()


@together
def test_stages_without_a_model_tell_how_far_they_are(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = sum(1 for _ in read_jsonl(run / "data" / "records.jsonl", Record))
    made = ("--records", run / "data" / "records.jsonl", "--dialogues", run / "dialogues.jsonl")
    answers = [word for name in ("base", "sft") for word in (name, run / name / "predictions.jsonl")]
    assert unveil("curate", "mau", *made[:2], "--out", tmp_path / "d.jsonl") == 0
    assert unveil("score", *made, "--predictions", *answers, "--out", tmp_path, "--resamples", 50) == 0
    assert unveil("report", "--run", run) == 0
    told = [line.strip() for line in capsys.readouterr().err.splitlines()]
    for title, total in (("mau", images), ("score", 3), ("report", 3)):
        assert f"{title}  0/{total}" in told
        assert any(line.startswith(f"{title}  {total}/{total}  in ") for line in told)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_without_a_command_there_is_an_overview(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.parse(words)
    assert stop.value.code == 0
    assert "train sft" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told", "way_on"),
    [
        (["runn", "--out", "x"], "no command 'runn'; perhaps you meant `unveil run`", "unveil --help"),
        (["curate", "mauu"], "no command 'curate mauu'; perhaps you meant `unveil curate mau`", "unveil curate --help"),
        (["trian"], "no command 'trian'; perhaps you meant `unveil train`", "unveil --help"),
        (["trian", "sft"], "no command 'trian'; perhaps you meant `unveil train sft`", "unveil --help"),
        (["train"], "`unveil train` is followed by one of sft, dpo, aar, grpo, ppo", "unveil train --help"),
        (["train", "--epochs", "1"], "`unveil train` is followed by one of sft", "unveil train --help"),
        (["nonsense"], "no command 'nonsense'", "unveil --help"),
        (["--records", "x"], "no command '--records'", "unveil --help"),
    ],
)
def test_an_unknown_command_is_two_lines_on_stderr(
    words: list[str], told: str, way_on: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    first, second = err.splitlines()
    assert not out and first.startswith(f"error: {told}") and second.startswith(f"`{way_on}` ")


def test_version_and_groups(capsys: pytest.CaptureFixture[str]) -> None:
    for words, first in ((["--version"], "unveil 0"), (["train", "--help"], "  unveil train sft")):
        with pytest.raises(SystemExit) as stop:
            cli.parse(words)
        assert stop.value.code == 0 and capsys.readouterr().out.startswith(first)


@pytest.mark.parametrize("words", [["x.jsonl"], ["base", "a.jsonl", "sft"]])
def test_predictions_without_a_name_show_the_form(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert unveil("score", "--records", "r", "--dialogues", "d", "--out", "o", "--predictions", *words) == 2
    assert "base base.jsonl" in said(capsys)


@pytest.mark.parametrize("words", [["--config"], ["--config", "--seed", "1"], ["--config="]])
def test_a_configuration_without_a_file(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert unveil("run", *words) == 2
    assert "--config: a file is needed, the run.json" in said(capsys)


@pytest.mark.parametrize("text", ['{"a": 1}\n{"b": 2}\n', "[]", "{", '{"command": "predict"}', "[" * 20_000])
def test_a_configuration_that_is_none(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text(text)
    assert unveil("predict", f"--config={tmp_path / 'x.json'}") == 1
    assert f"error: --config {tmp_path / 'x.json'}: not a run.json" in said(capsys)


@pytest.mark.parametrize(("version", "told"), [("0.0.9", True), (__version__, False), (None, False)])
def test_a_configuration_of_another_version_is_named_as_such(
    version: str | None, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = {"command": "ask", "config": {"image": "x.png"}, "versions": {"unveil": version} if version else {}}
    (tmp_path / "run.json").write_text(json.dumps(about))
    _, config = cli.parse(["ask", "--config", str(tmp_path / "run.json")])
    note = f"run.json is of unveil 0.0.9, this is {__version__}: the same settings may give other figures"
    assert config.image == Path("x.png") and (note in said(capsys)) == told


def test_a_reader_that_goes_away_ends_quietly() -> None:
    """As in `unveil --help | head -2`."""
    code = "import sys; from unveil import cli; cli.usage = lambda width: 'x' * 10**6; sys.exit(cli.main(['--help']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 141


@pytest.mark.parametrize(
    ("command", "way_on"), [("train sft", "with --resume"), ("predict", "goes on from here"), ("score", "begins anew")]
)
def test_who_stops_a_command_is_told_how_to_go_on(
    command: str, way_on: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "parse", lambda _: (cli.COMMANDS[command], None))
    monkeypatch.setattr(cli, "_work", stop)
    assert cli.main(command.split()) == 130
    assert way_on in capsys.readouterr().err


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, without the line breaks of a narrow screen."""
    return " ".join(capsys.readouterr().err.split())


@together
def test_check_tells_by_its_exit_code(run: Path, tmp_path: Path) -> None:
    """Records with an image that is gone are unfit, and say so to a script."""
    rows = list(read_jsonl(run / "data" / "records.jsonl", Record))
    lines = (run / "data" / "records.jsonl").read_text().splitlines()
    moved = tmp_path / "records.jsonl"
    moved.write_text("\n".join(lines) + "\n")
    assert rows and unveil("check", "--records", moved) == 1


@together
def test_image_paths_follow_the_dialogues_file(run: Path, tmp_path: Path) -> None:
    assert (
        unveil("curate", "mau", "--records", run / "data" / "records.jsonl", "--out", tmp_path / "deep" / "d.jsonl")
        == 0
    )
    first = next(read_jsonl(tmp_path / "deep" / "d.jsonl", Dialogue))
    assert (tmp_path / "deep" / first.image).resolve().is_file()


@pytest.mark.parametrize("error", [ExpertError("nobody can be asked"), ModelError("no such model")])
@together
def test_what_cannot_be_compared_is_left_out_with_its_reason(
    error: Exception, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: Any) -> Path:
        raise error

    monkeypatch.setitem(variants.VARIANTS, "dpo", refused)
    words = ("--patients", 10, "--epochs", 0.3, "--out", run, "--resamples", 50)
    assert unveil("demo", *words, "--compare", "dpo") == 0
    assert f"dpo is left out: {error}" in said(capsys)
    assert json.loads((run / "summary.json").read_text())["left_out"] == {"dpo": str(error)}
