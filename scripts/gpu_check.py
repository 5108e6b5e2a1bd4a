"""What has to be seen on a GPU, in one command of at most eight minutes: does it run, is it right, how fast is it.

    python -m scripts.gpu_check                       on a machine with a GPU
    python -m scripts.gpu_check --device cpu --tenth  on any machine, with a tenth of the large model's weights
    python -m scripts.gpu_check --gather wheels       beforehand: wheels that a machine without a network lacks

Most valuable parts come first. Each runs in a process of its own, for a bounded time, and its figures are written when
it ends (``gpu-PART.json``), a failure too: what comes later does not depend on it. Models have random weights.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from scripts import gpu_parts, gpu_wheels
from scripts.gpu_config import Config
from unveil.core import provenance


@dataclass(frozen=True)
class Part:
    """One thing to see; ``seconds`` bounds it on a GPU."""

    run: Callable[[Config], dict[str, Any]]
    seconds: float
    about: str


def main(config: Config) -> bool:
    """Runs the parts; whether all of them ended well."""
    if config.gather:
        gpu_wheels.gather(config.gather, config.have)
        return True
    if config.alone:
        print(json.dumps(PARTS[config.alone].run(config)))
        return True
    if config.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU here; --device cpu --tenth tries the command without one")
    if unknown := [name for name in config.parts if name not in PARTS]:
        raise SystemExit(f"no part {', '.join(unknown)}: there are {', '.join(PARTS)}")
    end = time.monotonic() + 60 * config.minutes
    chosen, failed = config.parts or tuple(PARTS), []
    with tempfile.TemporaryDirectory() as made:
        config = replace(config, scratch=config.scratch or Path(made))
        config.folder.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            left = end - time.monotonic()
            found = apart(config, name, left) if left > 1 else {"error": "not begun: the time was over"}
            provenance.write_json(
                config.out / f"gpu-{name}.json", {"about": PARTS[name].about, "device": config.device, **found}
            )
            failed += [name] if "error" in found else []
            print(f"{name:10} {found.get('seconds', '-'):>6}  {_line(found)}", flush=True)
    return not failed


def apart(config: Config, name: str, left: float) -> dict[str, Any]:
    """The figures of a part that runs in a process of its own, or why there are none."""
    bound = min(left, PARTS[name].seconds if config.device == "cuda" else left)
    options = [f"--device={config.device}", f"--scratch={config.scratch}", "--tenth" if config.tenth else "--no-tenth"]
    words = [sys.executable, "-m", "scripts.gpu_check", f"--alone={name}", *options]
    began = time.monotonic()
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        try:
            said, errors = run.communicate(timeout=bound)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)  # and what it has started
            return {"error": f"ended after {bound:.0f} s", "seconds": round(bound)}
    seconds = round(time.monotonic() - began)
    if run.returncode:
        return {"error": "\n".join(errors.strip().splitlines()[-25:]) or f"exit {run.returncode}", "seconds": seconds}
    return {**json.loads(said.strip().splitlines()[-1]), "seconds": seconds}


def _line(found: dict[str, Any]) -> str:
    """One line of a part's figures."""
    if "error" in found:
        return f"FAILED: {found['error'].splitlines()[-1][:160]}"
    return ", ".join(f"{k} {v:.4g}" for k, v in found.items() if isinstance(v, (int, float)) and k != "seconds")


PARTS: dict[str, Part] = {
    "machine": Part(gpu_parts.machine, 60, "versions, matrix rate, copy rate"),
    "recipes": Part(gpu_parts.recipes, 150, "two updates of each recipe in bfloat16 and float32"),
    "flex": Part(gpu_parts.flex, 120, "FlexAttention against SDPA, forward and backward"),
    "trees": Part(gpu_parts.trees, 60, "token tree against plain rows in bfloat16"),
    "dpo": Part(gpu_parts.dpo_race, 180, "a DPO step of the large model against TRL's"),
    "grpo": Part(gpu_parts.grpo_race, 180, "a GRPO step of the large model against TRL's"),
    "fitting": Part(gpu_parts.ways_to_fit, 120, "a DPO step of the large model in each way to take less memory"),
    "predict": Part(gpu_parts.predict, 90, "answers of the large model"),
}

if __name__ == "__main__":
    sys.exit(0 if main(tyro.cli(Config)) else 1)
