"""Plain text on a terminal: paragraphs and lists that are wrapped at its width. Imports nothing slow."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

#: Longer lines are hard to read.
WIDEST = 100
INDENT = "      "


def width() -> int:
    """Columns of the terminal, 80 where there is none, ``WIDEST`` at the most."""
    return min(shutil.get_terminal_size().columns, WIDEST)


def paragraph(text: str, width: int, indent: str = "", below: str | None = None) -> str:
    """Text whose line breaks are those of the page, not of its source; nothing is cut within a word.

    ``below`` is the indent of all lines but the first, where it is another.
    """
    return textwrap.fill(
        " ".join(text.split()),
        width,
        initial_indent=indent,
        subsequent_indent=indent if below is None else below,
        break_long_words=False,
        break_on_hyphens=False,
    )


def rows(pairs: Sequence[tuple[str, str]], width: int) -> str:
    """Names with what they are, in two columns; one below the other where that leaves less than half of the width."""
    column = max(len(name) for name, _ in pairs) + 4
    if column > width // 2:
        return "\n".join(f"  {name}\n{paragraph(text, width, INDENT)}" for name, text in pairs)
    texts = [paragraph(text, width - column).replace("\n", "\n" + " " * column) for _, text in pairs]
    return "\n".join(f"  {name:<{column - 2}}{text}" for (name, _), text in zip(pairs, texts, strict=True))
