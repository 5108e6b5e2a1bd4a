"""The configuration that an earlier run has left in its run.json, to be run again."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from unveil import __version__
from unveil.core import console
from unveil.core.jsonl import build
from unveil.core.plugins import PluginError
from unveil.core.records import RecordError
from unveil.core.untrusted import JsonError, parse_json, shortened


def saved(kind: type, path: Path, name: str, own: Collection[str], plugins: Collection[Path] = ()) -> Any:
    """The configuration in a run.json as a ``kind``; raises ``RecordError`` where that cannot be had.

    ``name`` is the command that it is wanted for, ``own`` are those whose runs it can repeat. ``plugins``, if any, take
    the place of its own, which may lie elsewhere by now.
    """
    if not path.is_file():
        raise RecordError(f"{path}: no such file, or not a regular one")
    wanted = "--config takes the one that lies beside what a run has made"
    try:
        about = parse_json(path.read_bytes())
    except JsonError as error:
        raise RecordError(f"{path}: not a run.json ({error}); {wanted}") from error
    if not isinstance(about, dict) or not {"command", "config"} <= about.keys():
        raise RecordError(f"{path}: not a run.json; {wanted}")
    if about["command"] not in own:
        raise RecordError(f"{path} is of `unveil {shortened(str(about['command']))}`, not of `unveil {name}`")
    _tell_version(about, path)
    config = _unasked(about["config"])
    if plugins and isinstance(config, dict):
        config["plugins"] = [str(file) for file in plugins]
    try:
        return build(kind, config, str(path))
    except PluginError as error:
        raise RecordError(f"{path}: its plugin: {error}\n--plugins FILE.py besides takes its place") from error


def _tell_version(about: dict[str, Any], path: Path) -> None:
    """Says, in one line, if another version of unveil has written the file."""
    versions = about.get("versions")
    before = versions.get("unveil") if isinstance(versions, dict) else None
    if isinstance(before, str) and before != __version__:
        console.say(
            f"note: {path} is of unveil {shortened(before)}, this is {__version__}: "
            "the same settings may give other figures (CHANGELOG.md)"
        )


def _unasked(config: Any) -> Any:
    """A saved configuration without what holds for one call: a repeated run writes over nothing unless told to."""
    if not isinstance(config, dict):
        return config
    once = ("restart", "resume", "dry_run")
    return {name: _unasked(value) for name, value in config.items() if name not in once}
