"""A command in a process of its own: what it says, how it ends, and that it ends with the one that started it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_workers import alive
from unveil.pipelines import commands

#: Starts a command that writes its number down and then has nothing to do.
PARENT = """
import sys
from pathlib import Path
from unveil.pipelines import commands

WAIT = "import os, time, pathlib; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
commands._BEGIN = "import sys; " + commands._BEGIN.replace(commands._BEGIN[commands._BEGIN.index("runpy.run"):], WAIT)
if __name__ == "__main__":
    commands.run([sys.argv[1]], Path(sys.argv[1] + ".log"))
"""


def test_what_a_command_says_is_its_own(tmp_path: Path) -> None:
    """Of a log that an earlier one has written to, only what came after; the error is the last line that tells one."""
    log = tmp_path / "logs" / "a.log"
    first = commands.run(["datasets", "nothing-such"], log)
    assert first.code and first.error.startswith("no data set or form is called 'nothing-such'")
    then = commands.run(["datasets", "vqa-rad"], log, threads=1)
    assert (then.code, then.error) == (0, "") and then.said.startswith("vqa-rad: VQA-RAD")
    assert log.read_text().startswith("error: ") and log.read_text().endswith(then.said)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_ends_with_a_killed_study(how: signal.Signals, tmp_path: Path) -> None:
    """It would go on for hours, and write into the files of the study that is started again."""
    (tmp_path / "parent.py").write_text(PARENT)
    written = tmp_path / "number"
    with subprocess.Popen([sys.executable, str(tmp_path / "parent.py"), str(written)]) as parent:
        limit = time.monotonic() + 100
        while not (written.exists() and written.read_text()):
            assert parent.poll() is None and time.monotonic() < limit
            time.sleep(0.01)
        child = int(written.read_text())
        assert alive(child)
        parent.send_signal(how)
        parent.wait()
    while alive(child):
        assert time.monotonic() < limit, "the command went on without its study"
        time.sleep(0.01)
