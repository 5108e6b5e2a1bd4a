"""Who may ask the server of a page, and what it says: nothing without a token, nothing to others, nothing of files.

Records r0 … r4 are of patients NAME-0 … NAME-4, as their images' headers may be; anna reviews, ben does too.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.images import dicom
from tests.helpers.pages import Page, port, raw, served, write_pairs, write_records
from unveil.core.decisions import read_decisions
from unveil.core.files import WriteError
from unveil.core.jsonl import write_jsonl
from unveil.core.pixels import ImageError, reported
from unveil.core.records import Record
from unveil.review import server, wording
from unveil.review.journal import audit_of, verify
from unveil.review.options import ReviewOptions
from unveil.review.review import opened
from unveil.review.room import ReviewRoom

ASKED = ("/api/session", "/api/queue", "/api/items/0", "/api/items/0/image", "/api/find?number=0", "/api/summary")

PARTS = ("draft", "decision", "image", "image/shown", "map")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewRoom]:
    folder = tmp_path_factory.mktemp("server")
    config = ReviewOptions(
        what=write_records(folder), out=folder / "reviews.jsonl", reviewers=("anna", "ben"), readings=2, order="file"
    )
    with opened(config) as made:
        yield made


@pytest.fixture(scope="module")
def page(room: ReviewRoom) -> Iterator[Page]:
    with served(room) as shown:
        yield shown


@pytest.fixture(scope="module")
def anna(page: Page) -> Iterator[httpx.Client]:
    with page.client("anna") as client:
        yield client


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("token", [None, "", "Bearer", "Bearer wrong", "Basic TOKEN", "TOKEN", "Bearer TOKENx"])
def test_nothing_is_told_without_a_token(page: Page, anna: httpx.Client, path: str, token: str | None) -> None:
    own = anna.headers["authorization"].removeprefix("Bearer ")
    headers = {} if token is None else {"authorization": token.replace("TOKEN", own)}
    said = httpx.get(f"http://127.0.0.1:{port(page)}{path}", headers=headers, trust_env=False)
    assert said.status_code == 401 and said.json().keys() == {"error"}
    in_query = httpx.get(f"http://127.0.0.1:{port(page)}{path.split('?')[0]}?token={own}", trust_env=False)
    assert in_query.status_code == 401


def test_the_token_stands_behind_the_sign_that_no_browser_sends(page: Page) -> None:
    """Each of the people has another one, of 32 random bytes."""
    fragments = [urlsplit(address).fragment for address in page.addresses.values()]
    assert all(len(one.removeprefix("token=")) == 43 for one in fragments) and len(set(fragments)) == 2
    assert all(not urlsplit(address).query for address in page.addresses.values())


@pytest.mark.parametrize(
    "path", ["/", "/static/app.js", "/static/style.css", *ASKED, "/nothing", "/docs", "/openapi.json"]
)
def test_every_answer_has_its_headers(anna: httpx.Client, path: str) -> None:
    said = anna.get(path)
    assert said.status_code == (404 if path in ("/nothing", "/docs", "/openapi.json") else 200)
    assert server.HEADERS.items() <= dict(said.headers).items() and "server" not in said.headers
    assert "default-src 'none'" in said.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1"}, 421),  # without its port
        ({"host": "127.0.0.1.evil.example:PORT"}, 421),
        ({"host": ""}, 421),
        ({"host": "LOCALHOST:PORT"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "http://127.0.0.1:PORT"}, 200),
    ],
)
def test_other_names_and_origins_are_refused(
    anna: httpx.Client, page: Page, headers: dict[str, str], status: int
) -> None:
    """A name that is bound to this machine by others (DNS rebinding), and a page of another origin."""
    asked = {name: value.replace("PORT", str(port(page))) for name, value in headers.items()}
    assert anna.get("/api/session", headers=asked).status_code == status


def test_a_request_without_a_host_is_refused(page: Page) -> None:
    assert b" 421 " in raw(page, "GET / HTTP/1.0\r\n\r\n").split(b"\r\n")[0]


@pytest.mark.parametrize(
    "place",
    ["..%2f..%2fetc%2fpasswd", "%2e%2e/records.jsonl", "/etc/passwd", "0%00", "-1", "99", "1e1", "%D9%A3", "0x1",
     "99999999999999999999999", "r0", "%20", "%ff"],
)  # fmt: skip
@pytest.mark.parametrize("before", ["/api/items/", "/static/", "/"])
def test_no_path_of_a_request_leads_to_a_file(anna: httpx.Client, before: str, place: str) -> None:
    said = anna.get(httpx.URL(f"{anna.base_url}").copy_with(raw_path=f"{before}{place}".encode()))
    assert said.status_code in (404, 405, 422), said.text
    assert b"root:" not in said.content and b"NAME" not in said.content


POINTS = ("/../records.jsonl", "/static/../../records.jsonl", "/static//etc/passwd", "/api/items/../../r")


@pytest.mark.parametrize("path", POINTS)
def test_points_in_a_path_lead_nowhere(page: Page, anna: httpx.Client, path: str) -> None:
    """As they stand, which clients would have taken away."""
    token = anna.headers["authorization"]
    head = (f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port(page)}", f"Authorization: {token}", "Connection: close")
    said = raw(page, "\r\n".join([*head, "", ""]))
    assert said.split(b"\r\n")[0].split()[1] == b"404" and b"NAME" not in said and b"root:" not in said


@pytest.mark.parametrize("number", ["../records.jsonl", "9", "-1", "\0", "x" * 5000, "1e0", ""])
def test_numbers_lead_through_the_queue_only(anna: httpx.Client, number: str) -> None:
    said = anna.get("/api/find", params={"number": number})
    assert said.status_code in (404, 422) and b"NAME" not in said.content


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b'{"verdict": "accept"}', 422),
        (b'{"verdict": "perhaps", "revision": 0, "sha256": ""}', 422),
        (b'{"verdict": "accept", "revision": NaN, "sha256": ""}', 422),
        (b'{"verdict": "accept", "revision": 0, "sha256": "", "sha256": ""}', 422),
        (b'{"verdict": "accept", "revision": 0, "sha256": "", "more": 1}', 422),
        (b"[" * 100_000, 422),
        (b"\xff\xfe", 422),
        (b"x" * (2**20 + 1), 413),
    ],
)
def test_what_is_no_decision_is_refused(anna: httpx.Client, room: ReviewRoom, body: bytes, status: int) -> None:
    said = anna.post("/api/items/0/decision", content=body)
    assert said.status_code == status and read_decisions(room.journal.path) == []


def test_ten_megabytes_of_marks_are_refused(anna: httpx.Client, room: ReviewRoom) -> None:
    """Which would be a decision, were it not for their number: the server goes on."""
    item = anna.get("/api/items/0").json()
    marks = [{"label": "ulcer", "box": [1.0, 1.0, 9.0, 9.0], "polygon": [[1.5, 2.5]] * 50_000}] * 20
    said = {"verdict": "edit", "revision": 0, "sha256": item["sha256"], "marks": marks}
    body = json.dumps(said).encode()
    assert len(body) > 10 * 2**20
    assert anna.post("/api/items/0/decision", content=body).status_code == 413
    assert read_decisions(room.journal.path) == [] and anna.get("/api/session").status_code == 200


def test_a_body_that_is_longer_than_it_says_is_cut_off(page: Page, anna: httpx.Client) -> None:
    """In pieces, without a length: the server stops reading at its bound."""

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 2**16

    assert anna.post("/api/items/0/decision", content=pieces()).status_code == 413
    assert anna.get("/api/session").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_other_methods_do_nothing(anna: httpx.Client, method: str) -> None:
    assert anna.request(method, "/api/session").status_code == 405


whole = st.integers() | st.sampled_from([10**18, 2**63, 10**30, -(10**30), 10**99, 10**400])
asked = st.dictionaries(
    st.sampled_from(["start", "count", "which", "number", "back", "ahead"]), st.text(max_size=8) | whole, max_size=3
)
told = st.recursive(st.none() | st.booleans() | whole | st.text(max_size=5), st.lists, max_leaves=5)
of_decision = st.fixed_dictionaries(
    {"verdict": st.sampled_from(["accept", "edit", "withdraw"]), "revision": whole, "sha256": st.just("SHA256")},
    optional={
        "severity": whole,
        "lead_time": whole | st.floats(allow_nan=False, allow_infinity=False),
        "marks": st.lists(
            st.fixed_dictionaries({"label": st.text(max_size=2), "finding": whole, "box": st.just([1, 1, 10**99, 2])}),
            max_size=2,
        ),
    },
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["queue", "find", "items/NUMBER", *(f"items/NUMBER/{of}" for of in PARTS)]),
    number=st.just(0) | whole,
    method=st.sampled_from(["GET", "POST", "PUT"]),
    query=asked,
    body=told | of_decision,
)
def test_nothing_makes_it_fail(
    anna: httpx.Client, path: str, number: int, method: str, query: dict[str, Any], body: Any
) -> None:
    """Whatever is asked, it is answered in words, and never by a failure of the server."""
    content = json.dumps(body).replace("SHA256", anna.get("/api/items/0").json()["sha256"]).encode()
    said = anna.request(method, f"/api/{path.replace('NUMBER', str(number))}", params=query, content=content)
    assert said.status_code < 500, said.text


def test_who_saw_and_did_what_is_in_the_audit_log(tmp_path: Path) -> None:
    config = ReviewOptions(what=write_records(tmp_path, 2), out=tmp_path / "r.jsonl", reviewers=("anna",), order="file")
    with opened(config) as room, served(room) as shown, shown.client() as client:
        item = client.get("/api/items/0").json()
        client.get("/api/items/0/image")
        client.get("/api/items/1?ahead=true")
        client.get("/api/items/1/image?ahead=true")
        assert client.post("/api/items/1/image/shown", json={}).status_code == 200
        assert client.post("/api/items/2/image/shown", json={}).status_code == 404
        said = {"verdict": "reject", "revision": 0, "sha256": item["sha256"], "reasons": ["wrong-finding"]}
        assert client.post("/api/items/0/decision", json=said).status_code == 200
    rows = [json.loads(line) for line in audit_of(tmp_path / "r.jsonl").read_text().splitlines()]
    told = [(row["reviewer"], row["action"], row["item"], row.get("what")) for row in rows]
    assert told[:5] == [
        ("anna", "saw", "r0", "its texts and marks"),
        ("anna", "saw", "r0", "its image"),
        ("anna", "sent ahead", "r1", "its texts and marks"),
        ("anna", "sent ahead", "r1", "its image"),
        ("anna", "saw", "r1", "its image"),
    ]
    assert rows[5]["action"] == "decided" and rows[5]["decision"]["reasons"] == ["wrong-finding"]
    assert all(row["time"] for row in rows)


def test_two_readers_decide_at_once_each_about_what_stood_before_them(tmp_path: Path) -> None:
    """Both call the left side better, of 12 pairs whose sides stand in an order of its own for each of them."""
    config = ReviewOptions(
        what=write_pairs(tmp_path, 12), records=write_records(tmp_path, 1), out=tmp_path / "r.jsonl",
        reviewers=("anna", "ben"), readings=2, blind=True, order="file",
    )  # fmt: skip
    lefts: dict[str, list[str]] = {}

    def read(who: str, start: threading.Barrier, shown: Page) -> None:
        with shown.client(who) as client:
            start.wait(10)
            for number in range(12):
                item = client.get(f"/api/items/{number}").json()
                text = next(text["text"] for text in item["texts"] if text["field"] == "left")
                lefts.setdefault(who, []).append({"yes": "chosen", "no": "rejected"}[text.split()[0]])
                said = {"verdict": "accept", "revision": 0, "sha256": item["sha256"], "preferred": "left"}
                assert client.post(f"/api/items/{number}/decision", json=said).status_code == 200

    with opened(config) as room, served(room) as shown, ThreadPoolExecutor(2) as both:
        start = threading.Barrier(2)
        for done in [both.submit(read, who, start, shown) for who in config.reviewers]:
            done.result()
    assert lefts["anna"] != lefts["ben"]
    kept = read_decisions(tmp_path / "r.jsonl")
    for who, left in lefts.items():
        assert [(d.item, d.preferred) for d in kept if d.reviewer == who] == [
            (f"p{n}", side) for n, side in enumerate(left)
        ]
    verify(audit_of(tmp_path / "r.jsonl"))


def test_names_and_dates_of_dicom_are_in_no_answer(tmp_path: Path) -> None:
    """Nor in what is written beside: the page gets samples and geometry."""
    import numpy as np

    dicom(
        tmp_path / "a.dcm", np.zeros((8, 8), np.uint16), PatientName="Doe^Jane", PatientID="ID-4711",
        PatientBirthDate="19700102", StudyDate="20200304", InstitutionName="Saint Elsewhere", AccessionNumber="A-99",
    )  # fmt: skip
    write_jsonl(tmp_path / "records.jsonl", [Record("r0", "a.dcm", 8, 8)])
    config = ReviewOptions(what=tmp_path / "records.jsonl", out=tmp_path / "r.jsonl", reviewers=("anna",))
    with opened(config) as room, served(room) as shown, shown.client() as client:
        said = b"".join(client.get(path).content for path in ASKED)
        item = client.get("/api/items/0").json()
        client.post("/api/items/0/decision", json={"verdict": "accept", "revision": 0, "sha256": item["sha256"]})
    written = b"".join(file.read_bytes() for file in tmp_path.glob("r.jsonl*"))
    for name in (b"Doe", b"Jane", b"ID-4711", b"19700102", b"20200304", b"Elsewhere", b"A-99"):
        assert name not in said + written


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text)


@contextmanager
def closed_to_names(folder: Path, identifiers: bool = False) -> Iterator[tuple[ReviewRoom, httpx.Client]]:
    """Five records of which the image of the first is missing and that of the second is cut off."""
    records = write_records(folder)
    (folder / "0.png").unlink()
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:60])
    config = ReviewOptions(
        what=records, out=folder / "NAME.jsonl", reviewers=("anna",), order="file", show_identifiers=identifiers
    )
    with opened(config) as room, served(room) as shown, shown.client() as client:
        yield room, client


@pytest.mark.parametrize("identifiers", [False, True])
def test_errors_of_files_are_told_without_their_names(
    tmp_path: Path, identifiers: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page learns what is wrong, the terminal all of it; with --show-identifiers the page does too."""
    folder = tmp_path / "NAME"
    folder.mkdir()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "NAME")

    with closed_to_names(folder, identifiers) as (room, client):
        sha256 = client.get("/api/items/2").json()["sha256"]
        asked = [client.get(f"/api/items/{number}/image") for number in (0, 1)]
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            decision = {"verdict": "accept", "revision": 0, "sha256": sha256}
            asked.append(client.post("/api/items/2/decision", json=decision))
        records = room.items.path
        records.write_text(records.read_text().replace("r3", "x3"))
        asked.append(client.get("/api/items/3"))
    words = ("no such file", "decoding failed", "the disk is full", "as it was")
    terminal = capsys.readouterr().err
    assert [said.status_code for said in asked] == [422, 422, 507, 422] and terminal.count(str(folder)) == 4
    for said, word in zip(asked, words, strict=True):
        assert (str(folder) in said.json()["error"]) is identifiers
        assert identifiers or (word in said.json()["error"] and not {"NAME", "r3", "png"} & set(words_of(said.text)))


def test_what_a_library_says_of_an_image_is_not_told() -> None:
    with (
        pytest.raises(ImageError, match=r"a.dcm: reading failed \(ValueError: Doe") as told,
        reported("a.dcm", "reading"),
    ):
        raise ValueError("Doe^Jane")
    assert wording.plain(told.value) == "reading failed; replace the file or leave it out"
    assert wording.plain(ImageError("a.dcm: of Doe")) == "the image cannot be read; the terminal says why"


@pytest.mark.parametrize("identifiers", [False, True])
def test_ids_are_in_no_answer_to_a_decision(tmp_path: Path, identifiers: bool) -> None:
    """Neither in that it was saved, nor that it came too late, nor in what is shown of it later."""
    with closed_to_names(tmp_path, identifiers) as (_, client):
        said = {"verdict": "accept", "revision": 0, "sha256": client.get("/api/items/2").json()["sha256"]}
        answers = [client.post("/api/items/2/decision", json=said | {"comment": f"{n}"}) for n in range(2)]
        answers.append(client.get("/api/items/2"))
    assert [answer.status_code for answer in answers] == [200, 409, 200]
    for answer in answers:
        assert answer.json()["decision"]["verdict"] == "accept" and answer.json()["decision"]["comment"] == "0"
        assert ("r2" in words_of(answer.text)) is identifiers is ("item" in answer.json()["decision"])


def test_what_nobody_foresaw_is_told_by_its_place_and_not_by_its_words(
    room: ReviewRoom, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise KeyError("Doe^Jane")

    monkeypatch.setattr(ReviewRoom, "session", failing)
    with served(room) as shown, shown.client() as client:
        said = client.get("/api/session")
    assert said.status_code == 500 and server.HEADERS.items() <= dict(said.headers).items()
    terminal = "".join(capsys.readouterr())
    assert "KeyError" in terminal and "in failing" in terminal and "Doe" not in terminal + said.text


def test_an_address_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(WriteError, match="name another --port"):
        server.Served(server.application("review"), ("anna",), "127.0.0.1", taken.getsockname()[1])


def test_the_page_names_nothing_outside() -> None:
    """No address of another origin in any of its files; the two that begin so are names, which nobody fetches."""
    for name, (_, content) in server.static().items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text and "//cdn" not in text, name
        assert ".innerHTML" not in text and "eval(" not in text and "document.write" not in text, name
