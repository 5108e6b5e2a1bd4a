"""Every kind of bad input, and what goes wrong on the way: a few lines that say what to do, and no traceback."""

from __future__ import annotations

import errno
import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import records_in
from unveil import cli
from unveil.core import provenance, workers
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, Record
from unveil.curate import hallucinate
from unveil.evaluate import predict
from unveil.pipelines import report
from unveil.pipelines import run as main_job
from unveil.train import dpo, sft


def unveil(*words: object) -> int:
    return cli.main([str(w) for w in words])


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, without the line breaks of a narrow screen."""
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("format", ["voc", "coco", "yolo", "csv"])
def test_missing_folder(format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert unveil("run", "--data", tmp_path / "nowhere", "--format", format, "--out", tmp_path / "out") == 1
    assert "no such file or folder" in said(capsys)


def test_a_format_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert unveil("run", "--format", "voc", "--out", tmp_path / "out") == 1
    assert "--data is needed" in said(capsys)


def voc(folder: Path, name: str, boxes: str, size: tuple[int, int] = (40, 30)) -> None:
    """A grey image with VOC annotation."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(name)).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / f"{name}.png")
    (folder / f"{name}.xml").write_text(
        f"<annotation><filename>{name}.png</filename><size><width>{size[0]}</width><height>{size[1]}</height>"
        f"<depth>3</depth></size>{boxes}</annotation>"
    )


def test_wrong_format_says_what_it_looks_like(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    voc(tmp_path / "data", "a", "")
    assert unveil("run", "--data", tmp_path / "data", "--format", "coco", "--out", tmp_path / "out") == 1
    assert "--format voc reads" in said(capsys)


def test_no_findings_at_all_is_told_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abcdefghij":
        voc(tmp_path / "data", name * 2, "")
    assert unveil("run", "--data", tmp_path / "data", "--format", "voc", "--out", tmp_path / "out") == 1
    assert "no finding" in said(capsys) and not (tmp_path / "out" / "sft").exists()


def test_a_model_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = tmp_path / "d.jsonl"
    records.write_text(json.dumps({"id": "a", "record": "r", "image": "x.png", "split": "test", "kind": "detection",
                                   "question": "?", "answer": "Yes."}) + "\n")  # fmt: skip
    assert unveil("predict", "--dialogues", records, "--model", tmp_path, "--out", tmp_path / "p.jsonl") == 1
    assert "holds no config.json" in said(capsys)


def test_an_id_of_thousands_of_letters_does_not_fill_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Dialogue("x" * 5000, "r", "gone.png", "train", "detection", "Is anything abnormal?", "No.")
    write_jsonl(tmp_path / "d.jsonl", [row])
    assert unveil("train", "sft", "--dialogues", tmp_path / "d.jsonl", "--model", "tiny", "--out", tmp_path / "o") == 1
    told = capsys.readouterr().err
    assert "gone.png" in told and len(told) < 1500


def test_a_damaged_records_file_is_named_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"id": "a", "image": "a.png", "width": 4, "height": 4}\n{"id": \n')
    assert unveil("curate", "mau", "--records", file, "--out", tmp_path / "d.jsonl") == 1
    assert "records.jsonl:2" in said(capsys) and not (tmp_path / "d.jsonl").exists()


def test_a_split_of_images_that_have_changed_is_not_taken_for_a_new_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two patients with one picture belong together now, which the split that is there does not know."""
    rows = [replace(r, patient=r.id) for r in records_in(tmp_path, 30)]
    write_jsonl(tmp_path / "records.jsonl", rows)
    words = ["check", "--records", tmp_path / "records.jsonl", "--resplit", tmp_path / "r.jsonl", "--workers", 1]
    assert unveil(*words) == 0 == unveil(*words)
    told = capsys.readouterr().err
    assert told.count("new split in") == 2
    dealt = {r.id: r for r in read_jsonl(tmp_path / "r.jsonl", Record)}
    first = dealt["r0"]
    other = next(r for r in dealt.values() if r.size == first.size and r.split != first.split)
    (tmp_path / first.image).write_bytes((tmp_path / other.image).read_bytes())
    assert unveil(*words) == 1
    told = capsys.readouterr().err
    assert "r.jsonl is of images that have changed since: --restart" in " ".join(told.split())
    assert "new split in" not in told and unveil(*words, "--restart") == 0


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_out_of_memory_says_what_to_change(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def greedy(config: Any) -> None:
        raise error

    monkeypatch.setattr(sft, "main", greedy)
    (tmp_path / "d.jsonl").touch()
    words = ["train", "sft", "--dialogues", str(tmp_path / "d.jsonl"), "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--batch-size", "24"]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("error: out of memory: lower --batch-size (now 24) and raise --accumulate (now 1) in turn")
    assert "--gradient-checkpointing" in told and "--max-pixels" in told and "--method lora" in told
    assert "--resume" in told


@pytest.mark.parametrize(
    ("command", "config", "told", "untold"),
    [
        ("predict", predict.Config(Path("d"), Path("p"), batch_size=8), "lower --answer-batch (now 8)",
         "--batch-size"),
        ("train dpo", dpo.Config(pairs=Path("p"), out=Path("o"), batch_size=12),
         "lower --batch-size (now 12) and raise --accumulate (now 1) in turn, --gradient-checkpointing", "--answer"),
        ("curate hallucinate", hallucinate.Config(records=Path("r"), dialogues=Path("d"), out=Path("p")),
         "lower --answer-batch (now 64)", "--accumulate"),
    ],
)  # fmt: skip
def test_out_of_memory_within_a_run_names_what_the_stage_needs_less_of(
    command: str, config: Any, told: str, untold: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """By the options of the run."""

    def greedy(_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    there = replace(config, out=tmp_path / "x")
    monkeypatch.setattr(main_job, "main", lambda _: provenance.stage(command, there, [], greedy))
    assert cli.main(["run"]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert told in said and untold not in said


def test_out_of_memory_says_what_was_needed_where_that_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def greedy(_: Any) -> None:
        error = torch.OutOfMemoryError("CUDA out of memory")
        vars(error)["needs"] = "a batch of 8 needs about 31 GB of 24 GB; try --memory 24GB"
        raise error

    monkeypatch.setattr(main_job, "main", greedy)
    assert cli.main(["run"]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("error: out of memory: a batch of 8 needs about 31 GB of 24 GB; try --memory 24GB; the same")


@pytest.mark.parametrize(("command", "told"), [("check", "memory: fewer --workers;"), ("convert pairs", "memory; the")])
def test_a_worker_that_was_ended_is_one_message(
    command: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the system ends one of those that take the most memory."""

    def killed(_: Any) -> None:
        with workers.pool(1) as pool:
            pool.submit(signal.raise_signal, signal.SIGKILL).result()

    monkeypatch.setattr(cli.COMMANDS[command].load(), "main", killed)
    monkeypatch.chdir(tmp_path)
    Path("rows").touch()
    options = {"check": ["--records", "rows"], "convert pairs": ["--pairs", "rows", "--out", "o", "--to", "trl"]}
    assert unveil(*command.split(), *options[command]) == 1
    assert f"a worker process was ended, mostly for lack of {told}" in said(capsys)


@pytest.mark.parametrize(
    "words", [("run",), ("report", "--run", "x"), ("check", "--records", "x"), ("study", "rewards")]
)
def test_several_processes_are_refused_where_they_would_not_share_the_work(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert unveil(*words) == 1
    told = said(capsys)
    assert told.endswith(
        "one process; several share train sft, train dpo, train aar, train grpo, train ppo, predict, attention"
    )


def test_another_runtime_error_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(config: Any) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(report, "main", broken)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        cli.main(["report", "--run", str(tmp_path)])


def test_what_the_system_refuses_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(config: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x.jsonl"))

    monkeypatch.setattr(report, "main", full)
    assert cli.main(["report", "--run", str(tmp_path)]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert told.endswith("x.jsonl: the disk is full: free some space, then the same command goes on")
    assert "Errno" not in told
