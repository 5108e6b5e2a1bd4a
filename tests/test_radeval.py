"""RadEval by a stub of its interface (radeval 2.2.1): its own models are not loaded here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, ClassVar

import pytest

from tests.helpers.answered import answered
from unveil.core import radeval
from unveil.core.radeval import RadEvalError, corpus, scores
from unveil.rl.rewards import RewardError, named

KEYS = {
    "radgraph": ("radgraph_simple", "radgraph_partial", "radgraph_complete"),
    "f1chexbert": ("f1chexbert_sample_acc_5", "f1chexbert_sample_acc_all"),
    "ratescore": ("ratescore",),
    "green": ("green",),
}


class RadEval:
    """As radeval.RadEval: refs and hyps to lists by key, or one number for each; 1 for equal texts, else 0."""

    seen: ClassVar[list[tuple[list[str], list[str]]]] = []

    def __init__(self, metrics: list[str], per_sample: bool = False, show_progress: bool = True):
        if metrics == ["green"]:
            raise OSError("no network")
        self.metrics, self.per_sample = metrics, per_sample

    def __call__(self, refs: list[str], hyps: list[str]) -> dict[str, Any]:
        self.seen.append((refs, hyps))
        values = [float(ref == hyp) for ref, hyp in zip(refs, hyps, strict=True)]
        if not self.per_sample:
            return {"f1chexbert_all_micro_f1": sum(values) / len(values)}
        return {key: values for name in self.metrics for key in KEYS[name]}


@pytest.fixture(autouse=True)
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    package = ModuleType("radeval")
    package.RadEval = RadEval
    monkeypatch.setitem(sys.modules, "radeval", package)
    monkeypatch.setattr(RadEval, "seen", [])
    radeval.evaluator.cache_clear()
    yield
    radeval.evaluator.cache_clear()


def test_each_report_has_its_scores_and_radgraph_sees_small_letters() -> None:
    found = scores("radgraph", ["A Nodule.", "A mass."], ["a nodule.", "A cyst."])
    assert found == {key: [1.0, 0.0] for key in KEYS["radgraph"]}
    assert RadEval.seen == [(["a nodule.", "a mass."], ["a nodule.", "a cyst."])]


def test_an_empty_answer_scores_0_and_is_not_asked_about() -> None:
    """RaTEScore itself gives 0.5 to an empty side."""
    assert scores("ratescore", ["A nodule.", "A mass."], [" ", "A mass."]) == {"ratescore": [0.0, 1.0]}
    assert RadEval.seen == [(["A mass."], ["A mass."])]
    assert scores("ratescore", ["A nodule."], [""]) == {"ratescore": [0.0]} and len(RadEval.seen) == 1


def test_chexbert_has_a_figure_of_the_corpus() -> None:
    assert corpus("f1chexbert", ["a", "b"], ["a", ""]) == {"f1chexbert_all_micro_f1": 0.5}


def test_what_goes_wrong_is_told_with_the_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RadEvalError, match="green: RadEval cannot load its models: OSError: no network"):
        scores("green", ["a"], ["b"])
    with pytest.raises(RadEvalError, match="'bleu': RadEval is asked for radgraph, f1chexbert, ratescore, green"):
        scores("bleu", ["a"], ["b"])  # type: ignore[arg-type]
    monkeypatch.setattr(RadEval, "__call__", lambda self, refs, hyps: {"other": [1.0]})
    with pytest.raises(RadEvalError, match="gave other, not ratescore"):
        scores("ratescore", ["a"], ["b"])
    monkeypatch.setattr(RadEval, "__call__", lambda self, refs, hyps: {"ratescore": [float("nan")]})
    with pytest.raises(RadEvalError, match="1 values of ratescore for 1 reports, or no number"):
        scores("ratescore", ["a"], ["b"])
    monkeypatch.setattr(RadEval, "__call__", lambda self, refs, hyps: 1 / 0)
    with pytest.raises(RadEvalError, match="ratescore: RadEval failed: ZeroDivisionError"):
        scores("ratescore", ["a"], ["b"])


def test_where_it_is_not_installed_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "radeval", None)
    with pytest.raises(RadEvalError, match=r"pip install 'unveil\[radeval\]'"):
        scores("radgraph", ["a"], ["b"])
    with pytest.raises(RewardError, match=r"a/q: reward radgraph raised .*unveil\[radeval\]"):
        named("radgraph", 1.0).of([answered("report", "a", answer="b")])


def test_the_reward_asks_for_all_answers_at_once() -> None:
    group = [answered("report", text, answer="A nodule.") for text in ("A nodule.", "A mass.", "")]
    assert named("radgraph", 1.0).of(group) == [1.0, 0.0, 0.0] and len(RadEval.seen) == 1
