"""Predictions made elsewhere, and ours for others: read by what they hold, matched by id, never by their order."""
