"""Draws docs/figures/way.svg: the way from images to a report, as files and the commands between them.

python -m scripts.way

A command is drawn between the files that its options name, so that the picture cannot claim what no command does.
A test compares the picture with what would be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from pathlib import Path

from unveil.cli import COMMANDS

PICTURE = Path(__file__).parents[1] / "docs" / "figures" / "way.svg"
WIDTH, HEIGHT = 1240, 270
FILE = (136, 44)
"""Width and height of a file's box."""
TITLE = "From annotated images to a report: ingest, check, curate mau, train sft, predict, score; beside it train aar, \
curate noise and train dpo"

#: What is drawn as a box: its title and the middle of it.
FILES = {
    "images": ("your images", 78, 84),
    "records": ("records", 294, 84),
    "dialogues": ("dialogues", 510, 84),
    "tuned": ("fine-tuned model", 726, 84),
    "predictions": ("predictions", 942, 84),
    "report": ("report.html", 1158, 84),
    "pairs": ("pairs", 510, 232),
    "better": ("better model", 726, 232),
}


@dataclass(frozen=True)
class Step:
    """An arrow: the command, the file it reads with the option that names it, and the file it makes."""

    command: str
    reads: str
    option: str
    makes: str
    then: str = ""
    """A second command, which goes on from what the first has made."""


STEPS = (
    Step("ingest", "images", "data", "records"),
    Step("check", "records", "records", "records"),
    Step("curate mau", "records", "records", "dialogues"),
    Step("train sft", "dialogues", "dialogues", "tuned"),
    Step("predict", "tuned", "model", "predictions"),
    Step("score", "predictions", "predictions", "report", then="report"),
    Step("curate noise", "dialogues", "dialogues", "pairs"),
    Step("train dpo", "pairs", "pairs", "better"),
    Step("train aar", "tuned", "model", "better"),
    Step("predict", "better", "model", "predictions"),
)
STYLE = """text{font:14.5px system-ui,-apple-system,"Segoe UI",sans-serif;text-anchor:middle;fill:#1f2933}
.command{font:12.5px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#0b6e6e}
.beside{text-anchor:start}
rect{fill:#f4f7f9;stroke:#9fb3c8}
.goal{fill:#e3f5f0;stroke:#2a9d8f}
path{fill:none;stroke:#7b8794;stroke-width:1.6}
marker path{fill:#7b8794;stroke:none}
@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.command{fill:#63d4c6}rect{fill:#1f2a33;stroke:#52606d}
.goal{fill:#12352f;stroke:#2a9d8f}path{stroke:#9aa5b1}marker path{fill:#9aa5b1}}"""


def picture() -> str:
    """The picture as SVG, which follows a page's light or dark scheme.

    Raises ``ValueError`` where a step is no command, or its command has no such option.
    """
    for step in STEPS:
        if step.then and step.then not in COMMANDS:
            raise ValueError(f"no command {step.then}")
        options = {field.name for field in fields(COMMANDS[step.command].config())}
        if step.option not in options:
            raise ValueError(f"unveil {step.command} has no --{step.option}")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t">',
            f'<title id="t">{escape(TITLE)}</title>',
            f"<style>{STYLE}</style>",
            '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0 8 4 0 8z"/></marker></defs>',
            *map(_box, FILES),
            *map(_arrow, STEPS),
            "</svg>\n",
        ]
    )


def _box(name: str) -> str:
    title, x, y = FILES[name]
    goal = ' class="goal"' if name in ("report", "better", "tuned") else ""
    width, height = FILE
    return (
        f'<rect{goal} x="{x - width // 2}" y="{y - height // 2}" width="{width}" height="{height}" rx="7"/>'
        f'<text x="{x}" y="{y + 5}">{escape(title)}</text>'
    )


def _arrow(step: Step) -> str:
    (_, x1, y1), (_, x2, y2) = FILES[step.reads], FILES[step.makes]
    half, high, gap, place = FILE[0] // 2, FILE[1] // 2, 5, "command"
    if step.reads == step.makes:  # a loop over the box
        line = f"M{x1 + 22} {y1 - high}C{x1 + 40} {y1 - 56} {x1 - 40} {y1 - 56} {x1 - 22} {y1 - high - gap}"
        x, y = x1, y1 - 54
    elif y1 == y2:
        line = f"M{x1 + half} {y1}H{x2 - half - gap}"
        x, y = (x1 + x2) // 2, y1 - 12
    elif x1 == x2:
        line, place = f"M{x1} {y1 + high}V{y2 - high - gap}", "command beside"
        x, y = x1 + 10, (y1 + y2) // 2
    else:  # to the right, then up
        line = f"M{x1 + half} {y1}H{x2 - 9}Q{x2} {y1} {x2} {y1 - 9}V{y2 + high + gap}"
        x, y = (x1 + half + x2) // 2, y1 - 12
    return (
        f'<path d="{line}" marker-end="url(#end)"/>'
        f'<text class="{place}" x="{x}" y="{y}">{escape(step.command)}</text>'
        + (f'<text class="{place}" x="{x}" y="{y + 30}">{escape(step.then)}</text>' if step.then else "")
    )


if __name__ == "__main__":
    PICTURE.write_text(picture())
