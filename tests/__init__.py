"""Tests: one module for each of the package, or for one side of it; what they share stands in ``helpers``."""
