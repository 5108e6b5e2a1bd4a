"""How an exported model is asked, for people and programs: its questions, what to send, how to read its boxes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unveil.core import provenance

#: Stands for the picture in a request.
PICTURE = "data:image/png;base64,..."


def write(folder: Path, written: Mapping[str, Any]) -> None:
    """``prompts.json`` (what it was taught) and ``request.json`` (a request to an OpenAI-compatible server)."""
    about = {
        "system": written["system"],
        "image": image(written["box"]),
        "questions": written["questions"],
        "box_format": written["box_format"],
        "boxes": boxes(written["box"]),
        "example": {"image": "300 x 300 pixels", "box": [100, 100, 200, 200], "written": written["box"]["example"]},
        "answer": {name: written[name] for name in ("max_new_tokens", "stop", "stop_token_ids", "banned_ids")},
    }
    provenance.write_json(folder / "prompts.json", about)
    provenance.write_json(folder / "request.json", request(written))


def request(written: Mapping[str, Any]) -> dict[str, Any]:
    """A request as the run asked, of which the picture is to be filled in. Greedy; box tokens stay in the text."""
    whole = [text for text in written["questions"].values() if "<" not in text]  # it asks about the whole image
    question = next(iter([*whole, *written["questions"].values()]), "<question>")
    asked = [
        {"type": "image_url", "image_url": {"url": PICTURE}},
        {"type": "text", "text": question},
    ]
    turns: list[dict[str, Any]] = [{"role": "system", "content": written["system"]}] if written["system"] else []
    return {
        "model": "<name that the server goes by>",
        "messages": [*turns, {"role": "user", "content": asked}],
        "temperature": 0.0,
        "max_tokens": written["max_new_tokens"] or 384,
        "stop_token_ids": written["stop_token_ids"],
        "skip_special_tokens": False,
        "logit_bias": {str(i): -100.0 for i in written["banned_ids"]},
    }


def image(box: Mapping[str, Any]) -> str:
    """What picture is sent."""
    if not box["square"]:
        return "The whole image, 8-bit RGB, as PNG; the server's processor resizes it."
    around = "black" if box["black"] else "grey (127)"
    return (
        f"The whole image, 8-bit RGB, in the middle of a square as wide as its longer side, {around} around it, "
        "as PNG; the server's processor resizes it."
    )


def boxes(box: Mapping[str, Any]) -> str:
    """How the numbers of a box are read."""
    corners = ", ".join(["x1", "y1", "x2", "y2"][i] for i in box["order"])
    if box["grid"] is None:
        scale = "in pixels of the picture as the processor resizes it, so multiply by the image's size over that"
    else:
        scale = f"from 0 to {box['grid']:g} of the picture's width (x) and height (y)"
    middle = "; a token stands for the middle of its bin, so add 0.5" if box["bins"] else ""
    square = "; the picture is the square, so take off what was put around the image" if box["square"] else ""
    return f"{corners}, {scale}{middle}{square}. (x1, y1) is the upper left corner."
