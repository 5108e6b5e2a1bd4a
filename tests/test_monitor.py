"""Collapse is told by its sign, and by nothing that passes."""

from __future__ import annotations

from unveil.rl.experience import Progress
from unveil.rl.monitor import collapsed


def test_collapse_is_told_by_its_sign() -> None:
    """Entropy, length and failures against what they were at first, each with the option that bounds it."""
    bounds = {"least_entropy": 0.1, "most_growth": 3.0, "most_unusable": 0.5}
    good = {"entropy": 1.0, "length": 20.0, "unusable": 0.1}

    def told(**found: float) -> str | None:
        """After a first update as it should be, as long as it takes for running means to come to what is found."""
        state = Progress()
        assert collapsed(good, state, **bounds) is None
        whys = [collapsed({**good, **found}, state, **bounds) for _ in range(40)]
        assert whys[0] is None, "one update is no collapse"
        return whys[-1]

    assert told(entropy=0.11, length=59.0, unusable=0.5) is None
    assert "--least-entropy" in str(told(entropy=0.09))
    assert "--most-growth" in str(told(length=61.0))
    assert "--most-unusable" in str(told(unusable=0.51))


def test_a_batch_of_normal_images_is_no_collapse() -> None:
    """All answers to them agree. As a run had it: 0.23 nats, then 0.21 for long, one batch of 0.006, and on."""
    bounds = {"least_entropy": 0.1, "most_growth": 3.0, "most_unusable": 0.5}
    state, entropies = Progress(), [0.23, *[0.21] * 32, 0.006, *[0.21] * 3]
    assert all(collapsed({"entropy": e, "length": 16.0, "unusable": 0.0}, state, **bounds) is None for e in entropies)
    found = [collapsed({"entropy": 0.006, "length": 16.0, "unusable": 0.0}, state, **bounds) for _ in range(20)]
    assert found[0] is None and found[-1] is not None
