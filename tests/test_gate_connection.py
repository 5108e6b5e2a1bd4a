"""Where a request goes and what stands at its head: names, proxies, headers, logs, keys."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import draw
from tests.helpers.nobody import NOBODY
from tests.helpers.stub import Stub, stub
from unveil.core.records import Record, Source
from unveil.core.sampling import Sampling
from unveil.experts.options import ExpertOptions, bind
from unveil.experts.requests import Reply, Request, RequestImage, Turn
from unveil.gate import GateError, connection, secret
from unveil.gate.connection import Connection, shown
from unveil.gate.wire import HEADERS

SECRET = "sk-s3cret/0815+x"
RECORD = Record("drawn/a", "a.png", 48, 32, source=Source("drawn", licence="CC0-1.0", access="open"))
FAR: dict[str, Any] = {"allow_remote": True, "names": NOBODY, "key_variable": "SOME_KEY"}
LOOK_UP = socket.getaddrinfo


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SOME_KEY", SECRET)


@pytest.fixture
def server() -> Iterator[Stub]:
    with stub() as running:
        yield running


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A resolver of our own: addresses by name. What it was asked stands in ``asked``."""
    known: dict[str, list[str]] = {"asked": []}

    def look_up(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        known["asked"].append(name)
        if re.fullmatch(r"[\d.]+|.*:.*", name):  # no name
            return LOOK_UP(host, port, *more, **named)
        if name not in known:
            raise socket.gaierror(-2, "Name or service not known")
        return [found for where in known[name] for found in LOOK_UP(where, port, *more, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def questions(count: int = 1, picture: Path | None = None) -> list[Request]:
    known: dict[str, Any] = {
        "picture": picture and RequestImage(picture),
        "record": RECORD,
        "sampling": Sampling(max_tokens=4),
    }
    return [
        Request(f"i{n}", "test", (Turn("user", f"Is anything abnormal, part {n}?"),), **known) for n in range(count)
    ]


def asked(address: str, out: Path, requests: list[Request] | None = None, **more: Any) -> list[Reply]:
    usual: dict[str, Any] = {"expert": address, "expert_model": "m", "retries": 0, "concurrency": 1}
    options = ExpertOptions(**usual | more)
    return list(bind(options, out).answer(requests or questions()))


def manifest(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The lines about sessions and those about requests."""
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return [x for x in lines if x["kind"] == "session"], [x for x in lines if x["kind"] == "request"]


# ------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "localhost."])
def test_localhost_is_the_loopback_whatever_a_resolver_says(
    name: str, server: Stub, names: dict[str, list[str]], tmp_path: Path
) -> None:
    """The resolver leads elsewhere (192.0.2.1 is nobody's); it is not asked."""
    names["localhost"] = names["localhost."] = ["192.0.2.1"]
    (reply,) = asked(server.under(name), tmp_path / "out")
    assert reply.value == "Yes." and not [n for n in names["asked"] if "local" in n.lower()]
    (session,), _ = manifest(tmp_path)
    assert session["addresses"] == ["127.0.0.1", "::1"] and session["gate"] is None


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_localhost_is_also_the_loopback_of_ipv6(tmp_path: Path) -> None:
    """Nobody listens at 127.0.0.1 of this port."""

    with stub("::1") as running:
        (reply,) = asked(running.under("localhost"), tmp_path / "out")
    assert reply.value == "Yes."


def test_a_name_is_looked_up_once_said_and_held_to(
    server: Stub, names: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that leads to the loopback is still another machine; the resolver changes its mind, and is not asked."""
    names["far.test"] = ["127.0.0.1"]
    server.say = lambda path, body: names.update({"far.test": ["192.0.2.1"]}) or "Yes."
    options = ExpertOptions(expert=server.under("far.test"), expert_model="m", concurrency=1, **FAR)  # type: ignore[arg-type]
    expert = bind(options, tmp_path / "out")
    assert [r.value for r in expert.answer(questions(3))] == ["Yes."] * 3
    assert [r.value for r in expert.answer([replace(questions()[0], turns=(Turn("user", "More?"),))])] == ["Yes."]
    assert names["asked"].count("far.test") == 1
    (session,), requests = manifest(tmp_path)
    assert session["addresses"] == ["127.0.0.1"] and session["gate"]["names"] == "nobody.py:nobody"
    assert len(requests) == 4 and {r["session"] for r in requests} == {session["session"]}
    assert f"asking far.test:{server.port}, which is 127.0.0.1" in capsys.readouterr().err
    assert dict(server.headers[0])["Host"] == f"far.test:{server.port}"


def test_the_next_address_of_a_name_is_tried_where_the_first_takes_no_connection(
    server: Stub, names: dict[str, list[str]], tmp_path: Path
) -> None:
    """Nobody listens at 127.0.0.9 of this port."""
    names["far.test"] = ["127.0.0.9", "127.0.0.1"]
    assert asked(server.under("far.test"), tmp_path / "out", **FAR)[0].value == "Yes."
    assert manifest(tmp_path)[0][0]["addresses"] == ["127.0.0.9", "127.0.0.1"]


def test_a_name_that_leads_nowhere_stops_the_run(names: dict[str, list[str]], tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"far\.test leads nowhere .*correct the address"):
        asked("http://far.test:9/v1", tmp_path / "out", **FAR)
    assert not (tmp_path / "manifest.jsonl").exists()


def test_a_dry_run_looks_no_name_up(names: dict[str, list[str]], tmp_path: Path) -> None:
    from unveil.core import provenance

    with pytest.raises(provenance.DryRun):
        asked("http://far.test:9/v1", tmp_path / "out", dry_run=True, **FAR)
    (session,), _ = manifest(tmp_path)
    assert not names["asked"] and session["addresses"] is None and session["dry_run"]


# ----------------------------------------------------------------------------------------------------------- proxies


def test_a_proxy_is_named_without_its_password_and_used_for_another_machine_only(
    server: Stub, names: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The stub is the proxy: it is asked for the whole address. The name is the proxy's to look up."""
    monkeypatch.setenv("http_proxy", f"http://joe:passw0rd@127.0.0.1:{server.port}")
    (reply,) = asked("http://far.test:81/v1", tmp_path / "out", **FAR)
    assert reply.value == "Yes." and server.paths == ["http://far.test:81/v1/chat/completions"]
    said = " ".join(capsys.readouterr().err.split())
    assert f"passes the proxy http://127.0.0.1:{server.port}, which reads all of it, the key too" in said
    assert "asking far.test:81, which is an address that the proxy looks up" in said
    (session,), _ = manifest(tmp_path)
    assert session["proxy"] == f"http://127.0.0.1:{server.port}" and session["addresses"] == []
    assert "passw0rd" not in said + (tmp_path / "manifest.jsonl").read_text()
    asked(server.address, tmp_path / "here" / "out")
    assert server.paths[1] == "/v1/chat/completions" and manifest(tmp_path / "here")[0][0]["proxy"] is None


def test_a_host_that_needs_no_proxy_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.test:3128")
    url = "https://far.test/v1"
    assert Connection(url, "far.test", "k", 0, 1).proxy == "http://proxy.test:3128"
    assert "learns the host's name" in " ".join(Connection(url, "far.test", "k", 0, 1).notes())
    monkeypatch.setenv("no_proxy", ".test")
    assert Connection(url, "far.test", "k", 0, 1).proxy is None


@pytest.mark.parametrize("proxy", ["http://joe:s3cret@", "ftp://joe:s3cret@x", "http://s3cret:abc/"])
def test_a_proxy_that_is_no_address_is_refused_and_not_repeated(proxy: str) -> None:
    with pytest.raises(GateError, match="names a proxy that is no address") as caught:
        shown(proxy)
    assert "s3cret" not in str(caught.value)


# ----------------------------------------------------------------------------------------------------------- headers


def test_what_arrives_is_what_the_manifest_says_and_nothing_of_the_environment(
    server: Stub, names: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and order of the headers, and every body, of each request; nothing of OpenAI's own variables."""
    canaries = {
        "OPENAI_ORG_ID": "CANARY-ORG",
        "OPENAI_PROJECT_ID": "CANARY-PROJECT",
        "OPENAI_CUSTOM_HEADERS": "X-Canary: CANARY-HEADER\nAuthorization: Bearer CANARY-OTHER\nUser-Agent: CANARY",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/CANARY",
        "OPENAI_ADMIN_KEY": "CANARY-ADMIN",
        "OPENAI_API_KEY": "CANARY-KEY",
    }
    for name, value in canaries.items():
        monkeypatch.setenv(name, value)
    names["far.test"] = ["127.0.0.1"]
    asked(server.under("far.test"), tmp_path / "out", questions(3, draw(tmp_path / "a.png", (48, 32), 0)), **FAR)
    (session,), requests = manifest(tmp_path)
    assert session["headers"] == list(HEADERS)
    for headers in server.headers:
        assert [name for name, _ in headers] == session["headers"]
        assert dict(headers)["User-Agent"] == "unveil" and dict(headers)["Authorization"] == f"Bearer {SECRET}"
        assert "CANARY" not in str(headers) and "Python" not in str(headers) and "stainless" not in str(headers).lower()
    assert [r["body_sha256"] for r in requests] == [hashlib.sha256(body).hexdigest() for body in server.bodies]
    assert SECRET not in (tmp_path / "manifest.jsonl").read_text()


def test_without_a_key_no_word_stands_in_its_place(server: Stub, tmp_path: Path) -> None:
    asked(server.address, tmp_path / "out", key_variable="NO_SUCH_KEY")
    assert [name for name, _ in server.headers[0]] == manifest(tmp_path)[0][0]["headers"]
    assert "Authorization" not in dict(server.headers[0])


# -------------------------------------------------------------------------------------------------------------- logs


def test_no_log_prints_what_is_said(server: Stub, tmp_path: Path) -> None:
    """In a process of its own that wants all of it: OPENAI_LOG, and every logger that there is set to the lowest level.

    The same process without our silence would print the question, which shows that the test can see it.
    """
    server.say = lambda path, body: "CANARY-REPLY"
    program = (
        "import logging, sys; logging.basicConfig(level=1)\n"
        "import openai, httpx, httpcore\n"
        "from unveil.gate import connection\n"
        "if sys.argv[3] == 'loud': connection.silence = lambda: None\n"
        "for name in list(logging.root.manager.loggerDict): logging.getLogger(name).setLevel(1)\n"
        "from pathlib import Path\n"
        "from unveil.experts.requests import Request, Turn\n"
        "from unveil.experts.options import ExpertOptions, bind\n"
        "options = ExpertOptions(expert=sys.argv[1], expert_model='m', key_variable='SOME_KEY')\n"
        "asked = Request('i', 't', (Turn('user', 'CANARY-QUESTION'),), system='CANARY-SYSTEM')\n"
        "print(next(bind(options, Path(sys.argv[2])).answer([asked])).error)\n"
    )
    where = os.environ | {"OPENAI_LOG": "debug", "SOME_KEY": SECRET}

    def run(how: str) -> str:
        command = [sys.executable, "-c", program, server.address, str(tmp_path / how / "out"), how]
        done = subprocess.run(command, env=where, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    said = run("silent")
    assert "None" in said and "CANARY" not in said and SECRET not in said
    assert "CANARY-QUESTION" in run("loud")


def test_a_logger_that_is_made_later_is_silent_too(caplog: pytest.LogCaptureFixture) -> None:
    connection.silence()
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("httpcore.of.tomorrow").error("said")
    assert not caplog.records


# -------------------------------------------------------------------------------------------------------------- keys


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("form", "left"),
    [
        (SECRET, "(key)"),
        (quote(SECRET, safe=""), "(key)"),
        ("sk-s3cret%2f0815%2bx", "(key)"),
        (in_base64(SECRET), "(key)A=="),
        (in_base64(f"x{SECRET}"), "eH(key)g="),
        (in_base64(f"xy{SECRET}"), "eHl(key)"),
        (in_base64(f"Bearer {SECRET}, it was"), "QmVhcmVyIH(key)gsIGl0IHdhcw=="),
        (base64.urlsafe_b64encode(f"Bearer {SECRET}, it was".encode()).decode(), "QmVhcmVyIH(key)gsIGl0IHdhcw=="),
    ],
    ids=str,
)
def test_a_key_that_a_reply_repeats_is_masked_before_it_is_kept(
    form: str, left: str, server: Stub, tmp_path: Path
) -> None:
    """Of base64 the characters go that depend on the key alone; those at its ends also depend on what is beside it."""
    server.say = lambda path, body: f"Your key is {form} or so."
    (reply,) = asked(server.address, tmp_path / "out", key_variable="SOME_KEY")
    store = sqlite3.connect(tmp_path / "out.replies.sqlite")
    (kept,) = store.execute("SELECT text FROM replies").fetchone()
    store.close()
    assert {reply.value, reply.text, kept} == {f"Your key is {left} or so."}


def test_what_is_no_key_stays() -> None:
    assert secret.masked("The key is a word of a kidney.", "k") == "The key is a word of a kidney."
    assert secret.masked("any", "") == "any"
    assert secret.masked("sk-s3cret", SECRET) == "sk-s3cret"
