"""Questions to a person at a terminal. Each has an answer by default, which Enter gives."""

from __future__ import annotations

import os
import sys
import webbrowser

from rich.prompt import Prompt
from rich.text import Text

from unveil.core.console import console

YES, NO = ("y", "yes", "Y", "Yes", "YES"), ("n", "no", "N", "No", "NO")


def possible() -> bool:
    """Whether somebody is there: what is asked can be seen, and what is answered is typed."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, default: str) -> str:
    """What was typed, without blanks around it. Raises ``KeyboardInterrupt`` where it was Ctrl-C or Ctrl-D."""
    try:
        return Prompt.ask(Text(question), console=console, default=default).strip() or default
    except (KeyboardInterrupt, EOFError):
        console.print()  # what is said next begins a line
        raise KeyboardInterrupt from None


def agreed(question: str) -> bool:
    """A yes or a no; Enter is a yes."""
    while (said := ask(question, "yes")) not in (*YES, *NO):
        question = "Please answer yes or no"
    return said in YES


def has_screen() -> bool:
    """Whether this machine shows a browser to the person: not over SSH, and on Linux with a display."""
    if sys.platform in ("darwin", "win32"):
        return "SSH_CONNECTION" not in os.environ
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
