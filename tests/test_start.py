"""The guided start: good and bad answers, nobody to ask, what stays on the disk, and the command that it comes to."""

from __future__ import annotations

import re
import shlex
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import records_in
from tests.helpers.formats import FORMATS
from unveil import cli
from unveil.core import asking
from unveil.pipelines import run

Answers = Callable[..., Iterator[str]]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with 30 images of one's own as COCO, and a scratch folder of its own."""
    (tmp_path / "here" / "ct scans").mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    FORMATS["coco"](Path("ct scans"), records_in(Path("ct scans"), 30))
    return Path("ct scans")


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Somebody at a terminal without a screen beside it, who types these lines and then Ctrl-D."""
    monkeypatch.setattr(asking, "possible", lambda: True)
    monkeypatch.setattr(asking, "has_screen", lambda: False)

    def types(*lines: str) -> Iterator[str]:
        said = iter(lines)

        def answer() -> str:
            if (line := next(said, None)) is None:
                raise EOFError
            return line

        monkeypatch.setattr("builtins.input", answer)
        return said

    return types


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[run.Config]:
    """The runs that were begun; none is done."""
    runs: list[run.Config] = []
    monkeypatch.setattr(run, "main", lambda config: runs.append(config) or Path("report.html"))
    return runs


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def left() -> set[str]:
    """What there is besides the data."""
    return {str(path) for path in Path().rglob("*") if "ct scans" not in path.parts}


def test_enter_four_times_runs_the_demo(
    own: Path, typed: Answers, ran: list[run.Config], capsys: pytest.CaptureFixture[str]
) -> None:
    said = typed("", "", "", "", "")
    assert cli.main(["start"]) == 0
    assert ran == [run.Config(out=Path("runs/demo"))] and next(said, None) is None
    shown = told(capsys)
    assert "P0-00000" in shown and "unveil run --model tiny --out runs/demo" in shown
    assert left() == {"runs", "runs/demo", "runs/demo/preview.html"}


def test_good_answers_come_to_a_command_that_the_parser_reads(
    own: Path, typed: Answers, ran: list[run.Config], capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is typed as a file manager writes it, in quotation marks."""
    typed("'ct scans'", "yes", "tiny", "out here", "--epochs 2 --box-units pixels", "y")
    assert cli.main(["start"]) == 0
    [config] = ran
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("unveil run")]
    assert len(lines) == 2 and "--epochs" not in lines[0]
    command, read = cli.parse(shlex.split(lines[-1])[1:])
    assert command is cli.COMMANDS["run"] and read == config
    assert (config.data, config.format, config.out, config.epochs) == (own, "coco", Path("out here"), 2.0)


def test_bad_answers_are_said_at_once_and_asked_again(
    own: Path, tiny_folder: Path, typed: Answers, ran: list[run.Config], capsys: pytest.CaptureFixture[str]
) -> None:
    (own.parent / "scans.7z").write_bytes(b"x")
    (own.parent / "file").write_text("x")
    (own.parent / "empty").mkdir()
    said = typed(
        "nowhere", "scans.7z", "empty", "ct scans", "--box-convention zyx", "--box-units percent", "y",
        "./nomodel", str(tiny_folder), "ct scans", "file/out", "--epochs many", "", "--epochs", "perhaps", "n",
    )  # fmt: skip
    assert cli.main(["start"]) == 0 and not ran and next(said, None) is None
    shown = told(capsys)
    for words in (
        "nowhere: no such folder",
        "scans.7z is an archive",
        "empty: nothing tells what is in the images",
        "./nomodel: no such folder",
        "ct scans is what is read: name another output",
        "file/out",
        "a file stands where a folder is needed",
        "that is neither yes nor no",
        "nothing was run; this runs it: unveil run --data 'ct scans'",
    ):
        assert words in shown, words
    assert shown.count("1. Which folder") == 4 and shown.count("3. Which model") == 2
    for option in ("--box-convention", "--epochs"):
        assert option in shown, option
    assert left() == {"scans.7z", "file", "empty", "runs"} and Path("runs/ct scans/preview.html").is_file()


def test_what_is_read_wrongly_is_read_again_by_options(
    own: Path, typed: Answers, ran: list[run.Config], capsys: pytest.CaptureFixture[str]
) -> None:
    """5, 6, 20, 30 are x, y and extent as centre and extent: the box is that of -5, -9 to 15, 21, cut at the image.

    COCO writes 5, 6, 15.5, 24; as the centre of an extent of 15.5 by 24 it begins at -2.75, -6.
    """
    typed("ct scans", "--box-convention xyxy --allow-rejected 1", "y", "", "", "y")
    assert cli.main(["start"]) == 0
    shown = told(capsys)
    assert "5, 6, 20, 30" in shown and "5, 6, 16, 24" in shown
    assert ran[0].reading.box_convention == "xyxy" and shown.count("1. Which folder") == 1


def test_another_folder_may_be_given_where_the_first_was_not_meant(
    own: Path, typed: Answers, ran: list[run.Config]
) -> None:
    """At the second question itself, or at the first one after a no. The format is told anew."""
    for name, form in (("voc", "voc"), ("yolo", "yolo")):
        Path(name).mkdir()
        FORMATS[form](Path(name), records_in(Path(name), 12))
    typed("ct scans", "voc", "no", "yolo", "", "", "", "")
    assert cli.main(["start"]) == 0
    assert (ran[0].data, ran[0].format, ran[0].out) == (Path("yolo"), "yolo", Path("runs/yolo"))


def test_a_run_of_other_settings_is_not_written_over(
    own: Path, typed: Answers, ran: list[run.Config], capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of 8 epochs is there: of 1 it is refused where it is typed, with another folder it is taken."""
    from unveil.core import provenance

    config = run.Config(data=own, format="coco", out=Path("made"))
    with provenance.output(Path("made"), "run", config, [own], ("report.html",), derived=True) as output:
        assert output
        Path("made/report.html").write_text("a report")
        output.write()
    typed("ct scans", "", "", "made", "--epochs 1", "--epochs 1 --out other", "y")
    assert cli.main(["start"]) == 0
    assert "epochs 8 -> 1" in told(capsys) and ran[0].out == Path("other")
    assert "made/report.html" in left() and "made/preview.html" not in left()


def test_a_folder_of_others_and_what_is_left_out_are_told_with_the_cost(
    own: Path, typed: Answers, ran: list[run.Config], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong with an option of the last question is said there, and nothing that was answered is lost."""
    Path("notes").mkdir()
    Path("notes/a.txt").write_text("a")
    typed("ct scans", "", "", "notes", "--memory 24", "--train-share 0.3", "n")
    assert cli.main(["start"]) == 0
    shown = told(capsys)
    assert "note: notes holds other files already" in shown and "--memory 24: say how much" in shown
    trained = [int(words.replace(",", "")) for words in re.findall(r"questions +[0-9]+: ([0-9]+) train", shown)]
    assert len(trained) == 2 and trained[1] < trained[0] / 2


def test_what_is_no_folder_is_asked_again_at_the_second_question(
    own: Path, typed: Answers, ran: list[run.Config], capsys: pytest.CaptureFixture[str]
) -> None:
    typed("ct scans", "perhaps", "yes", "", "", "")
    assert cli.main(["start"]) == 0 and ran[0].data == own
    shown = told(capsys)
    assert "perhaps: no such folder" in shown and shown.count("1. Which folder") == 1


@pytest.mark.parametrize("answers", [(), ("ct scans",), ("ct scans", "", ""), ("ct scans", "", "", "")])
def test_ctrl_c_ends_quietly_and_leaves_nothing(
    answers: tuple[str, ...], own: Path, typed: Answers, ran: list[run.Config], capsys: pytest.CaptureFixture[str]
) -> None:
    typed(*answers)
    assert cli.main(["start"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "stopped"
    assert not ran and not left() and not list(Path(tempfile.gettempdir()).iterdir())


def test_who_stops_the_run_is_told_how_it_goes_on(
    own: Path, typed: Answers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(config: run.Config) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "main", stop)
    typed("ct scans", "", "", "made", "")
    assert cli.main(["start"]) == 130
    head, _, command = capsys.readouterr().err.rpartition("(yes): ")[2].strip().partition(": ")
    assert head == "stopped; this goes on from here"
    assert cli.parse(shlex.split(command)[1:])[1].out == Path("made")


def test_where_memory_is_short_the_options_of_the_run_are_named(
    own: Path, typed: Answers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def short(config: run.Config) -> Path:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(run, "main", short)
    typed("ct scans", "", "", "made", "")
    assert cli.main(["start"]) == 1
    assert "error: out of memory: lower --batch-size (now 32)" in capsys.readouterr().err


def test_a_browser_is_opened_only_on_a_yes(
    own: Path, typed: Answers, ran: list[run.Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(asking, "has_screen", lambda: True)
    for answer, pages in (("n", 0), ("", 1)):
        typed("ct scans", answer, "--box-units pixels", "", "", "made", "n")
        assert cli.main(["start"]) == 0 and len(opened) == pages
    assert re.fullmatch("file://.*/preview.html", opened[0])


# --------------------------------------------------------------------------------------------------------- nobody there


def test_without_a_terminal_it_says_what_it_would_ask(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, asked in (
        (["--out", "o"], ["--data", "--model", "--yes"]),
        (["--data", "ct scans", "--model", "tiny", "--out", "o"], ["--yes"]),
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(["start", *words])
        shown = capsys.readouterr().err
        assert ended.value.code == 2
        assert [option for option in ("--data", "--model", "--out", "--yes") if f"({option}" in shown] == asked
    assert not left()


def test_all_answers_as_options_need_no_terminal(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It runs to its report, on few images with hardly any training; the same answers go on."""
    words = ["--data", "ct scans", "--model", "tiny", "--out", "made", "--yes"]
    begun: list[run.Config] = []
    real = run.main

    def small(config: run.Config) -> Path:
        from dataclasses import replace

        begun.append(config)
        return real(replace(config, epochs=0.1, resamples=20))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "main", small)
        assert cli.main(["start", *words]) == 0
    shown = capsys.readouterr().err
    assert Path("made/report.html").is_file() and Path("made/preview.html").is_file()
    assert begun == [run.Config(data=own, format="coco", out=Path("made"))]
    assert "unveil run --data 'ct scans' --model tiny --out made --format coco" in shown
    assert cli.main(["start", *words]) == 1, "a run of 8 epochs is not the one that is there"
    assert "epochs 0.1 -> 8" in told(capsys)


def test_wrong_options_without_a_terminal_are_errors(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", "tiny", "--out", "made", "--yes"]
    for data, why in (("nowhere", "--data nowhere: no such file or folder"), ("ct scans/0.png", "0.png")):
        assert cli.main(["start", "--data", data, *words]) == 1
        assert why in told(capsys) and not left()
    assert cli.main(["start", "--data", "ct scans", "--format", "synthetic", *words]) == 1
    assert "--format synthetic draws images and reads no --data" in told(capsys)
    assert cli.main(["start", "--data", "ct scans", "--model", "./none", "--out", "made", "--yes"]) == 1
    assert "./none: no such folder" in told(capsys) and not left()
