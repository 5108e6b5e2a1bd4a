"""Who scores answers and who draws them besides the policy: the judge of relevance and the server of the options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from unveil.core.grading import Case
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.experts import options as experts
from unveil.experts import remote_answers
from unveil.experts.expert import Expert
from unveil.experts.judge import scores
from unveil.experts.requests import ExpertError
from unveil.gate import GateError
from unveil.rl import experience, remote_rollout
from unveil.rl.experience import Judge
from unveil.rl.options import RlOptions
from unveil.rl.run import JudgeError
from unveil.vlm.generate import Generator


@contextmanager
def bound(
    config: RlOptions, judge: Judge | None = None, generator: Generator | None = None
) -> Iterator[tuple[Judge | None, Generator | None]]:
    """A run's judge and generator: those handed over, else those that its options name, None where they name none."""
    if judge is None and config.judge.expert.startswith("local:"):  # before it is loaded
        experience.tried(config, judged=True)
    with nullcontext(generator) if generator else remote_rollout.bound(config.generate, config) as drawing:
        yield judge or judge_of(config), drawing


def judge_of(config: RlOptions, expert: Expert | None = None) -> Judge | None:
    """The judge by the expert handed over, or by the one that the options name.

    The rules need none, since rewards know the annotations themselves.
    """
    if expert is None and config.judge.expert == "rules":
        return None
    records = {record.id: record for record in read_jsonl(config.records, Record)}
    asked = expert or experts.bind(config.judge, config.out / "judge", records.values())
    if asked.backend.leaves:
        remote_answers.look_over(config.dialogues, records, "train")

    def judge(cases: Sequence[Case]) -> list[float | None]:
        try:
            return scores(asked, cases, config.dialogues)
        except (ExpertError, GateError) as error:
            raise JudgeError(f"the judge cannot be asked: {error}") from error

    return judge
