"""Which data sets may be shared with others at all."""

from __future__ import annotations

from unveil.gate import GateError
from unveil.records import Record


def check(item: str, record: Record | None) -> None:
    """Raises ``GateError`` with the item's id where its data set must not leave this machine, or nobody can tell."""
    if record is None:
        raise GateError(f"{item}: its record is not known, so it must not leave this machine")
    source = record.source
    if source.access != "open":
        raise GateError(
            f"{item}: {source.dataset} is {source.access} data, which must not be shared with others: ask an expert on "
            "this machine"
        )
    if source.licence is None:
        raise GateError(
            f"{item}: the licence of {source.dataset} is not known: ingest it again with --licence, and with --access "
            "where it is not open"
        )
