"""Which data sets may leave: what was said of them, what they are known by, and all of them looked at first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import draw
from tests.helpers.nobody import NOBODY
from tests.helpers.stub import Stub, stub
from unveil.core.jsonl import from_json, to_json
from unveil.core.records import Record, Source
from unveil.experts.options import ExpertOptions, bind
from unveil.experts.requests import Request, Turn
from unveil.gate import GateError, address, sources
from unveil.synthetic import dataset

OPEN = Source("drawn", licence="CC0-1.0", access="open")


def record(name: str = "drawn/a", **known: Any) -> Record:
    return Record(name, "a.png", 48, 32, source=replace(OPEN, **known))


# ---------------------------------------------------------------------------------------------------- what was said


@pytest.mark.parametrize("licence", [None, "", "  ", "\t", "unknown", "Unknown ", "N/A", "none", "-"])
def test_an_empty_licence_is_unknown(licence: str | None) -> None:
    assert "the licence of drawn is not known" in str(sources.fault(record(licence=licence)))


def test_who_may_see_the_data_must_have_been_said() -> None:
    assert sources.fault(record()) is None
    assert "nobody has said who may see drawn" in str(sources.fault(record(access=None)))
    assert "drawn is dua data" in str(sources.fault(record(access="dua")))
    assert "drawn is credentialed data" in str(sources.fault(record(access="credentialed", licence=None)))
    assert "its record is not known" in str(sources.fault(None))


def test_records_of_before_can_be_read_and_have_said_nothing() -> None:
    """They left out that access was open, as they did where nobody had said so."""
    old = {"id": "a", "image": "a.png", "width": 4, "height": 4, "source": {"dataset": "d", "licence": "CC0-1.0"}}
    found = from_json(Record, old)
    assert found.source.access is None and to_json(found) == old
    said = to_json(replace(found, source=replace(found.source, access="open")))
    assert said["source"]["access"] == "open" and from_json(Record, said).source.access == "open"


def test_drawn_images_are_open_by_themselves(tmp_path: Path) -> None:
    one = next(iter(dataset.synthetic_records(tmp_path, patients=3, seed=1, size=64, workers=1)))
    assert one.source.access == "open" and sources.fault(one) is None


# ----------------------------------------------------------------------------------------- what it is known to be of


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({"dataset": "MIMIC-CXR-JPG"}, "MIMIC"),
        ({"dataset": "mimic_cxr_jpg_2.1.0"}, "MIMIC"),
        ({"dataset": "MIMIC"}, "MIMIC"),
        ({"dataset": "MIMIC-IV"}, "MIMIC"),
        ({"dataset": "mimic-ext-mimic-cxr-vqa"}, "MIMIC"),
        ({"dataset": "chests", "file": "mimic-cxr/p10/x.jpg"}, "MIMIC"),
        ({"dataset": "chests", "file": "files/p10/p10000032/s50414267/0a.jpg"}, "MIMIC"),
        ({"dataset": "MS-CXR"}, "MS-CXR"),
        ({"dataset": "VinDr-CXR"}, "VinDr"),
        ({"dataset": "vindr_mammo"}, "VinDr"),
        ({"dataset": "vinbigdata-chest-xray-abnormalities-detection"}, "VinDr"),
        ({"dataset": "PadChest-GR"}, "PadChest"),
        ({"dataset": "BIMCV-PadChest"}, "PadChest"),
        ({"dataset": "CheXpert-v1.0-small"}, "CheXpert"),
        ({"dataset": "chests", "file": "CheXpert-v1.0/train/patient1/view1.jpg"}, "CheXpert"),
        ({"dataset": "eICU-CRD"}, "eICU"),
        ({"dataset": "mBRSET"}, "BRSET"),
        ({"dataset": "EchoNet-Dynamic"}, "EchoNet"),
        ({"dataset": "UKBiobank"}, "UK Biobank"),
        ({"dataset": "ADNI"}, "ADNI"),
        ({"licence": "PhysioNet Credentialed Health Data License 1.5.0"}, "a PhysioNet data set"),
    ],
    ids=str,
)
def test_sets_under_an_agreement_are_known_by_name_whatever_is_said(known: dict[str, Any], name: str) -> None:
    assert f"goes by the name of {name}, which is known" in str(sources.fault(record(**known)))


@pytest.mark.parametrize("licence", ["DUA", "custom data use agreement", "Stanford Research Use Agreement"])
def test_a_licence_that_is_an_agreement_is_none(licence: str) -> None:
    assert "speaks of an agreement" in str(sources.fault(record(licence=licence)))


@pytest.mark.parametrize(
    "known",
    [
        {"dataset": "stroke-mimics"},
        {"dataset": "chests", "file": "tumour_mimic/01.png"},
        {"dataset": "SLAKE"},
        {"dataset": "VQA-RAD"},
        {"dataset": "Kvasir-SEG"},
        {"dataset": "oasis-clinic"},
        {"dataset": "chests", "file": "p1/p10/s5/x.png"},
        {"dataset": "echonetwork"},
        {"licence": "CC BY-NC-SA 4.0"},
    ],
    ids=str,
)
def test_other_names_are_no_agreement(known: dict[str, Any]) -> None:
    assert sources.fault(record(**known)) is None


# ------------------------------------------------------------------------------------------------ all of them first


def questions(records: list[Record | None]) -> list[Request]:
    return [Request(f"q{n}", "t", (Turn("user", f"Part {n}?"),), record=r) for n, r in enumerate(records)]


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server that counts as another machine."""
    monkeypatch.setattr(address, "is_here", lambda host: False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SOME_KEY", "sk-s3cret-0815")
    with stub() as running:
        yield running


def bound(server: Stub, out: Path, **more: Any) -> Any:
    chosen: dict[str, Any] = {
        "expert": server.address,
        "expert_model": "m",
        "allow_remote": True,
        "key_variable": "SOME_KEY",
    }
    return bind(ExpertOptions(**{**chosen, "names": NOBODY, "retries": 0} | more), out)


def test_all_records_are_looked_at_before_the_first_request_leaves(far: Stub, tmp_path: Path) -> None:
    """Seven of eight may leave; the last one is of a set that must not. Two questions on one image are one record."""
    fine = [record(f"drawn/{n}") for n in range(7)]
    closed = Record("closed/1", "b.png", 9, 9, source=Source("closed", licence="x", access="credentialed"))
    with pytest.raises(
        GateError, match=r"q8: closed is credentialed data.*\(1 of 8 records must not leave, so nothing"
    ):
        list(bound(far, tmp_path / "out").answer(questions([fine[0], *fine, closed])))
    assert far.bodies == [] and not (tmp_path / "manifest.jsonl").exists()
    assert len(list(bound(far, tmp_path / "out").answer(questions([*fine])))) == 7 == len(far.bodies)


def test_a_dry_run_looks_at_all_of_them_too(far: Stub, tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"q1: its record is not known.*1 of 2 records"):
        list(bound(far, tmp_path / "out", dry_run=True).answer(questions([record(), None])))
    assert not (tmp_path / "manifest.jsonl").exists()


def test_texts_are_looked_at_first_as_well_and_it_is_said_how_many_stay(
    far: Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = questions([record()] * 3)
    asked[2] = replace(asked[2], turns=(Turn("user", "Call Dr. Weiss."),))
    replies = {reply.id: reply for reply in bound(far, tmp_path / "out").answer(asked)}
    assert len(far.bodies) == 2 and "(name)" in str(replies["q2"].error)
    said = " ".join(capsys.readouterr().err.split())
    assert "the gate holds back 1 of 3 requests, of which none has been sent yet: 1 x not sent" in said


def test_this_machine_is_asked_as_requests_come(tmp_path: Path) -> None:
    """Nothing is looked at, so nothing is gathered: the second request is made when the first is answered."""
    with stub() as here:
        expert = bind(ExpertOptions(expert=here.address, expert_model="m", concurrency=1), tmp_path / "out")
        for number, _ in enumerate(expert.answer(iter(questions([None, None])))):
            assert len(here.bodies) in (number + 1, number + 2)


def test_only_one_place_asks_a_backend() -> None:
    """``Expert.answer`` looks over what it is given; nobody asks a backend past it."""
    package = Path(sources.__file__).parents[1]
    callers = [p for p in package.rglob("*.py") if "backend.ask(" in p.read_text() or ".looked_over(" in p.read_text()]
    assert sorted(p.name for p in callers) == ["endpoint.py", "expert.py"]
    texts = {p.name: p.read_text() for p in callers}
    assert texts["expert.py"].count("backend.ask(") == texts["expert.py"].count("backend.looked_over(") == 1
    assert "backend.ask(" not in texts["endpoint.py"]


def test_the_run_says_which_image_it_was_about(far: Stub, tmp_path: Path) -> None:
    draw(tmp_path / "a.png", (48, 32), 0)
    list(bound(far, tmp_path / "out").answer(questions([record()])))
    line = json.loads((tmp_path / "manifest.jsonl").read_text().splitlines()[1])
    assert (line["access"], line["licence"]) == ("open", "CC0-1.0")
