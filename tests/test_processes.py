"""Several processes that learn from rewards together, as `torchrun` or `accelerate launch` starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import write_both
from test_reinforce import lines

from unveil.train.checkpoints import found

#: A judge that is down for the second process, in its second update.
SCRIPT = """
import os, sys
from unveil.train import experience, reinforce
collect, calls = experience.collect, []
def sometimes(*given):
    calls.append(given)
    if os.environ["RANK"] == "1" and len(calls) == 2 and "--resume" not in sys.argv:
        raise reinforce.JudgeError("the judge cannot be asked")
    return collect(*given)
experience.collect = sometimes
from unveil.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_where_one_process_fails_all_stop_at_a_checkpoint(tiny_folder: Path, tmp_path: Path) -> None:
    """Else the others would wait for its gradients. Eight questions, two a process: two updates, one until the stop."""
    write_both(tmp_path, 9)
    (tmp_path / "run.py").write_text(SCRIPT)
    out = tmp_path / "out"
    words = ["train", "grpo", "--records", tmp_path / "records.jsonl", "--dialogues", tmp_path / "dialogues.jsonl"]
    words += ["--out", out, "--model", tiny_folder, "--rewards", "similarity", "--limit", 8, "--batch-size", 2]
    words += ["--answers", 2, "--max-new-tokens", 4, "--epochs", 1, "--validate-every", 0, "--samples-every", 0]
    words += ["--most-unusable", 1.0, "--least-entropy", 0.0, "--workers", 0]

    def run(*more: str) -> subprocess.CompletedProcess:
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        here = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        command = [*launch, tmp_path / "run.py", *words, *more]
        return subprocess.run([*map(str, command)], capture_output=True, text=True, env=os.environ | here, timeout=240)

    failed = run()
    told = " ".join(failed.stderr.split())
    assert failed.returncode and "the judge cannot be asked; go on with --resume from step-0000001" in told
    assert "another process failed, and says why; go on with --resume from step-0000001" in told
    assert [path.name for path in found(out / "checkpoints")] == ["step-0000001"]
    resumed = run("--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert [row["step"] for row in lines(out)] == [1, 2] and (out / "model.safetensors").is_file()
