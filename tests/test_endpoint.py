"""An expert behind an address, asked at a real server of a tiny model, through a proxy that does harm on a script."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import draw
from tests.helpers.canaries import Verdict, canaries
from tests.helpers.nobody import NOBODY
from tests.helpers.serving import Proxy, free_port, job, proxied, questions, serve
from unveil.core import provenance
from unveil.core.records import Source
from unveil.core.sampling import Sampling
from unveil.experts.endpoint import IN_A_ROW
from unveil.experts.expert import Expert
from unveil.experts.local import Local
from unveil.experts.options import ExpertOptions, bind
from unveil.experts.requests import BudgetSpent, ExpertError, Reply, Request, Turn
from unveil.gate import GateError, address, gate
from unveil.gate.burned_in import BurnedIn
from unveil.testing.models import saved

pytest.importorskip("fastapi", reason="no server: pip install unveil[serving]")
pytestmark = pytest.mark.xdist_group("endpoint")  # so that one process starts one server


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved("llava_siglip", tmp_path_factory.mktemp("server") / "tiny")


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[int]:
    with serve(model, model.parent) as port:
        yield port


@pytest.fixture
def proxy(server: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.02)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with proxied(server) as running:
        yield running


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for n in range(4):
        draw(folder / f"{n}.png", (64, 64), n)
    return folder


def replies(proxy: Proxy, out: Path, asked: list[Request], **options: Any) -> dict[str, Reply]:
    usual: dict[str, Any] = {"expert": proxy.address, "expert_model": "tiny", "concurrency": 3}
    chosen = ExpertOptions(**usual | options)
    return {reply.id: reply for reply in bind(chosen, out).answer(asked)}


# ------------------------------------------------------------------------------------------------------- what comes


def test_the_server_says_what_the_same_model_says_here(
    proxy: Proxy, model: Path, pictures: Path, tmp_path: Path
) -> None:
    """The image arrives as it is: the same weights give the same answers, and another image another one."""
    asked = [replace(r, id=f"{n}", sampling=Sampling(max_tokens=12)) for n, r in enumerate(questions(pictures, 4))]
    there = {name: reply.text for name, reply in replies(proxy, tmp_path / "out", asked).items()}
    here = {reply.id: reply.text for reply in Expert(Local(str(model))).answer(asked)}
    assert there == here and len(set(here.values())) > 1
    name, spent = f"tiny@127.0.0.1:{proxy.port}", bind_spent(proxy, tmp_path / "out", asked)
    assert replies(proxy, tmp_path / "out", asked)["0"].writer == name
    assert proxy.asked == 4, "then all came from the store"
    assert spent.known == 4 and spent.tokens_in > 40 and spent.tokens_out == 48


def bind_spent(proxy: Proxy, out: Path, asked: list[Request]) -> Any:
    expert = bind(ExpertOptions(expert=proxy.address, expert_model="tiny"), out)
    list(expert.answer(asked))
    return expert.spent


def test_never_more_requests_under_way_than_allowed_and_taken_by_one_thread(
    proxy: Proxy, pictures: Path, tmp_path: Path
) -> None:
    """12 requests that take 0.15 s each, four at a time; a request is taken only when one can be sent."""
    proxy.delay = 0.15
    threads, taken = set(), 0

    def watched() -> Iterator[Request]:
        nonlocal taken
        for request in questions(pictures, 12):
            threads.add(threading.get_ident())
            taken += 1
            assert taken - proxy.answered <= 4
            yield request

    options = ExpertOptions(expert=proxy.address, expert_model="tiny", concurrency=4)
    assert len(list(bind(options, tmp_path / "out").answer(watched()))) == 12
    assert proxy.most == 4 and threads == {threading.get_ident()}


def test_the_order_of_the_questions_changes_nothing(proxy: Proxy, pictures: Path, tmp_path: Path) -> None:
    asked = questions(pictures, 6)
    assert job(proxy.address, tmp_path / "a", asked) == job(proxy.address, tmp_path / "b", asked[::-1])
    assert proxy.asked == 12


def test_what_breaks_the_schema_is_asked_again_with_the_reason_and_set_aside(
    proxy: Proxy, pictures: Path, tmp_path: Path
) -> None:
    """A random model never writes JSON: three tries for each of two items, then the reason; none a second time."""
    asked = [replace(r, schema=Verdict) for r in questions(pictures, 2)]
    found = replies(proxy, tmp_path / "out", asked)
    assert {r.error for r in found.values()} == {"cut at 6 tokens; --thinking-tokens allows more"} and proxy.asked == 6
    assert sum("That cannot be used: cut at 6 tokens" in text for text in proxy.texts()) == 4
    replies(proxy, tmp_path / "out", asked)
    assert proxy.asked == 6


# ------------------------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize("fault", ["busy", "broken", "away", "cut", "garbage", "empty", "error in disguise", "no list"])
def test_a_fault_that_passes_is_survived(fault: str, proxy: Proxy, pictures: Path, tmp_path: Path) -> None:
    """The second request fails once: every item still gets its answer, with one request more."""
    proxy.script = lambda n: fault if n == 1 else None
    found = replies(proxy, tmp_path / "out", questions(pictures, 3), concurrency=1)
    assert all(r.error is None for r in found.values()) and proxy.asked == 4
    assert proxy.bodies[1] == proxy.bodies[2], "the same bytes once more"


def test_a_reply_that_takes_too_long_is_asked_for_again(proxy: Proxy, pictures: Path, tmp_path: Path) -> None:
    proxy.script = lambda n: "slow" if n == 0 else None
    found = replies(proxy, tmp_path / "out", questions(pictures, 1), timeout=3.0)
    assert found["item-0"].error is None and proxy.asked == 2


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("broken", "no reply after all repetitions: .*500"),
        ("garbage", "no reply after all repetitions: the reply is no chat completion"),
        ("cut", "no reply after all repetitions: peer closed"),
        ("too large", "refused: .*image too large"),
        ("bad request", "refused: .*content filter"),
        ("refusal", "the model refuses: I cannot"),
    ],
)
def test_one_item_without_an_answer_is_set_aside_alone(
    fault: str, why: str, proxy: Proxy, pictures: Path, tmp_path: Path
) -> None:
    """The first item's three requests fail (one, where repeating is no use). Run again, it alone is asked."""
    first = questions(pictures, 1)[0].turns[0].text
    proxy.script = lambda n: fault if first in proxy.texts()[n] else None
    found = replies(proxy, tmp_path / "out", questions(pictures, 3), concurrency=1, retries=2)
    assert found["item-0"].error and found["item-0"].value is None
    assert re.match(why, found["item-0"].error)
    assert found["item-1"].error is None and found["item-2"].error is None
    assert proxy.asked == (5 if why.startswith("no reply") else 3)
    proxy.script = lambda n: None
    before = proxy.asked
    assert replies(proxy, tmp_path / "out", questions(pictures, 3))["item-0"].error is None
    assert proxy.asked == before + 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("unknown key", "refuses the key.*--key-variable"),
        ("forbidden", "refuses the key"),
        ("unknown model", "no model 'tiny'.*--expert-model"),
        ("elsewhere", "cannot be asked; correct the address"),
        ("busy", "takes no more questions.*--concurrency"),
    ],
)
def test_a_fault_that_is_nobodys_item_stops_the_run_and_what_came_is_kept(
    fault: str, message: str, proxy: Proxy, pictures: Path, tmp_path: Path
) -> None:
    """From the third request on. The same command goes on with the third item."""
    proxy.script = lambda n: fault if n >= 2 else None
    with pytest.raises(ExpertError, match=f"item-2: .*{message}"):
        job(proxy.address, tmp_path / "out", questions(pictures, 4), concurrency=1, retries=0)
    assert proxy.asked == 3
    proxy.script = lambda n: None
    assert len(job(proxy.address, tmp_path / "out", questions(pictures, 4))) == 4
    assert proxy.asked == 5


@pytest.mark.parametrize("fault", ["broken", "bad request"])
def test_so_many_items_in_a_row_without_an_answer_stop_the_run(
    fault: str, proxy: Proxy, pictures: Path, tmp_path: Path
) -> None:
    proxy.script = lambda n: fault
    with pytest.raises(ExpertError, match=f"item-{IN_A_ROW - 1} and {IN_A_ROW - 1} before it got no answer"):
        job(proxy.address, tmp_path / "out", questions(pictures, 9), concurrency=1, retries=0)
    assert proxy.asked == IN_A_ROW


def test_refusals_of_single_items_do_not_stop_a_run_that_has_answers(
    proxy: Proxy, pictures: Path, tmp_path: Path
) -> None:
    proxy.script = lambda n: "bad request" if n else None
    found = replies(proxy, tmp_path / "out", questions(pictures, 8), concurrency=1)
    assert sum(r.error is not None for r in found.values()) == 7


def test_nobody_at_the_address_is_named_with_the_item(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ExpertError, match=r"item-0: nobody answers at 127.0.0.1.*start the server"):
        job(f"http://127.0.0.1:{free_port()}/v1", tmp_path / "out", questions(pictures, 1), retries=0)


def test_a_server_that_does_not_count_tokens_is_told_of_once(
    proxy: Proxy, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy.script = lambda n: "no usage"
    found = replies(proxy, tmp_path / "out", questions(pictures, 3))
    assert {r.value for r in found.values()} == {"Yes."}
    assert " ".join(capsys.readouterr().err.split()).count("does not say how many tokens") == 1


# --------------------------------------------------------------------------------------- money, kills and full disks


def test_the_budget_stops_the_run_and_a_larger_one_pays_nothing_twice(
    proxy: Proxy, pictures: Path, tmp_path: Path
) -> None:
    """What three replies take is the budget: the run stops after the third, or the two under way beside it."""
    asked = questions(pictures, 9)
    job(proxy.address, tmp_path / "price", asked[:1])
    each = bind_spent(proxy, tmp_path / "price", asked[:1])
    tokens = (each.tokens_in + each.tokens_out) * 3
    with pytest.raises(BudgetSpent, match="a larger one goes on"):
        job(proxy.address, tmp_path / "out", asked, budget_tokens=tokens)
    paid = proxy.asked - 1
    assert 3 <= paid <= 5
    with pytest.raises(BudgetSpent, match=f"0 asked, {paid} known"):
        job(proxy.address, tmp_path / "out", asked, budget_tokens=tokens)
    assert len(job(proxy.address, tmp_path / "out", asked, budget_tokens=tokens * 3)) == 9
    assert proxy.asked == 1 + 9


def test_a_kill_in_the_middle_loses_nothing_that_was_kept(proxy: Proxy, pictures: Path, tmp_path: Path) -> None:
    """SIGKILL after five answers. Then only the rest is asked, and all is as if nothing had happened.

    What was under way is asked again: three replies at the most, which have been paid for and lost.
    """
    proxy.delay, count = 0.1, 14
    program = [sys.executable, str(Path(__file__).with_name("helpers") / "serving.py"), proxy.address]
    with (tmp_path / "stderr").open("w") as err:
        process = subprocess.Popen([*program, tmp_path / "out", pictures, str(count)], stderr=err, env=os.environ)
        limit = time.monotonic() + 60
        while proxy.answered < 5:
            assert process.poll() is None and time.monotonic() < limit, (tmp_path / "stderr").read_text()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(0.5)  # what was under way arrives at nobody
    store = sqlite3.connect(tmp_path / "out.replies.sqlite")
    kept = store.execute("SELECT count(*) FROM replies").fetchone()[0]
    store.close()
    assert 1 <= kept < count and proxy.answered - kept <= 3
    before, proxy.delay = proxy.asked, 0
    found = job(proxy.address, tmp_path / "out", questions(pictures, count))
    assert proxy.asked - before == count - kept
    assert found == job(proxy.address, tmp_path / "whole", questions(pictures, count))


def test_a_full_disk_is_named_with_the_item_and_what_was_paid_for_is_kept(
    proxy: Proxy, pictures: Path, tmp_path: Path
) -> None:
    """SQLite's own limit of pages stands for the disk; ids of a thousand letters fill a page soon."""
    asked = [replace(r, id=f"{r.id}-{'x' * 1000}") for r in questions(pictures, 10)]
    expert = bind(ExpertOptions(expert=proxy.address, expert_model="tiny", concurrency=2), tmp_path / "out")
    assert expert.store
    pages = expert.store._file.execute("PRAGMA page_count").fetchone()[0]
    expert.store._file.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ExpertError, match=r"item-\d+-x+: its reply could not be kept in .*full"):
        list(expert.answer(asked))
    expert.store.close()
    store = sqlite3.connect(tmp_path / "out.replies.sqlite")
    kept = store.execute("SELECT count(*) FROM replies").fetchone()[0]
    store.close()
    before = proxy.asked
    assert kept >= 1 and before - kept <= 2
    assert len(job(proxy.address, tmp_path / "out", asked)) == 10
    assert proxy.asked - before == 10 - kept


# ------------------------------------------------------------------------------------------------------- what leaves

SECRET = "sk-s3cret-0815"


@pytest.fixture
def far(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """The proxy as another machine, which it is not: only its name is taken for one."""
    monkeypatch.setattr(address, "is_here", lambda host: False)
    monkeypatch.setattr(gate, "read_image", lambda png, how: BurnedIn(()))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SOME_KEY", SECRET)
    return proxy


FAR: dict[str, Any] = {"allow_remote": True, "names": NOBODY, "key_variable": "SOME_KEY"}


def entered(folder: Path) -> list[dict[str, Any]]:
    """The manifest's lines about requests."""
    lines = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == "request"]


def image_of(body: bytes) -> bytes:
    url = json.loads(body)["messages"][0]["content"][0]["image_url"]["url"]
    return base64.b64decode(url.removeprefix("data:image/png;base64,"))


def test_the_manifest_is_what_was_sent_and_no_canary_was(far: Proxy, tmp_path: Path) -> None:
    """Each body that arrived, and its image, has the hash that the manifest says; no id, name, path or metadata."""
    asked = canaries(tmp_path)
    assert b"CANARY-TEXT" in asked[0].picture.path.read_bytes()  # type: ignore[union-attr]
    found = replies(far, tmp_path / "out", asked, **FAR)
    assert all(r.error is None for r in found.values())
    lines = entered(tmp_path)
    assert sorted(line["body_sha256"] for line in lines) == sorted(hashlib.sha256(b).hexdigest() for b in far.bodies)
    for body, headers in zip(far.bodies, far.headers, strict=True):
        image = image_of(body)
        assert {line["image"]["sha256"] for line in lines} == {hashlib.sha256(image).hexdigest()}
        assert b"CANARY" not in body + image + json.dumps(headers).encode()
        assert not Image.open(io.BytesIO(image)).info
    assert "CANARY" not in (tmp_path / "manifest.jsonl").read_text()
    assert len({line["item"] for line in lines}) == 2 and len({line["record"] for line in lines}) == 1


def test_the_key_is_sent_and_written_nowhere(far: Proxy, tmp_path: Path) -> None:
    """Not in the manifest, not among the replies, not in run.json, not in the message of a server that repeats it."""
    asked = canaries(tmp_path)
    far.script = lambda n: "forbidden" if n else None
    options = ExpertOptions(expert=far.address, expert_model="tiny", concurrency=1, **FAR)  # type: ignore[arg-type]
    with pytest.raises(ExpertError, match=r"not allowed: Bearer \(key\)") as caught:
        list(bind(options, tmp_path / "out").answer(asked))
    provenance.Output(tmp_path / "out.run.json", "test", options, {}, 0.0).write()
    assert far.headers[0]["Authorization"] == f"Bearer {SECRET}"
    assert SECRET not in str(caught.value)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {"manifest.jsonl", "unveil.key", "out.replies.sqlite", "out.run.json"} <= {p.name for p in files}
    assert not [p for p in files if SECRET.encode() in p.read_bytes()]


def test_what_the_gate_holds_back_reaches_nobody(far: Proxy, tmp_path: Path) -> None:
    asked = canaries(tmp_path)
    asked[0] = replace(asked[0], turns=(Turn("user", "Patient: Anna. Is anything abnormal?"),))
    found = replies(far, tmp_path / "out", asked, **FAR)
    assert "not sent: its text holds" in str(found["CANARY-ID/0"].error)
    assert found["CANARY-ID/1"].error is None and far.asked == 1
    record = replace(asked[1].record, source=Source("x", licence="DUA", access="credentialed"))  # type: ignore[type-var]
    with pytest.raises(GateError, match="CANARY-ID/1: x is credentialed data"):
        replies(far, tmp_path / "other", [replace(asked[1], record=record)], **FAR)
    assert far.asked == 1


def test_a_dry_run_says_what_a_run_then_sends(far: Proxy, tmp_path: Path) -> None:
    """The same hashes of bodies, and nothing arrives before."""
    asked = canaries(tmp_path)
    with pytest.raises(provenance.DryRun, match="what 2 requests would send"):
        replies(far, tmp_path / "dry" / "out", asked, dry_run=True, **FAR)
    assert far.asked == 0
    replies(far, tmp_path / "out", asked, **FAR)
    hashes = [{line["body_sha256"] for line in entered(folder)} for folder in (tmp_path / "dry", tmp_path)]
    assert hashes[0] == hashes[1] and len(hashes[0]) == 2
