"""One question about one image: the quickest look at what a model has learnt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from unveil.core import console, dialects, image_files, pixels
from unveil.core.box_formats import MARKUP, neutral, unmark
from unveil.core.files import whole
from unveil.core.geometry import Box
from unveil.core.records import Dialogue, Kind, RecordError
from unveil.core.wordings import QUESTIONS, asked_about
from unveil.evaluate.options import AskOptions
from unveil.vlm.engine import Engine, load

Config = AskOptions


@dataclass(frozen=True)
class Answer:
    """What a model said: ``text`` in neutral markup, whether it was cut at the length limit, and its readable boxes."""

    text: str
    cut: bool
    boxes: tuple[Box, ...]
    size: tuple[int, int]
    """Width and height of the image, which boxes refer to."""

    def plain(self) -> str:
        """The text with boxes as [x1, y1, x2, y2] in whole pixels."""
        return MARKUP.pattern.sub(lambda m: "[{:.0f}, {:.0f}, {:.0f}, {:.0f}]".format(*unmark(m[0])[0]), self.text)


def main(config: Config) -> None:
    """Asks, and prints the answer."""
    _refuse_picture(config)
    answer = ask(load(config.model, **config.how), config.image, config.question, config.max_new_tokens)
    if config.picture:
        _draw(config.image, answer, config.picture)
    print(answer.plain())
    if answer.cut:
        console.say(f"cut at {config.max_new_tokens} tokens (--max-new-tokens)")
    if answer.boxes:
        console.say(f"boxes: x1, y1, x2, y2 in pixels of the image, {answer.size[0]} x {answer.size[1]}")
    if config.picture:
        console.say(f"picture: {config.picture}")
    console.say("research software, not a medical device")


def ask(engine: Engine, image: str | Path, question: str | None = None, max_new_tokens: int = 384) -> Answer:
    """What a loaded model (``unveil.load``) says about one image: its greedy answer.

    ``image`` is an image file, also DICOM. By default it is asked for a diagnosis in three steps: is anything abnormal,
    where, and what is it. Raises ``ImageError`` where the file cannot be read.
    """
    row = engine.loaded.chat.encode(asked("--image", question), Path(image), with_answer=False)
    [(said, cut)] = engine.answer([row], max_new_tokens)
    text = neutral(dialects.answer_text(said, row.seen.view.box_format), row.seen.view)
    return Answer(text, cut, tuple(unmark(text)), row.seen.view.size)


def asked(name: str, question: str | None = None) -> Dialogue:
    """A question as it is put to a model about an image that is in no file of records: ``name`` is what errors call it.

    Its kind, and what it is about, are told by its wording.
    """
    question = question or QUESTIONS["diagnosis"][0]
    kind = kind_of(question)
    return Dialogue(name, "", "", None, kind, question, "", target=asked_about(kind, question) or None)


def _refuse_picture(config: Config) -> None:
    """Raises ``RecordError`` where the picture must not be written, or cannot be, before a model is loaded."""
    if config.picture and config.picture.exists() and not config.restart:
        raise RecordError(f"{config.picture} is there already: --restart writes over it, or name another file")
    if config.picture and config.picture.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise RecordError(f"--picture {config.picture}: a name that ends in .png or .jpg is needed")


def _draw(image: Path, answer: Answer, picture: Path) -> None:
    with whole(picture) as partial:
        kind = "PNG" if picture.suffix.lower() == ".png" else "JPEG"  # the partial file has no such ending
        drawn(image, answer.boxes).save(partial, kind)


def kind_of(question: str) -> Kind:
    """The kind that a question's wording shows; "open" where it is none of ours."""
    return next((kind for kind in QUESTIONS if asked_about(kind, question) is not None), "open")


def drawn(image: Path, boxes: tuple[Box, ...]) -> Image.Image:
    """The image in colour with boxes as thin frames."""
    picture = Image.fromarray(pixels.to_rgb(image_files.read(image)))
    pen = ImageDraw.Draw(picture)
    for box in boxes:
        pen.rectangle(box, outline=(255, 64, 32), width=max(1, round(min(picture.size) / 150)))
    return picture
