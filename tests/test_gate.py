"""What leaves and what does not: sources, texts, the manifest. No server is needed here."""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tests.conftest import draw
from tests.helpers.images import dicom
from tests.helpers.nobody import NOBODY
from unveil import cli, curate
from unveil.core import provenance
from unveil.core.records import Record, Source
from unveil.experts.endpoint import NOT_SENT, Endpoint, Rehearsal
from unveil.experts.expert import Expert
from unveil.experts.messages import Desk
from unveil.experts.options import ExpertOptions, bind
from unveil.experts.requests import ExpertError, Reply, Request, RequestImage, Turn
from unveil.gate import GateError
from unveil.gate.address import host_of, is_here
from unveil.gate.finding import find
from unveil.gate.gate import Gate, Item
from unveil.gate.known import Known
from unveil.gate.manifest import Manifest
from unveil.gate.options import GateOptions
from unveil.pipelines import report

OPEN = Source("drawn", licence="CC0-1.0", access="open")
FAR = "https://api.example.org/v1"


def record(**known: Any) -> Record:
    usual: dict[str, Any] = {
        "id": "drawn/scan-0042", "image": "scan-0042.png", "width": 96, "height": 64, "source": OPEN
    }  # fmt: skip
    return Record(**usual | known)


def request(text: str = "Is anything abnormal?", picture: Path | None = None, **known: Any) -> Request:
    known = {"record": record()} | known
    return Request(
        "drawn/scan-0042/q", "test", (Turn("user", text),), RequestImage(picture) if picture else None, **known
    )


@pytest.fixture
def no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", opened)
    monkeypatch.setattr(socket, "getaddrinfo", opened)


# --------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("127.8.9.1:80", True), ("localhost:8000", True), ("[::1]:8000", True),
        ("LOCALHOST", True), ("localhost.", True), ("LocalHost.:80", True),
        ("10.0.0.5:8000", False), ("0.0.0.0", False), ("localhost.example.org", False),
        ("127.0.0.1.example.org", False), ("[::2]", False), ("127.1", False), ("localhost..", False),
        ("0x7f000001", False), ("2130706433", False), ("[::ffff:127.0.0.1]", False), ("127.0.0.01", False),
        ("x.localhost", False), ("[::]", False),
    ],
)  # fmt: skip
def test_only_the_loopback_is_this_machine(host: str, here: bool) -> None:
    assert is_here(host) is here


def test_another_machine_needs_permission() -> None:
    assert host_of("http://127.0.0.1:8000/v1", allow_remote=False) == "127.0.0.1:8000"
    assert host_of(FAR, allow_remote=True) == "api.example.org"
    with pytest.raises(GateError, match=r"api\.example\.org is another machine.*--allow-remote"):
        host_of(FAR, allow_remote=False)


@pytest.mark.parametrize(
    "address",
    ["https://user:s3cret@example.org/v1", "http://127.0.0.1\\@example.org/", "http://127.0.0.1@example.org/",
     "https://example.org/v1?key=s3cret", "https://example.org/#s3cret", "file:///s3cret", "http://a b/s3cret"],
)  # fmt: skip
def test_an_address_that_may_hide_another_or_a_key_is_not_taken_and_not_repeated(address: str) -> None:
    with pytest.raises(GateError, match="an address is") as caught:
        host_of(address, allow_remote=True)
    assert "s3cret" not in str(caught.value) and "example" not in str(caught.value)


def test_defaults_refuse_another_machine_and_open_no_socket(tmp_path: Path, no_socket: None) -> None:
    options = ExpertOptions(expert=FAR, expert_model="m")
    with pytest.raises(GateError, match="is another machine"):
        bind(options, tmp_path / "out.jsonl")
    assert not list(tmp_path.iterdir()), "nothing was asked, so nothing is left behind"


# ----------------------------------------------------------------------------------------------------------- sources


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"record": None}, "its record is not known"),
        ({"record": record(source=Source("x", licence="DUA", access="credentialed"))}, "x is credentialed data"),
        ({"record": record(source=Source("x", licence="DUA", access="dua"))}, "x is dua data"),
        ({"record": record(source=Source("x"))}, "licence of x is not known.*--licence"),
    ],
)
def test_only_open_data_with_a_licence_leaves(
    known: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_socket: None
) -> None:
    """Each of these stops the run with the item's id, whatever is allowed, before anything is sent or written down."""
    monkeypatch.setenv("SOME_KEY", "k")
    options = ExpertOptions(expert=FAR, expert_model="m", key_variable="SOME_KEY", allow_remote=True, names=NOBODY)
    expert = bind(options, tmp_path / "out.jsonl")
    with pytest.raises(GateError, match=f"drawn/scan-0042/q: .*{message}"):
        list(expert.answer([request(**known)]))
    assert not (tmp_path / "manifest.jsonl").exists()


# -------------------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    "text",
    [
        "Where is the nodule? [12, 128, 1024, 2048]",
        "Detection: abnormal.\nLocalisation: [1, 2, 3, 4] in the right lung.\nRecognition: nodule (round, 3.5 cm).",
        "A 45-year-old patient with a mass of 12.5 x 10.2 mm; score 0.333333 of 1.",
        "The patient has no pneumothorax. L4-5 disc, T2-weighted, C3/4, 120 kV, MS lesions, DR image.",
    ],
)
def test_what_is_medicine_passes(text: str) -> None:
    assert find(text, Known.of([record(patient="p1")]), record(patient="p1")) == []


def test_what_we_write_ourselves_passes() -> None:
    """All texts that stand in the code of curate and in the wordings, which every request is made of."""
    names = [f"unveil.curate.{found.name}" for found in pkgutil.iter_modules(curate.__path__)]
    for module in map(importlib.import_module, ["unveil.core.answers", *names]):
        for name, value in vars(module).items():
            for text in strings(value) if name.isupper() else ():
                assert find(text) == [], f"{module.__name__}.{name}"


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | tuple | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def test_an_item_whose_text_names_somebody_is_set_aside_without_repeating_the_text(tmp_path: Path) -> None:
    why = Gate(GateOptions(names=NOBODY)).why_not(Item("i", record(), ("Call Dr. Weiss.",)))
    assert why == "not sent: its text holds what looks like a person's data (name)"


# ---------------------------------------------------------------------------------------------------------- manifest


def test_pseudonyms_depend_on_the_name_and_on_the_key_alone(tmp_path: Path) -> None:
    """HMAC-SHA256 of the name under the key in ``unveil.key``, which only its owner may read."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, again = Manifest(tmp_path / "a", "h", "m"), Manifest(tmp_path / "a", "other", "n")
    other = Manifest(tmp_path / "b", "h", "m")
    assert one.pseudonym("p1") == again.pseudonym("p1") != one.pseudonym("p2")
    assert one.pseudonym("p1") != other.pseudonym("p1")
    key = tmp_path / "a" / "unveil.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.write_text("not a key")
    with pytest.raises(GateError, match="not a key"):
        Manifest(tmp_path / "a", "h", "m").pseudonym("p1")


def lines(folder: Path) -> list[dict[str, Any]]:
    """Those about requests."""
    found = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())
    return [line for line in found if line["kind"] == "request"]


def test_the_manifest_holds_all_that_leaves_and_no_name(tmp_path: Path) -> None:
    """All of the body but the image, of which it has the hash; put back, the body has the hash that is told."""
    path = draw(tmp_path / "scan-0042.png", (96, 64), 0)
    letter = Desk("m", Manifest(tmp_path, "host", "m")).letter(request(picture=path))
    assert not isinstance(letter, str)
    (line,), png = lines(tmp_path), RequestImage(path).png()
    assert line["body_sha256"] == hashlib.sha256(letter.body).hexdigest()
    assert line["image"] == {"sha256": hashlib.sha256(png).hexdigest(), "bytes": len(png)}
    assert (line["host"], line["model"], line["licence"], line["access"]) == ("host", "m", "CC0-1.0", "open")
    assert line["body"]["messages"][0]["content"][1]["text"] == "Is anything abnormal?"
    url = json.loads(letter.body)["messages"][0]["content"][0]["image_url"]["url"]
    line["body"]["messages"][0]["content"][0]["image_url"]["url"] = url
    assert json.dumps(line["body"]).encode() == letter.body
    assert (tmp_path / "manifest.jsonl").stat().st_mode & 0o777 == 0o600
    text = (tmp_path / "manifest.jsonl").read_text()
    assert "scan-0042" not in text and (tmp_path / "unveil.key").read_text() not in text


def test_what_cannot_be_written_down_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").mkdir()
    with pytest.raises(GateError, match=r"drawn/scan-0042/q: not sent, since .*manifest"):
        Desk("m", Manifest(tmp_path, "host", "m")).letter(request())


def test_no_header_of_a_dicom_file_survives_in_what_is_sent(tmp_path: Path) -> None:
    """Canaries in the header, in a private element and in a nested sequence; the PNG has pixels only."""
    path = dicom(tmp_path / "x.dcm", np.arange(64, dtype=np.uint8).reshape(8, 8), PatientName="CANARY^ANNA")
    dataset = pydicom.dcmread(path)
    dataset.private_block(0x0011, "CANARY MAKER", create=True).add_new(1, "LO", "CANARY-PRIVATE")
    inner = pydicom.Dataset()
    inner.PatientID = "CANARY-NESTED"
    dataset.RequestAttributesSequence = [inner]
    dataset.save_as(path)
    assert path.read_bytes().count(b"CANARY") == 4
    png = RequestImage(path).png()
    assert b"CANARY" not in png
    assert chunks(png) == {b"IHDR", b"IDAT", b"IEND"}


def chunks(png: bytes) -> set[bytes]:
    """The kinds of chunks of a PNG: 8 bytes of signature, then length, kind, data and check sum of each."""
    at, found = 8, set()
    while at < len(png):
        found.add(png[at + 4 : at + 8])
        at += 12 + int.from_bytes(png[at : at + 4])
    return found


# ----------------------------------------------------------------------------------------------------------- dry run


def test_a_dry_run_writes_down_all_that_would_leave_sends_nothing_and_ends_the_command(
    tmp_path: Path, no_socket: None
) -> None:
    """Two of three may leave; the gate's reason is told for the third. Permission and key are not needed for it."""
    options = ExpertOptions(expert=FAR, expert_model="m", dry_run=True, names=NOBODY)
    expert = bind(options, tmp_path / "out.jsonl")
    asked = [replace(request(text), id=f"i{n}") for n, text in enumerate(("One?", "Two?", "Dr. Weiss?"))]
    replies: list[Reply] = []
    with pytest.raises(provenance.DryRun, match=r"what 2 requests would send is in .*; 1 x not sent: .*name"):
        replies.extend(expert.answer(asked))
    assert [r.error == NOT_SENT for r in replies] == [True, True, False]
    assert [line["body"]["messages"][0]["content"] for line in lines(tmp_path)] == ["One?", "Two?"]
    assert all(line["dry_run"] for line in lines(tmp_path))


def test_a_dry_run_is_no_error_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def work(config: Any) -> None:
        raise provenance.DryRun("nothing was sent")

    monkeypatch.setattr(report, "main", work)
    assert cli.main(["report", "--run", str(tmp_path)]) == 0
    assert "dry run: nothing was sent" in capsys.readouterr().err


@pytest.mark.parametrize("expert", ["rules", "local:tiny"])
def test_a_dry_run_of_what_never_leaves_is_refused(expert: str, tmp_path: Path) -> None:
    with pytest.raises(ExpertError, match="nothing leaves this machine"):
        bind(ExpertOptions(expert=expert, dry_run=True), tmp_path / "out.jsonl")


def test_a_dry_run_in_which_nothing_is_left_to_ask_goes_on(tmp_path: Path) -> None:
    assert not list(Expert(Rehearsal(Desk("m", Manifest(tmp_path, "h", "m")))).answer([]))


# ---------------------------------------------------------------------------------------------------------- options


def test_a_key_is_never_taken_for_the_name_of_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ExpertOptions(expert=FAR, expert_model="m", allow_remote=True, key_variable="sk-s3cret")
    with pytest.raises(ExpertError, match="never the key itself") as caught:
        bind(options, tmp_path / "out.jsonl")
    assert "s3cret" not in str(caught.value)
    monkeypatch.setenv("SOME_KEY", "s3cret\nX-Other: 1")
    with pytest.raises(ExpertError, match="characters that no key has") as caught:
        bind(replace(options, key_variable="SOME_KEY"), tmp_path / "out.jsonl")
    assert "s3cret" not in str(caught.value)


def test_another_machine_needs_a_key_and_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ExpertError, match="--expert-model"):
        bind(ExpertOptions(expert=FAR, allow_remote=True), tmp_path / "out.jsonl")
    with pytest.raises(ExpertError, match="needs a key"):
        bind(ExpertOptions(expert=FAR, expert_model="m", allow_remote=True), tmp_path / "out.jsonl")
    with pytest.raises(ExpertError, match="use rules, local:MODEL or the address"):
        bind(ExpertOptions(expert="gpt"), tmp_path / "out.jsonl")
    assert isinstance(
        bind(ExpertOptions(expert="http://[::1]:9/v1", expert_model="m"), tmp_path / "x").backend, Endpoint
    )
