"""Ratios of sums with their intervals, for figures that are no metric of ours. Shapes: B resamples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unveil.core import bootstrap

Array = NDArray[np.float64]


def shares(parts_B2: Array) -> Array:
    """Numerators by denominators (B,); NaN where there is nothing to count."""
    nothing = np.full(len(parts_B2), np.nan)
    shares_B: Array = np.divide(parts_B2[:, 0], parts_B2[:, 1], out=nothing, where=parts_B2[:, 1] > 0)
    return shares_B


def estimate(value: float, values_B: Array, clusters: int, lowest: float = 0.0) -> dict[str, Any]:
    """A value from ``lowest`` to 1 with its 95 % interval as JSON values; None, with the reason, where there is none.

    A value that no resample moves has the exact interval (``bootstrap.exact``).
    """
    if np.isnan(value):
        return {"value": None, "low": None, "high": None, "reason": "nothing to count"}
    if clusters < 2:
        return {"value": float(value), "low": None, "high": None, "reason": "one cluster only"}
    values_B = values_B[~np.isnan(values_B)]
    still = bootstrap.unmoved(value, values_B)
    low, high = bootstrap.exact(value, clusters, lowest) if still else bootstrap.percentiles(values_B)
    return {"value": float(value), "low": float(low), "high": float(high)}
