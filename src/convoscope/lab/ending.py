"""The end of a run: its final weights kept and judged, with figures, findings and report."""

from __future__ import annotations

from collections.abc import Iterator

from convoscope.data import Examples
from convoscope.lab.ready import Ready
from convoscope.lab.suspects import doubts_at_end
from convoscope.process import give_back
from convoscope.runs.answers import write_answers
from convoscope.runs.calibration import write_calibration
from convoscope.runs.judgement import judgement
from convoscope.runs.log import now
from convoscope.runs.store import Run, Writer
from convoscope.runs.summary import write_report
from convoscope.train.evaluate import evaluate
from convoscope.train.events import EpochEnded, Event, Finding, Finished, Trained
from convoscope.train.feed import Feed
from convoscope.train.gradient import Plan, workers
from convoscope.train.metrics import Evaluation
from convoscope.train.temperature import Calibration, calibrate

Final = tuple[Evaluation, Examples, Calibration]


def conclude(run: Run, writer: Writer, ready: Ready, plan: Plan, last: Trained) -> Iterator[Event]:
    """Keeps the final weights, the answers and the figures, and writes the report.

    Yields:
        What the figures say, as findings, and `Finished`; each is in the log before.

    Raises:
        StorageError: the disk refused.
    """
    writer.write_weights(ready.model.state_dict())
    final = judge_final(ready, plan)
    give_back()
    report = None
    if final is not None:
        evaluation, part, calibration = final
        write_answers(run, evaluation)
        write_calibration(run, calibration)
        splits, device = ready.opened.splits, ready.machine.device.type
        judged = judgement(evaluation, part, splits, ready.model, calibration, device=device)
        give_back()
        writer.write_evaluation(judged.summary())
        told = {event.message for event in run.events() if isinstance(event, Finding)}
        for finding in judged.findings(last.step):
            if finding.message not in told:  # by a sitting that was killed before its end
                writer.append(finding)
                yield finding
        suspects = doubts_at_end(run, ready, plan)
        give_back()
        report = write_report(run, judged, part, splits, ready.model, suspects=suspects)
    test = final[0] if final is not None and final[0].split == "test" else None
    events = run.events()
    finished = Finished(
        run=str(run.folder), reason=last.reason, step=last.step, training_seconds=last.seconds,
        validation_accuracy=next((e.validation_accuracy for e in reversed(events) if isinstance(e, EpochEnded)), None),
        test_accuracy=test.accuracy if test else None, test_loss=test.loss if test else None,
        n_test=test.n if test else 0, weights=str(run.weights_path), report=str(report) if report else None,
        recorded_at=now(), findings=tuple(event.name for event in events if isinstance(event, Finding)),
    )  # fmt: skip
    writer.append(finished)
    yield finished


def judge_final(ready: Ready, plan: Plan) -> Final | None:
    """The final weights on the test part, else on the validation part, else not at all; on every process alike.

    The temperature is found on the validation part, before the test part is looked at.
    """
    splits = ready.opened.splits
    calibration, held_out = Calibration(why="no-part"), None
    if len(splits.validation):
        held_out = _judge(ready, plan, splits.validation, "validation")
        assert held_out.logits is not None
        calibration = calibrate(held_out.logits, held_out.labels, "validation")
    if splits.test is not None and len(splits.test):
        return _judge(ready, plan, splits.test, "test"), splits.test, calibration
    return None if held_out is None else (held_out, splits.validation, calibration)


def _judge(ready: Ready, plan: Plan, part: Examples, split: str) -> Evaluation:
    feed = Feed(part, ready.normalisation, ready.machine.device, channels_last=plan.memory_format == "channels-last")
    with workers(plan) as crew:
        return evaluate(
            ready.model, feed, ready.recipe, ready.machine, plan, crew, class_names=part.class_names, split=split
        )
