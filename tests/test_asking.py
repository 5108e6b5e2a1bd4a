"""Questions at a terminal: Enter gives the default, Ctrl-C and Ctrl-D end, nobody is asked where nobody is."""

from __future__ import annotations

import io
import sys
import webbrowser
from collections.abc import Iterator

import pytest

from unveil.core import asking


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "answer"), [("", "tiny"), ("  ", "tiny"), (" a b ", "a b"), ("[red]", "[red]")])
def test_enter_gives_the_default_and_blanks_do_not_count(
    typed: str, answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("builtins.input", lambda: typed)
    assert asking.ask("Which [bold]model?", "tiny") == answer
    out, err = capsys.readouterr()
    assert err == "Which [bold]model? (tiny): " and not out, "markup in a question is text"


@pytest.mark.parametrize("end", [KeyboardInterrupt, EOFError])
def test_ctrl_c_and_ctrl_d_end_alike(
    end: type[BaseException], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop() -> str:
        raise end

    monkeypatch.setattr("builtins.input", stop)
    with pytest.raises(KeyboardInterrupt):
        asking.ask("Which?", "tiny")
    assert capsys.readouterr().err.endswith("\n"), "what follows begins a line"


def answers(*typed: str) -> Iterator[str]:
    yield from typed


@pytest.mark.parametrize(
    ("typed", "meant"), [(("",), True), (("Y",), True), (("No",), False), (("perhaps", "n"), False)]
)
def test_yes_or_no(typed: tuple[str, ...], meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    said = answers(*typed)
    monkeypatch.setattr("builtins.input", lambda: next(said))
    assert asking.agreed("Open it?") is meant
    assert next(said, None) is None


def test_nobody_is_asked_where_input_or_output_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for stdin, stderr, there in (
        (Terminal(), Terminal(), True),
        (io.StringIO(), Terminal(), False),
        (Terminal(), io.StringIO(), False),
    ):
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stderr", stderr)
        assert asking.possible() is there


@pytest.mark.parametrize(
    ("platform", "environment", "browser", "screen"),
    [
        ("linux", {}, True, False),
        ("linux", {"DISPLAY": ":0"}, True, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True, True),
        ("linux", {"DISPLAY": ":0"}, False, False),
        ("darwin", {}, True, True),
        ("darwin", {"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}, True, False),
    ],
)
def test_a_browser_is_offered_only_where_it_can_be_seen(
    platform: str, environment: dict[str, str], browser: bool, screen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get() -> object:
        if not browser:
            raise webbrowser.Error("none")
        return object()

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(webbrowser, "get", get)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert asking.has_screen() is screen
