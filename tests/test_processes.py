"""Several processes that work together, as `torchrun` or `accelerate launch` starts them: one of these tests does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import records_in, write_both
from tests.helpers.forks import together
from tests.test_rl_run import lines
from unveil import cli
from unveil.core.jsonl import write_jsonl
from unveil.curate.mau import MauOptions, mau
from unveil.evaluate import predict
from unveil.train.checkpoints import found

#: A judge that is down for the second process, in its second update.
SCRIPT = """
import os, sys
from unveil.rl import experience, run
collect, calls = experience.collect, []
def sometimes(*given):
    calls.append(given)
    if os.environ["RANK"] == "1" and len(calls) == 2 and "--resume" not in sys.argv:
        raise run.JudgeError("the judge cannot be asked")
    return collect(*given)
experience.collect = sometimes
from unveil.cli import main
sys.exit(main(sys.argv[1:]))
"""


def launched(script: Path, words: Sequence[object]) -> subprocess.CompletedProcess:
    """Two processes of a script on this machine's CPU."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    here = {"ACCELERATE_USE_CPU": "true", "GLOO_SOCKET_IFNAME": "lo"}
    command = [*launch, script, *words]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, env=os.environ | here, timeout=240)


def test_where_one_process_fails_all_stop_at_a_checkpoint(tiny_folder: Path, tmp_path: Path) -> None:
    """Else the others would wait for its gradients. Eight questions, two a process: two updates, one until the stop."""
    write_both(tmp_path, 9)
    (tmp_path / "run.py").write_text(SCRIPT)
    out = tmp_path / "out"
    words = ["train", "grpo", "--records", tmp_path / "records.jsonl", "--dialogues", tmp_path / "dialogues.jsonl"]
    words += ["--out", out, "--model", tiny_folder, "--rewards", "similarity", "--limit", 8, "--batch-size", 2]
    words += ["--answers", 2, "--max-new-tokens", 4, "--epochs", 1, "--validate-every", 0, "--samples-every", 0]
    words += ["--most-unusable", 1.0, "--least-entropy", 0.0, "--workers", 0]

    failed = launched(tmp_path / "run.py", words)
    told = " ".join(failed.stderr.split())
    assert (
        failed.returncode
        and "the judge cannot be asked; the same command (train: --resume) goes on from step-0000001" in told
    )
    assert "another process failed, and says why; the same command (train: --resume) goes on from step-0000001" in told
    assert [path.name for path in found(out / "checkpoints")] == ["step-0000001"]
    codes, said = together(cli.main, [*map(str, words), "--resume"], folder=tmp_path)
    assert codes == [0, 0], said
    assert [row["step"] for row in lines(out)] == [1, 2] and (out / "model.safetensors").is_file()


def answering(words: list[str]) -> int:
    """The second of the processes is stopped in its second batch; who answered what is written down."""
    answer, calls, rank = predict.answer_batch, [], os.environ["RANK"]

    def sometimes(engine: Any, batch: Any, rows: Any, config: predict.Config) -> Any:
        calls.append(batch)
        if rank == "1" and len(calls) == 2 and os.environ.get("STOP"):
            raise SystemExit("stopped")
        with (config.out.parent / f"answered-{rank}").open("a") as file:
            file.writelines(f"{d.id}\n" for d in batch)
        return answer(engine, batch, rows, config)

    pytest.MonkeyPatch().setattr(predict, "answer_batch", sometimes)
    return cli.main(words)


def test_processes_share_the_questions(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped with two of them, gone on with by one, and done by two from the start: answers as of one process."""
    write_both(tmp_path, 9)

    def words(name: str) -> list[str]:
        (tmp_path / name).mkdir(exist_ok=True)
        asked: dict[str, object] = {
            "dialogues": tmp_path / "dialogues.jsonl",
            "out": tmp_path / name / "p.jsonl",
            "model": tiny_folder,
        }
        asked |= {"split": "train", "batch-size": 1, "max-new-tokens": 4}
        return ["predict", *(str(w) for key, value in asked.items() for w in (f"--{key}", value))]

    assert cli.main(words("alone")) == 0
    alone = (tmp_path / "alone" / "p.jsonl").read_bytes()
    asked = {json.loads(line)["id"] for line in alone.splitlines()}
    codes, said = together(answering, words("together"), folder=tmp_path)
    assert codes == [0, 0], said
    assert (tmp_path / "together" / "p.jsonl").read_bytes() == alone
    shares = [(tmp_path / "together" / f"answered-{rank}").read_text().splitlines() for rank in (0, 1)]
    assert sorted(shares[0] + shares[1]) == sorted(asked) and all(shares)
    assert {p.name for p in (tmp_path / "together").iterdir()} == {
        "p.jsonl", "p.jsonl.run.json", "answered-0", "answered-1"
    }  # fmt: skip

    monkeypatch.setenv("STOP", "1")
    codes, said = together(answering, words("stopped"), folder=tmp_path)
    assert codes[1] == 1 and "stopped" in said
    kept = {p.name for p in (tmp_path / "stopped").glob("p.jsonl.unfinished*")}
    assert kept == {"p.jsonl.unfinished", "p.jsonl.unfinished-1"} and not (tmp_path / "stopped" / "p.jsonl").exists()
    assert cli.main(words("stopped")) == 0
    assert (tmp_path / "stopped" / "p.jsonl").read_bytes() == alone
    assert not list((tmp_path / "stopped").glob("*.unfinished*"))


def test_processes_share_the_images_that_are_looked_at(tiny_folder: Path, tmp_path: Path) -> None:
    """Five abnormal images, three and two of them: the maps are those of one process, in its order."""
    records = [replace(r, split="test" if r.boxed else "train") for r in records_in(tmp_path, 7)]
    write_jsonl(tmp_path / "records.jsonl", records)
    write_jsonl(tmp_path / "dialogues.jsonl", mau(records, MauOptions()))

    def words(out: str) -> list[str]:
        given = {"records": "records.jsonl", "dialogues": "dialogues.jsonl", "out": out}
        files = [word for name, file in given.items() for word in (f"--{name}", str(tmp_path / file))]
        return ["attention", *files, "--model", str(tiny_folder), "--name", "m"]

    assert cli.main(words("alone.jsonl")) == 0
    codes, said = together(cli.main, words("together.jsonl"), folder=tmp_path)
    assert codes == [0, 0], said
    alone = (tmp_path / "alone.jsonl").read_bytes()
    assert len(alone.splitlines()) == 5 and (tmp_path / "together.jsonl").read_bytes() == alone
    assert "attention  3/3" in said, "of the first process"
    assert not list(tmp_path.glob("*.unfinished*"))
