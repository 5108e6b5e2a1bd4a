"""A server that is killed at any moment has lost nothing that it confirmed, and goes on from there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.helpers.pages import Page, write_records
from unveil.core.decisions import read_decisions
from unveil.review import journal

#: Confirmed decisions after which it is killed, from beside, while decisions go on.
AFTER = (3, 20)
ITEMS = 400


def started(folder: Path) -> tuple[subprocess.Popen[str], Page]:
    """`unveil review` in a process of its own, and its page."""
    words = ["review", folder / "records.jsonl", "--out", folder / "r.jsonl", "--no-browser", "--order", "file"]
    child = subprocess.Popen(
        [sys.executable, "-m", "unveil", *map(str, words), "--reviewers", "anna"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert child.stdout
    said = []
    for line in child.stdout:
        said.append(line)
        if found := re.search(r"http://\S+#token=\S+", line):
            return child, Page({"anna": found[0]})
    pytest.fail("".join(said))


def decide(client: httpx.Client, number: int) -> bool:
    """Whether a decision about an item was confirmed."""
    try:
        item = client.get(f"/api/items/{number}").json()
        said = {"verdict": "accept", "revision": item["revision"], "sha256": item["sha256"], "comment": f"{number}"}
        return client.post(f"/api/items/{number}/decision", json=said).status_code == 200
    except httpx.HTTPError:
        return False


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Twice over the same file, which is whole and in its audit log in the end."""
    write_records(tmp_path, ITEMS)
    confirmed: list[int] = []
    for after in AFTER:
        child, page = started(tmp_path)
        killer = threading.Thread(target=child.send_signal, args=(signal.SIGKILL,))
        try:
            with page.client() as client:
                first = client.get("/api/session").json()["decided"]
                assert first == len(read_decisions(tmp_path / "r.jsonl")) >= len(confirmed)
                for done, number in enumerate(range(first, ITEMS)):
                    if done == after:
                        killer.start()
                    if not decide(client, number):
                        break
                    confirmed.append(number)
                killer.join()
        finally:
            child.kill()
            child.wait(10)
            if child.stdout:
                child.stdout.close()
    assert sum(AFTER) <= len(confirmed) < ITEMS
    with journal.opened(tmp_path / "r.jsonl") as kept:
        there: set[Any] = {decision.item for decision in kept.decisions}
        assert {f"r{number}" for number in confirmed} <= there
        assert len(there) == len(kept.decisions) <= len(confirmed) + len(AFTER)
    journal.verify(journal.audit_of(tmp_path / "r.jsonl"))


def test_ctrl_c_ends_it_and_says_where_the_decisions_are(tmp_path: Path) -> None:
    write_records(tmp_path, 2)
    child, page = started(tmp_path)
    with page.client() as client:
        assert decide(client, 0)
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=20)
    assert child.returncode == 0 and f"decisions: {tmp_path / 'r.jsonl'}" in said and "Traceback" not in said
    assert urlsplit(page.addresses["anna"]).fragment not in said
