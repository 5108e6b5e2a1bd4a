"""One question about one image."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import draw
from unveil import cli
from unveil.core.records import RecordError
from unveil.evaluate import ask
from unveil.vlm.engine import Engine


def said(monkeypatch: pytest.MonkeyPatch, text: str, cut: bool = False) -> None:
    """Lets any model say a text."""
    monkeypatch.setattr(Engine, "answer", lambda *_: [(text, cut)])


def test_boxes_of_an_answer_are_in_pixels_of_the_image(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With floats 0-1 of the image padded to a square, 128 x 64 has 32 rows above: the box
    (0.25, 0.5, 0.5, 0.75) of the square of 128 is x 32 to 64, y 64 - 32 to 96 - 32."""
    image = draw(tmp_path / "a.png", (128, 64), 1)
    said(monkeypatch, "[0.250, 0.500, 0.500, 0.750] in the lung.", cut=True)
    model = ["--model", str(tiny_folder), "--box-format", "unit-square"]
    asked = ["--image", str(image), "--question", "Where is the nodule?", "--picture", str(tmp_path / "new" / "b.png")]
    assert cli.main(["ask", *model, *asked]) == 0
    out, err = capsys.readouterr()
    assert out == "[32, 32, 64, 64] in the lung.\n"
    assert "cut at 384 tokens" in err and "128 x 64" in err and "not a medical device" in err
    marked, plain = Image.open(tmp_path / "new" / "b.png").convert("RGB"), Image.open(image).convert("RGB")
    assert marked.size == (128, 64) and marked.getpixel((32, 40)) == (255, 64, 32)
    assert marked.getpixel((10, 10)) == plain.getpixel((10, 10))


@pytest.mark.parametrize(
    ("question", "kind"),
    [("Where is the nodule?", "localisation"), ("Is anything abnormal in this image?", "detection"), ("How?", "open")],
)
def test_a_question_in_our_wording_is_asked_as_that_kind(question: str, kind: str) -> None:
    assert ask.kind_of(question) == kind


def test_a_picture_is_never_written_over(tmp_path: Path) -> None:
    image = draw(tmp_path / "a.png", (40, 40), 1)
    with pytest.raises(RecordError, match=r"a\.png is there already"):
        ask.main(ask.Config(image=image, picture=image))
    with pytest.raises(RecordError, match=r"ends in \.png"):
        ask.main(ask.Config(image=image, picture=tmp_path / "b.xyz"))


def test_the_image_is_never_the_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not with --restart either: it is the user's own."""
    image = draw(tmp_path / "a.png", (40, 40), 1)
    before = image.read_bytes()
    words = ["--image", str(image), "--picture", str(tmp_path / "." / "a.png"), "--restart"]
    assert cli.main(["ask", *words]) == 1 and image.read_bytes() == before
    assert "a.png is what --image reads: name another output" in capsys.readouterr().err


def test_an_image_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ask", "--image", str(tmp_path / "nowhere.png")]) == 1
    assert "nowhere.png" in capsys.readouterr().err
