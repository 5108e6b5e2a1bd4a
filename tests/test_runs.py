"""What the page of runs is told, asked as a browser asks: logs, samples, reports, and how a run is asked to stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.helpers.runs import about, answered, drew, finished, write, write_log
from unveil.core import making, provenance
from unveil.review import runs, server
from unveil.review.options import RunsOptions


@contextmanager
def page(root: Path, **more: Any) -> Iterator[TestClient]:
    config = RunsOptions(folder=root, user="anna", **more)
    with runs.opened(config) as room:
        app = server.application("runs")
        runs.routes(app, room)
        guard = server.Guard(app, {"anna": "secret"}, {}, frozenset({"testserver"}))
        yield TestClient(guard, headers={"authorization": "Bearer secret"}, raise_server_exceptions=False)


@contextmanager
def under_way(folder: Path) -> Iterator[None]:
    made_by = make_dataclass("Made", {"out": Path}, namespace={"restart": False})(folder)
    with provenance.output(folder, "train sft", made_by, [], ("model",)):
        write_log(folder, [2.0])
        yield


def get(client: TestClient, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def number(client: TestClient, name: str) -> int:
    return next(row["number"] for row in get(client, "/api/runs")["rows"] if row["name"] == name)


def test_nothing_is_told_without_the_token(tmp_path: Path) -> None:
    finished(tmp_path / "one")
    with page(tmp_path) as client:
        assert get(client, "/api/session")["folder"] == tmp_path.name
        client.headers.pop("authorization")
        for path in ("/api/session", "/api/runs", "/api/runs/0/log", "/api/runs/0/scores", "/api/runs/0/sources"):
            assert client.get(path).status_code == 401
        assert [client.post(f"/api/runs/0/{what}").status_code for what in ("stop", "report")] == [401, 401]


def test_a_log_by_its_model(tmp_path: Path) -> None:
    finished(tmp_path / "one")
    with page(tmp_path) as client:
        found = get(client, "/api/runs") and get(client, "/api/runs/0/log", part="sft")
        assert [step for step, _ in found["rows"]] == [1, 2, 3]
        write_log(tmp_path / "one" / "sft", [1.0], start=4)
        more = get(client, "/api/runs/0/log", part="sft", start=found["next"], mark=found["mark"])
        assert more["rows"] == [[4, {"loss": 1.0}]]


@pytest.mark.parametrize("part", ["base", "..", "../../other/sft", "/etc", "sft/../sft", "sft\0"])
def test_no_path_of_a_request_is_opened(part: str, tmp_path: Path) -> None:
    """Models and files are named as the page was told them, and no otherwise."""
    finished(tmp_path / "other")
    with page(finished(tmp_path / "runs" / "one").parent) as client:
        get(client, "/api/runs")
        assert client.get("/api/runs/0/log", params={"part": part}).status_code == 404
        wanted = {"source": f"{part}/validation.jsonl"}
        assert client.get("/api/runs/0/samples", params=wanted).status_code == 404
        assert client.get("/api/runs/7/log", params={"part": "sft"}).status_code == 404


def test_all_figures_of_a_run(tmp_path: Path) -> None:
    finished(tmp_path / "one")
    write(finished(tmp_path / "two") / "scores.json", "{")
    with page(tmp_path) as client:
        get(client, "/api/runs")
        assert get(client, "/api/runs/0/scores")["sft"]["accuracy"]["value"] == 0.5
        refused = client.get("/api/runs/1/scores")
        assert refused.status_code == 422 and refused.json()["error"].startswith("scores.json cannot be read: not JSON")


# -------------------------------------------------------------------------------------------------------------- samples


def test_answers_with_the_true_places_and_those_of_the_model(tmp_path: Path) -> None:
    """In pixels: the ulcers are in [10, 8, 30, 28], the second answer says [40, 8, 60, 28]. Items have numbers."""
    finished(answered(tmp_path / "one"))
    with page(tmp_path) as client:
        get(client, "/api/runs")
        [source] = get(client, "/api/runs/0/sources")
        assert (source["key"], source["title"]) == ("sft/validation.jsonl", "validation")
        found = get(client, "/api/runs/0/samples", source=source["key"], start=1)
        assert (found["total"], found["start"]) == (2, 1)
        [row] = found["rows"]
        assert [mark["box"] for mark in row["truth"]] == [[10.0, 8.0, 30.0, 28.0]]
        assert [(mark["label"], mark["box"]) for mark in row["said"]] == [("ulcer", [40.0, 8.0, 60.0, 28.0])]
        assert row["texts"][1] == {"title": "Answer", "text": "At <box 40.00 8.00 60.00 28.00>."}
        assert row["name"] == "item 2" and "NAME" not in json.dumps(found) and "r1" not in json.dumps(found)
        image = client.get("/api/runs/0/image", params={"source": source["key"], "sample": 1})
        head, _, samples = image.content.partition(b"\n")
        assert (json.loads(head)["width"], samples) == (64, bytes([1]) * 64 * 48)
        assert client.get("/api/runs/0/image", params={"source": source["key"], "sample": 2}).status_code == 404
    with page(tmp_path, show_identifiers=True) as client:
        get(client, "/api/runs")
        assert get(client, "/api/runs/0/samples", source=source["key"])["rows"][1]["record"] == "r1"


def test_images_that_lie_elsewhere_are_not_opened(tmp_path: Path) -> None:
    """By a path that leads out, and by a link."""
    one = finished(answered(tmp_path / "runs" / "one"))
    (one / "data" / "0.png").rename(tmp_path / "0.png")
    (one / "data" / "0.png").symlink_to(tmp_path / "0.png")
    asked = (one / "dialogues.jsonl").read_text().replace("data/1.png", "../../0.png")
    (one / "dialogues.jsonl").write_text(asked)
    with page(tmp_path / "runs") as client:
        get(client, "/api/runs")
        answers = [
            client.get("/api/runs/0/image", params={"source": "sft/validation.jsonl", "sample": n}) for n in range(2)
        ]
        assert [answer.status_code for answer in answers] == [422, 422]
        assert "it is a link, or lies behind one" in answers[0].json()["error"]
        assert "it lies outside of the folder that is shown" in answers[1].json()["error"]
        assert len(get(client, "/api/runs/0/samples", source="sft/validation.jsonl")["rows"]) == 2, "texts are shown"


def test_answers_that_do_not_fit_their_questions_are_told(tmp_path: Path) -> None:
    """What is wrong may name records: in detail only where identifiers are shown."""
    one = finished(answered(tmp_path / "one"))
    (one / "dialogues.jsonl").write_text((one / "dialogues.jsonl").read_text().replace('"r1/q"', '"NAME"'))
    for identifiers in (False, True):
        with page(tmp_path, show_identifiers=identifiers) as client:
            get(client, "/api/runs")
            refused = client.get("/api/runs/0/samples", params={"source": "sft/validation.jsonl"})
            assert refused.status_code == 422 and "validation.jsonl cannot be shown" in refused.json()["error"]
            assert ("r1/q" in refused.json()["error"]) is identifiers


def test_samples_that_a_training_draws(tmp_path: Path) -> None:
    """The last ones first; half a line is not there yet; a picture that lies elsewhere is not opened."""
    log = drew(finished(tmp_path / "one") / "sft", 2, 4, 6)
    with log.open("a") as file:
        file.write('{"step": 8, "pict')
    with page(tmp_path) as client:
        get(client, "/api/runs")
        [source] = get(client, "/api/runs/0/sources")
        found = get(client, "/api/runs/0/samples", source=source["key"], start=-2)
        assert [(row["number"], row["step"]) for row in found["rows"]] == [(1, 4), (2, 6)]
        assert found["rows"][1]["rewards"] == [0.25, 1.0] and "NAME" not in json.dumps(found)
        image = client.get("/api/runs/0/image", params={"source": source["key"], "sample": 2})
        assert image.content.partition(b"\n")[2] == bytes([6]) * 64 * 48
        rows = [json.loads(line) for line in log.read_text().splitlines()[:3]]
        for row, leads in zip(rows, ("../../../0.png", "/etc/hostname", "samples/../metrics.jsonl"), strict=True):
            row["picture"] = leads
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
        answers = [client.get("/api/runs/0/image", params={"source": source["key"], "sample": n}) for n in range(3)]
        assert [answer.status_code for answer in answers] == [422] * 3


# -------------------------------------------------------------------------------------------------------------- reports


def test_a_report_is_another_origin_that_may_load_nothing(tmp_path: Path) -> None:
    """By an address that cannot be guessed, since a tab of its own sends no header."""
    finished(tmp_path / "one")
    with page(tmp_path) as client:
        get(client, "/api/runs")
        path = client.post("/api/runs/0/report").json()["path"]
        client.headers.pop("authorization")
        shown = client.get(path)
        assert shown.status_code == 200 and "Report of 0.5" in shown.text
        policies = shown.headers.get_list("content-security-policy")
        assert len(policies) == 1 and policies[0].startswith("sandbox; default-src 'none'")
        assert "allow" not in policies[0] and "script" not in policies[0]
        assert shown.headers["x-content-type-options"] == "nosniff"
        for other in ("/report/", "/report/0", f"{path}x", f"{path}/../../metrics.jsonl"):
            assert client.get(other).status_code == 404
        (tmp_path / "one" / "report.html").unlink()
        (tmp_path / "one" / "report.html").symlink_to("/etc/hostname")
        assert client.get(path).status_code == 422


def test_a_run_without_a_report(tmp_path: Path) -> None:
    write(tmp_path / "one" / "run.json", about("train sft"))
    with page(tmp_path) as client:
        get(client, "/api/runs")
        assert client.post("/api/runs/0/report").status_code == 404


# ------------------------------------------------------------------------------------------------------------- stopping


def test_a_run_is_asked_to_stop_once_it_is_the_one_that_was_seen(tmp_path: Path) -> None:
    with page(tmp_path) as client:
        with under_way(tmp_path / "one"):
            [row] = get(client, "/api/runs")["rows"]
            assert row["stoppable"] and not row["asked_to_stop"]
            refused = client.post("/api/runs/0/stop", json={"began": "2020"})
            assert refused.status_code == 422 and making.asked_to_stop() == ""
            assert client.post("/api/runs/0/stop", json={"began": row["began"]}).status_code == 200
            assert making.asked_to_stop() == "anna"
        assert client.post("/api/runs/0/stop", json={"began": row["began"]}).status_code == 422
        assert not (tmp_path / "one" / ".stop.json").exists()


@pytest.mark.parametrize("sent", ["[]", "{}", '{"began": null}', "3", '{"began"'])
def test_a_request_to_stop_that_says_nothing(sent: str, tmp_path: Path) -> None:
    finished(tmp_path / "one")
    with page(tmp_path) as client:
        get(client, "/api/runs")
        assert client.post("/api/runs/0/stop", content=sent).status_code == 422
