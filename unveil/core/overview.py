"""The overview that `unveil` prints: what it is, its commands, which way to a better model. Imports nothing slow."""

from __future__ import annotations

from collections.abc import Mapping

from unveil import __version__
from unveil.core import layout

ABOUT = (
    f"unveil {__version__}: teach a medical vision-language model to point at what is abnormal and to name it.",
    "Research software, not a medical device.",
)
USAGE = {
    "unveil COMMAND [options]": "does one of the things below",
    "unveil COMMAND --help": "explains its options; --help-all also those that are seldom needed",
    "unveil COMMAND --config run.json": "repeats a run; options given besides go before it",
    "unveil --completion SHELL": "completion of commands and options in bash, zsh or fish",
    "unveil --version": "the version",
}
GUIDE = {
    "boxes or labels": "unveil run (fine-tuning): the model once over each answer and epoch",
    "boxes or masks, and more": (
        "unveil prefer --name mmedpo: 3 sampled answers per question, wrong ones, hidden lesions"
    ),
    "a fine-tuned model, boxes": ("unveil train aar: 8 sampled answers per question, rewarded for pointing and naming"),
    "answers without boxes": "unveil prefer --name dpo --expert ...: an expert who knows, 1 request per question",
    "many images, few labels": "unveil curate selftrain: an expert who sees, 10 requests per image",
    "before training on pairs": "unveil audit: what they would teach besides medicine",
}
PAGES = "docs/how-to/preferences.md, docs/explanation/results.md"


def text(commands: Mapping[str, str], width: int) -> str:
    """The overview of ``commands``, names with a line of help, wrapped at ``width``."""
    return "\n\n".join(
        [
            "\n".join(layout.paragraph(line, width) for line in ABOUT),
            layout.rows(list(USAGE.items()), width),
            layout.rows(list(commands.items()), width),
            "Which way to a better model:\n" + layout.rows(list(GUIDE.items()), width),
            layout.paragraph(f"More, with costs and figures: {PAGES}", width),
        ]
    )
