"""The picture of the way: what it shows is what the commands do."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from scripts import way


def test_the_picture_is_the_one_that_would_be_drawn() -> None:
    assert way.PICTURE.read_text() == way.picture()


def test_every_box_and_every_command_is_drawn() -> None:
    root = ElementTree.fromstring(way.picture())
    said = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(filter(None, said)) == sorted(
        [*(title for title, _, _ in way.FILES.values()), *(s.command for s in way.STEPS), "report"]
    )


def test_a_step_that_no_command_takes_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "STEPS", (replace(way.STEPS[0], option="pairs"),))
    with pytest.raises(ValueError, match="unveil ingest has no --pairs"):
        way.picture()
