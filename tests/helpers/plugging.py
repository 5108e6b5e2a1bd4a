"""Plugins that last no longer than a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unveil.core import registry


@contextmanager
def forgotten() -> Iterator[None]:
    """What is loaded within is forgotten at the end."""
    before = dict(registry._plugins)
    try:
        yield
    finally:
        for source in registry._plugins.keys() - before.keys():
            del registry._plugins[source]
        for table in registry._registries.values():
            for name in [name for name, source in table._source.items() if source not in before]:
                del table[name], table._source[name]


def write(folder: Path, body: str, name: str = "mine.py") -> Path:
    """A plugin's file."""
    (folder / name).write_text(body)
    return folder / name
