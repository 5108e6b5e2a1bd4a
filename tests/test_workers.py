"""Worker processes end with their parent, also one that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

#: Starts two workers in a way of the package, which write their numbers and then have nothing to do.
POOL = """
import os, sys, time
from pathlib import Path
from unveil.core.workers import pool

def work(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(1)

if __name__ == "__main__":
    with pool(2) as workers:
        list(workers.map(work, [Path(sys.argv[1])] * 2))
        time.sleep(600)
"""
LOADER = """
import os, sys, time
from pathlib import Path
from unveil.vlm.chat import Chat
from unveil.train import dataloader

class Images(dataloader._Images):
    def __getitem__(self, key):
        (Path(sys.argv[1]) / str(os.getpid())).touch()
        time.sleep(600)

dataloader._Images = Images
if __name__ == "__main__":
    for found in dataloader._loader(None, iter([[1], [2]]), 2):
        pass
"""


def alive(pid: int) -> bool:
    """Whether a process still works; one that has ended, but that nobody has asked for its result, does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("script", [POOL, LOADER], ids=["pool", "loader"])
def test_workers_end_with_a_killed_parent(script: str, tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(script)
    folder = tmp_path / "workers"
    folder.mkdir()
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py", folder])
    try:
        for _ in range(2400):  # the first import may take long
            if len(workers := list(folder.iterdir())) == 2:
                break
            time.sleep(0.1)
        pids = [int(path.name) for path in workers]
        assert len(pids) == 2 and all(map(alive, pids))
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    for _ in range(100):
        if not any(map(alive, pids)):
            break
        time.sleep(0.1)
    assert not any(map(alive, pids))
