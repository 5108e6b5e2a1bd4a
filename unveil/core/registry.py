"""Tables of what options can name, to which plugins add: formats, rewards, advantages, families, box formats.

A plugin is a Python module that declares rows under the names of these tables (docs/how-to/plugins.md). It is a file
that the user names (`--plugins FILE.py`), or comes with an installed package as an entry point of the group
``unveil.plugins``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeVar

from unveil.core import console, plugins
from unveil.core.digests import sha256
from unveil.core.path_types import InputFile
from unveil.core.plugins import PluginError, short

GROUP = "unveil.plugins"
#: What a plugin may declare: rows by their names, or a list of rows that have a ``name``.
TABLES = ("FORMATS", "BOX_FORMATS", "FAMILIES", "REWARDS", "ADVANTAGES")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")

Row = TypeVar("Row")


@dataclass(frozen=True)
class Plugin:
    """A loaded plugin. ``name`` is its file's or its entry point's, ``source`` the path, or the package."""

    name: str
    source: str
    sha256: str
    module: ModuleType
    asked: bool
    """Whether the user has named it: what is wrong with it is then an error, else it is left out with a warning."""

    def declared(self, table: str) -> dict[str, Any]:
        """What it declares under the name of a table, by the names of the rows; our own table is only imported."""
        given = getattr(self.module, table, {})
        if isinstance(given, Registry):
            return {}
        try:
            rows = dict(given) if isinstance(given, Mapping) else {row.name: row for row in given}
        except (TypeError, AttributeError) as error:
            raise PluginError(f"{self.name}: {table} holds no rows by name: {short(given)}") from error
        for name in rows:
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise PluginError(f"{self.name}: {table}: {short(name)} is no name of letters, digits and . _ -")
        return rows


class Registry(dict[str, Row]):
    """What options can name: rows of this package, and those that plugins declare under the name of this table.

    ``fit`` makes a row of what is declared under a name, and raises ``ValueError`` where it cannot be one.
    """

    def __init__(self, table: str, rows: Mapping[str, Row], fit: Callable[[str, Any], Row]) -> None:
        super().__init__(rows)
        self.table, self._fit = table, fit
        self._source: dict[str, str] = {}
        for plugin in _plugins.values():
            try:
                self.put(plugin, self.fitting(plugin))
            except PluginError as error:
                if plugin.asked:
                    raise
                console.say(f"warning: {error}; left out, as {plugin.source} is installed and was not asked for")
        _registries[table] = self

    def put(self, plugin: Plugin, rows: Mapping[str, Row]) -> None:
        """Takes a plugin's rows, in the place of those that it had before its file was changed."""
        for name in [name for name, source in self._source.items() if source == plugin.source]:
            del self[name], self._source[name]
        self.update(rows)
        self._source |= dict.fromkeys(rows, plugin.source)

    def fitting(self, plugin: Plugin) -> dict[str, Row]:
        """The rows that a plugin declares for this table; raises ``PluginError``, and changes nothing."""
        found = {}
        for name, declared in plugin.declared(self.table).items():
            whose = self._source.get(name, "unveil itself" if name in self else plugin.source)
            if whose != plugin.source:
                raise PluginError(f"{plugin.name}: {self.table}: {name!r} is a name of {whose}, choose another one")
            try:
                found[name] = self._fit(name, declared)
            except Exception as error:  # whatever its code raises, in which alone the line matters
                ours = isinstance(error, ValueError) and not plugins.is_own(error)
                why = error if ours else plugins.told(error)
                raise PluginError(f"{plugin.name}: {self.table}: {name!r}: {why}") from error
        return found


_registries: dict[str, Registry[Any]] = {}
_plugins: dict[str, Plugin] = {}


@dataclass(frozen=True, kw_only=True)
class PluginOptions:
    """Plugins that a command is told of; they are loaded as soon as they are named."""

    groups: ClassVar[Mapping[str, Sequence[str]]] = {"own_code": ("plugins",)}

    plugins: tuple[InputFile, ...] = ()
    """Python files that add formats, rewards, advantages, families or box formats of your own; they run with all rights
    of this program."""

    def __post_init__(self) -> None:
        if isinstance(self.plugins, str | Path):  # one alone, from Python
            object.__setattr__(self, "plugins", (Path(self.plugins),))
        load(self.plugins)


def load(paths: str | Path | Iterable[str | Path]) -> None:
    """Adds the rows of plugins that come with installed packages, and of these files, or of this one.

    Raises ``PluginError``.
    """
    _load_installed()
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        module = plugins.module_of(path)
        _add(Plugin(path.name, str(path.resolve()), sha256(path), module, asked=True))


@cache
def _load_installed() -> None:
    for entry in metadata.entry_points(group=GROUP):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "a package"
        try:
            module = entry.load()
            file = Path(module.__file__)
            plugins.PLACES.append(f"{file.parent}{os.sep}" if module.__package__ else str(file))
            _add(Plugin(entry.name, f"{entry.value} of {package}", sha256(file), module, asked=False))
        except Exception as error:  # whatever other people's package raises must not stop who has not asked for it
            why = error if isinstance(error, PluginError) else plugins.told(error)
            console.say(f"warning: the plugin {entry.name} of {package} cannot be had: {why}")


def _add(plugin: Plugin) -> None:
    known = _plugins.get(plugin.source)
    if known and known.sha256 == plugin.sha256:
        return
    if not [row for table in TABLES for row in plugin.declared(table)]:
        raise PluginError(f"{plugin.source} declares none of {', '.join(TABLES)}")
    fitting = [(registry, registry.fitting(plugin)) for registry in _registries.values()]
    for registry, rows in fitting:  # now that all of them fit
        registry.put(plugin, rows)
    _plugins[plugin.source] = plugin


def files() -> list[Path]:
    """The files that were named, for processes that are to know them too."""
    return [Path(plugin.source) for plugin in _plugins.values() if plugin.asked]


def loaded() -> list[dict[str, Any]]:
    """The plugins at hand, for run.json: name, path or package, digest, and the names that each has added."""
    return [
        {"name": plugin.name, "source": plugin.source, "sha256": plugin.sha256}
        | {table.lower(): names for table in TABLES if (names := _added(plugin, table))}
        for plugin in _plugins.values()
    ]


def _added(plugin: Plugin, table: str) -> list[str]:
    """The names that a plugin has in a table; of one that this process does not use, those that it declares."""
    if table not in _registries:
        return list(plugin.declared(table))
    return [name for name, source in _registries[table]._source.items() if source == plugin.source]
