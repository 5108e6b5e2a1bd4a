"""The room in which models are tried: images in memory, questions as everywhere else, answers as they come."""

from __future__ import annotations

import base64
import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.images import dicom
from tests.helpers.pages import Page, tried, write_records
from tests.helpers.stub import Stub, stub
from unveil.core.box_formats import mark
from unveil.core.geometry import Box
from unveil.evaluate.ask import ask
from unveil.gate import GateError
from unveil.review import trying
from unveil.review.held import Held, HeldImage
from unveil.review.options import TryOptions
from unveil.review.server import Unknown
from unveil.review.try_room import SentPlaces, SentQuestion, TryRoom
from unveil.vlm.listening import Stopped

PLACE: Box = (10.0, 8.0, 30.0, 28.0)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(tmp_path_factory.mktemp("records"), 3)


@pytest.fixture(scope="module")
def room(tiny_folder: Path, records: Path) -> Iterator[TryRoom]:
    how = TryOptions(model=str(tiny_folder), beside=str(tiny_folder), records=records, max_new_tokens=24)
    with trying.opened(how) as room:
        yield room


@pytest.fixture(scope="module")
def page(room: TryRoom) -> Iterator[Page]:
    with tried(room) as page:
        yield page


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def told(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_answer_comes_token_by_token_and_is_that_of_ask(page: Page, room: TryRoom, records: Path) -> None:
    with page.client() as client:
        taken = client.post("/api/records/1").json()
        assert (taken["name"], taken["width"], taken["height"]) == ("item 2", 64, 48)
        assert [mark["box"] for mark in taken["marks"]] == [list(PLACE)]
        *heard, last = told(
            client.post("/api/answers", json={"image": taken["image"], "model": 0, "kind": "diagnosis"}).text
        )
    engine = room.models[0].engine  # type: ignore[attr-defined]
    alone = ask(engine, records.parent / "1.png", max_new_tokens=24)
    assert last["answer"]["text"] == alone.text == heard[-1]["text"]
    assert len(heard) >= 2 and all(alone.text.startswith(line["text"][:5]) for line in heard)
    assert last["answer"]["cut"] == alone.cut
    looked = last["answer"]["map"]
    assert len(looked["values"]) == looked["width"] * looked["height"] and 0 <= looked["mass"] <= 1


def test_a_place_is_hidden_with_noise_there_and_nowhere_else(room: TryRoom) -> None:
    number = room.take(0)["image"]
    hidden = room.hide(SentPlaces(number, (PLACE,)))
    before, after = room.held.get(number).rgb, room.held.get(hidden["image"]).rgb
    changed = (before != after).any(2)
    assert changed[8:28, 10:30].mean() > 0.9
    changed[8:28, 10:30] = False
    assert not changed.any()


def test_questions_are_worded_as_those_that_models_learn(room: TryRoom) -> None:
    number = room.take(0)["image"]
    asked = {
        "localisation": ({"about": "ulcer"}, "Where is the ulcer?", "ulcer"),
        "recognition": ({"place": PLACE}, f"What is in this region: {mark(PLACE)}?", mark(PLACE)),
        "report": ({"about": "findings"}, "Write the findings of a report for this image.", "findings"),
    }  # fmt: skip
    for kind, (more, question, target) in asked.items():
        made = room.question(SentQuestion(number, 0, kind=kind, **more))  # type: ignore[arg-type]
        assert (made.kind, made.question, made.target) == (kind, question, target)
    own = room.question(SentQuestion(number, 0, question=" Where is the ulcer? "))
    assert (own.kind, own.target) == ("localisation", "ulcer")


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"question": "  "}, "what is to be asked"),
        ({"question": "x" * 5000}, "characters"),
        ({"kind": "localisation"}, "which name"),
        ({"kind": "recognition"}, "which place"),
        ({"kind": "recognition", "place": [30, 30, 10, 10]}, "box"),
        ({"kind": "report", "about": "poem"}, "part"),
        ({"kind": "closed"}, "own words"),
        ({"kind": "nonsense"}, "kind"),
        ({"image": 10**6, "question": "?"}, "held no longer"),
        ({"image": 10**30, "question": "?"}, "held no longer"),
        ({"model": "one"}, "model"),
    ],
)
def test_what_cannot_be_asked_is_told_before_a_model_is(page: Page, sent: dict[str, Any], words: str) -> None:
    with page.client() as client:
        number = client.post("/api/records/0").json()["image"]
        answer = client.post("/api/answers", json={"image": number, "model": 0} | sent)
    assert answer.status_code in (404, 422) and words in answer.json()["error"]


def test_a_model_that_is_not_there_and_a_question_with_its_image_token_are_told(page: Page) -> None:
    with page.client() as client:
        number = client.post("/api/records/0").json()["image"]
        for sent, words in (
            ({"model": 7, "question": "?"}, "no such model"),
            ({"model": 0, "question": "a <image> b"}, "image token"),
        ):
            [only] = told(client.post("/api/answers", json={"image": number} | sent).text)
            assert words in only["error"]


def test_an_image_that_is_handed_in_is_in_memory_alone(page: Page, tmp_path: Path) -> None:
    values = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    dicom(tmp_path / "a.dcm", values, PatientName="Doe^Jane", StudyDate="20200304")
    with page.client() as client:
        taken = client.post("/api/images", content=(tmp_path / "a.dcm").read_bytes()).json()
        shown = client.get(f"/api/images/{taken['image']}").content
        head, _, samples = shown.partition(b"\n")
        assert json.loads(head)["kind"] == "int16" and samples == values.tobytes()
        assert b"Doe" not in shown and b"20200304" not in shown
        assert client.post("/api/images", content=b"nothing").status_code == 422
        assert client.post("/api/images", content=png(values.astype(np.uint8))).json()["width"] == 64


def test_records_are_numbered_and_nothing_of_a_path_or_an_id_is_told(page: Page) -> None:
    with page.client() as client:
        listed = client.get("/api/records?start=1&count=5")
        assert [one["name"] for one in listed.json()["records"]] == ["item 2", "item 3"]
        assert "NAME" not in listed.text and "r1" not in listed.text
        for number in ("3", "-1", str(10**30), "x"):
            assert client.post(f"/api/records/{number}").status_code in (404, 422)


def test_whoever_does_not_listen_any_more_ends_the_answer(room: TryRoom) -> None:
    heard = []

    def hear(text: str) -> None:
        heard.append(text)
        raise Stopped

    number = room.take(0)["image"]
    with pytest.raises(Stopped):
        room.answer(SentQuestion(number, 0, kind="diagnosis"), hear)
    assert len(heard) == 1
    whole: list[str] = []
    assert room.answer(SentQuestion(number, 0, kind="diagnosis"), whole.append)["text"] == whole[-1]


def test_the_images_used_longest_ago_are_forgotten() -> None:
    held = Held(most=100)
    small = HeldImage(b"x" * 30, np.zeros((1, 1, 3), np.uint8))
    first, second, third = (held.put(small) for _ in range(3))
    held.get(first)
    held.put(small)
    assert held.get(first) and held.get(third)
    with pytest.raises(Unknown, match="hand it in again"):
        held.get(second)


# ------------------------------------------------------------------------------------------------------------- servers


SAID = "Detection: abnormal. Localisation: [10, 8, 30, 28]. Recognition: ulcer."


@pytest.mark.parametrize("streams", [True, False])
def test_a_server_is_asked_as_an_expert_is_and_heard_while_it_writes(
    tmp_path: Path, records: Path, streams: bool
) -> None:
    with stub(say=lambda *_: SAID, streams=streams) as server:
        how = TryOptions(model=server.address, records=records, out=tmp_path / "sent")
        with trying.opened(how) as room:
            heard: list[str] = []
            said = room.answer(SentQuestion(room.take(0)["image"], 0, kind="diagnosis"), heard.append)
    assert (room.models[0].name, room.models[0].host) == ("model", f"127.0.0.1:{server.port}")
    assert [(mark["label"], mark["box"], mark["confidence"]) for mark in said["marks"]] == [("ulcer", PLACE, None)]
    assert said["readable"] and said["no_map"]
    assert len(heard) == (len(SAID.split()) if streams else 1) and heard[-1] == SAID
    sent = json.loads(server.bodies[-1])
    written = [json.loads(line) for line in (tmp_path / "sent" / "manifest.jsonl").read_text().splitlines()]
    assert sent["stream"] and written[-1]["body"]["stream"]
    assert "r0" not in (tmp_path / "sent" / "manifest.jsonl").read_text()


def test_an_image_that_is_in_no_file_goes_to_a_server_as_it_is_shown(tmp_path: Path) -> None:
    with stub() as server, trying.opened(TryOptions(model=server.address, out=tmp_path)) as room:
        number = room.hand_in(png(np.full((16, 16), 7, np.uint8)))["image"]
        hidden = room.hide(SentPlaces(number, ((2, 2, 9, 9),)))["image"]
        for shown in (number, hidden):
            room.answer(SentQuestion(shown, 0, question="Is it?"), lambda _: None)
            url = json.loads(server.bodies[-1])["messages"][-1]["content"][0]["image_url"]["url"]
            arrived = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))
            assert np.array_equal(arrived, room.held.get(shown).rgb)


def test_the_gate_knows_the_patients_of_the_records_whoever_named_the_model(
    tmp_path: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server is reached twice where it is asked for its models first."""
    noticed: list[int] = []
    real = trying.connect

    def reached(*args: Any, **how: Any) -> Any:
        noticed.append(len(list(how["records"])))
        return real(*args, **how)

    monkeypatch.setattr(trying, "connect", reached)
    with stub() as server:
        how = TryOptions(model=server.address, records=records, allow_remote=True, out=tmp_path)
        with trying.opened(how):
            assert noticed == [3, 3]


def test_a_reply_that_breaks_off_is_told_as_such(tmp_path: Path) -> None:
    with (
        stub(say=lambda *_: "Yes, it …") as server,
        trying.opened(TryOptions(model=server.address, out=tmp_path)) as room,
    ):
        number = room.hand_in(png(np.zeros((8, 8), np.uint8)))["image"]
        with pytest.raises(trying.Refused, match="broke off"):
            room.answer(SentQuestion(number, 0, question="Is it?"), lambda _: None)


def test_two_models_of_one_server_are_asked_side_by_side(tmp_path: Path) -> None:
    with stub(models=("a", "b")) as server:
        with trying.opened(TryOptions(model=server.address, server_model=("a", "b"), out=tmp_path)) as room:
            assert [model.name for model in room.models] == ["a", "b"]
        with (
            pytest.raises(ValueError, match="several models"),
            trying.opened(TryOptions(model=server.address, out=tmp_path)),
        ):
            pass


def test_another_machine_is_asked_nothing_without_leave_and_never_about_an_image_of_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with pytest.raises(GateError, match="another machine"), trying.opened(TryOptions(model="http://far.example/v1")):
        pass
    far = TryOptions(model="http://far.example/v1", server_model=("m",), allow_remote=True, dry_run=True, out=tmp_path)
    with trying.opened(far) as room:
        number = room.hand_in(png(np.zeros((8, 8), np.uint8)))["image"]
        with pytest.raises(GateError, match="record is not known"):
            room.answer(SentQuestion(number, 0, question="Is it?"), lambda _: None)
    assert not (tmp_path / "manifest.jsonl").exists()


def asked_within(seconds: float, server: Stub) -> bool:
    until = time.monotonic() + seconds
    while not server.bodies and time.monotonic() < until:
        time.sleep(0.02)
    return bool(server.bodies)


def test_ctrl_c_ends_the_page_while_a_server_keeps_it_waiting(tmp_path: Path) -> None:
    go = threading.Event()

    def say(*_: Any) -> str:
        go.wait(60)
        return "Yes."

    with stub(say=say) as server:
        command = [sys.executable, "-m", "unveil", "try", server.address, "--no-browser", "--out", str(tmp_path)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            try:
                address = next(line for line in process.stderr if "#token=" in line).strip()
                with Page({"you": address}).client() as client:
                    number = client.post("/api/images", content=png(np.zeros((8, 8), np.uint8))).json()["image"]
                    asked = {"image": number, "model": 0, "question": "Is it?"}
                    with client.stream("POST", "/api/answers", json=asked) as answer:
                        assert answer.status_code == 200
                        assert asked_within(20, server)
                        process.send_signal(signal.SIGINT)
                        assert process.wait(20) == 0
            finally:
                process.kill()
                go.set()
