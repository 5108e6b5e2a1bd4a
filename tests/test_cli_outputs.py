"""Every command that writes: twice the same is done already, with another option it is refused by its name."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from tests.conftest import write_both
from unveil import cli
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Pair


def unveil(*words: object) -> int:
    return cli.main([str(w) for w in words])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """records.jsonl, dialogues.jsonl, pairs.jsonl, a model, and its predictions on them."""
    folder = write_both(tmp_path_factory.mktemp("inputs"), 12)
    pairs = [
        Pair(f"p{i}", f"r{i}", f"{i}.png", "train", "diagnosis", "What is it?", f"A nodule {i}.", "Nothing.")
        for i in range(4)
    ]
    write_jsonl(folder / "pairs.jsonl", pairs)
    shutil.copytree(tiny_folder, folder / "model")
    asked = ["--dialogues", folder / "dialogues.jsonl", "--model", folder / "model", "--max-new-tokens", 4]
    assert unveil("predict", *asked, "--out", folder / "predictions.jsonl") == 0
    return folder


#: Command -> its inputs, with the output's place; another option; what a refusal says of it.
COMMANDS = {
    "ingest": ("--format synthetic --patients 2 --out OUT", "--size 128", "size 256 -> 128"),
    "check": ("--records IN/records.jsonl --no-copies --json OUT --workers 1", "--seed 1", "seed 0 -> 1"),
    "check --resplit": ("--records IN/records.jsonl --no-copies --resplit OUT --workers 1", "--seed 1", "seed 0 -> 1"),
    "curate mau": ("--records IN/records.jsonl --out OUT", "--absent 2", "absent 1 -> 2"),
    "curate noise": ("--records IN/records.jsonl --dialogues IN/dialogues.jsonl --out OUT", "--step 100", "step 500"),
    "curate hallucinate": (
        "--records IN/records.jsonl --dialogues IN/dialogues.jsonl --out OUT --origin written --no-balance",
        "--limit 4",
        "limit none -> 4",
    ),
    "curate questions": (
        "--records IN/records.jsonl --dialogues IN/dialogues.jsonl --out OUT",
        "--records IN/other.jsonl",
        "records",
    ),
    "curate relevance": ("--records IN/records.jsonl --pairs IN/pairs.jsonl --out OUT", "--rounds 2", "rounds 5 -> 2"),
    "export records": ("--records IN/records.jsonl --out OUT --form coco", "--images none", "images copy -> none"),
    "convert pairs": ("--pairs IN/pairs.jsonl --out OUT", "--to unveil", "to trl -> unveil"),
    "audit": ("--pairs IN/pairs.jsonl --out OUT", "--seed 1", "seed 0 -> 1"),
    "predict": ("--dialogues IN/dialogues.jsonl --model IN/model --max-new-tokens 4 --out OUT", "--limit 2", "limit"),
    "attention": (
        "--records IN/records.jsonl --dialogues IN/dialogues.jsonl --model IN/model --out OUT",
        "--images 1",
        "images 100 -> 1",
    ),
    "score": (
        "--records IN/records.jsonl --dialogues IN/dialogues.jsonl --predictions base IN/predictions.jsonl --out OUT "
        "--resamples 20",
        "--seed 1",
        "seed 0 -> 1",
    ),
    "train sft": (
        "--dialogues IN/dialogues.jsonl --model IN/model --epochs 0.1 --validate-every 0 --out OUT",
        "--epochs 0.2",
        "epochs 0.1 -> 0.2",
    ),
    "train dpo": (
        "--pairs IN/pairs.jsonl --model IN/model --epochs 1 --validate-every 0 --out OUT",
        "--beta 0.2",
        "beta 0.1 -> 0.2",
    ),
    "train aar": (
        "--records IN/records.jsonl --dialogues IN/dialogues.jsonl --model IN/model --epochs 0.1 --answers 2 "
        "--batch-size 2 --max-new-tokens 4 --validate-every 0 --most-unusable 1 --limit 2 --out OUT",
        "--answers 3",
        "answers 2 -> 3",
    ),
}


def state(out: Path) -> dict[Path, tuple[int, int]]:
    """Files of an output, each with what tells it from one that was written again."""
    files = out.rglob("*") if out.is_dir() else [out]
    return {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in files if p.is_file() and not p.name.startswith(".")}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_written_over_unasked(
    name: str, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, other, change = COMMANDS[name]
    out = tmp_path / "made" / ("out.jsonl" if name.startswith(("check", "curate", "convert", "predict")) else "out")
    command = name.partition(" --")[0].split()

    def words(text: str) -> list[str]:
        return text.replace("IN", str(inputs)).replace("OUT", str(out)).split()

    shutil.copy(inputs / "records.jsonl", inputs / "other.jsonl")
    with (inputs / "other.jsonl").open("a") as file:
        file.write("\n")
    code, before = unveil(*command, *words(given)), state(out)
    assert before, "something is made"
    derived = name in ("check", "audit")
    assert unveil(*command, *words(given)) == code and (derived or state(out) == before)
    assert derived or name == "check --resplit" or "there already" in " ".join(capsys.readouterr().err.split())
    before = state(out)
    assert unveil(*command, *words(given), *words(other)) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert change in said and "--restart" in said and state(out) == before
    assert unveil(*command, *words(given), *words(other), "--restart") == code
    assert state(out) != before


def test_what_has_no_history_is_not_written_over(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.jsonl"
    mine.write_text("mine")
    assert unveil("curate", "mau", "--records", inputs / "records.jsonl", "--out", mine) == 1
    assert "no mine.jsonl.run.json says what made it" in " ".join(capsys.readouterr().err.split())
    assert mine.read_text() == "mine"


#: What writes nothing, what writes the same anew, and what only adds to a file.
NEVER_OVER = ("datasets", "report", "review", "runs", "start", "try")


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if name not in NEVER_OVER])
def test_every_command_that_writes_can_be_told_to_write_over(name: str) -> None:
    assert "restart" in {field.name for field in dataclasses.fields(cli.COMMANDS[name].config())}
