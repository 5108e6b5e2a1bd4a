"""Intersection over union as other code computes it, with and without a guard for boxes that are none."""

from __future__ import annotations

from unveil.core.geometry import Box


def unguarded(a: Box, b: Box) -> float:
    """As it is written for boxes that are right: the area of an inverted box is what its sides multiply to."""
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def guarded(a: Box, b: Box) -> float:
    """0 where the boxes do not meet, an inverted one among them."""
    meet = min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
    return unguarded(a, b) if meet else 0.0
