"""A training run in a process of its own that is killed in the middle."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SCRIPT = """
import pickle, sys, time
from pathlib import Path
from unveil.cli import COMMANDS
from unveil.train import loop
config = pickle.loads(Path(sys.argv[1]).read_bytes())
if __name__ == "__main__":
    write = loop.MetricsLog.write
    def slow(self, step, **values):
        write(self, step, **values)
        time.sleep(0.1)
    loop.MetricsLog.write = slow
    next(c for c in COMMANDS.values() if c.config() is type(config)).load().main(config)
"""


def run_and_kill(config: Any, folder: Path, after: int) -> None:
    """Runs ``config`` in a process of its own and kills it once ``after`` updates are in metrics.jsonl."""
    folder.mkdir(exist_ok=True)
    (folder / "config.pkl").write_bytes(pickle.dumps(config))
    (folder / "run.py").write_text(SCRIPT)
    command = [sys.executable, str(folder / "run.py"), str(folder / "config.pkl")]
    log = config.out / "metrics.jsonl"
    with (folder / "stderr").open("w") as err:
        process = subprocess.Popen(command, stderr=err)
        limit = time.monotonic() + 100
        while not (log.is_file() and f'"step": {after},' in log.read_text()):
            assert process.poll() is None and time.monotonic() < limit, (folder / "stderr").read_text()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not list(config.out.glob("*.safetensors")), "it was killed before it was done"
