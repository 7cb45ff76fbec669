"""Where the minutes go: seconds a stage from DVC's own lines, kept from run to run."""

import io
import json

from lib import budget

LINES = """Stage 'source' didn't change, skipping
Running stage 'sample':
> python -m sample
a line of the stage itself
Updating lock file 'dvc.lock'

Running stage 'embed@0':
> python -m embed
Running stage 'reports':
ERROR: failed to reproduce 'reports'
"""


def test_stages_that_ended_are_timed_and_every_line_is_passed_on():
    times = iter(range(0, 1000, 10))
    out = io.StringIO()
    seconds = budget.follow(LINES.splitlines(keepends=True), out, lambda: next(times))
    assert out.getvalue() == LINES
    assert seconds == {"sample": 10, "embed@0": 10}  # reports did not end


def test_a_later_run_adds_to_what_is_known(tmp_path):
    budget.keep({"sample": 30.0, "embed@0": 10.0}, "sample", tmp_path)
    budget.keep({"embed@0": 70.0}, "sample", tmp_path)
    budget.keep({}, "other", tmp_path)
    made = budget.table("sample", tmp_path)
    assert made["stage"].tolist() == ["embed@0", "sample"]
    assert made["share"].tolist() == [0.7, 0.3]
    assert not (tmp_path / "artefacts" / "other").exists()


def test_memory_comes_from_run_records(tmp_path):
    folder = tmp_path / "artefacts" / "sample" / "runs"
    folder.mkdir(parents=True)
    (folder / budget.FILE).write_text('{"embed": 3.0}')
    observed = {"seconds": 3.0, "peak_memory_mb": 812.5}
    record = {"fixed": {"stage": "embed", "device": "cpu"}, "observed": observed}
    (folder / "embeddings.json").write_text(json.dumps(record))
    assert budget.memory("sample", tmp_path).values.tolist() == [
        ["embeddings", "embed", 3.0, 812.5, "cpu"]
    ]
