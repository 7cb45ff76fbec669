"""Stages side by side: what may run at once does, what may not does not, nothing is lost."""

import io
import shutil
import subprocess
import sys
import threading

import pytest
import yaml

from lib import budget, lanes, pipeline
from lib.lanes import Step
from lib.paths import ROOT


def steps(minutes=1.0, **needs):
    """Return steps by name: what each needs, as words."""
    return {name: Step(frozenset(text.split()), minutes) for name, text in needs.items()}


DIAMOND = steps(a="", b="", c="a b", d="")


def test_the_longest_chain_goes_first():
    chain = steps(short="", long="", middle="long", end="middle short")
    assert lanes.heights(chain) == {"short": 2, "long": 3, "middle": 2, "end": 1}
    order = []
    assert lanes.run(chain, 1, lambda name, alone: order.append(name) or 0) == []
    assert order == ["long", "short", "middle", "end"]
    chain |= steps(5.0, short="")
    assert max(chain, key=lanes.heights(chain).get) == "short"


def test_two_stages_run_at_once_and_none_before_what_it_needs():
    together, seen, lock = set(), [], threading.Lock()
    meeting = threading.Barrier(2, timeout=20)

    def start(name, alone):
        with lock:
            together.add(name)
            seen.append(frozenset(together))
        if name in "ab":
            meeting.wait()  # returns only if both are running
        with lock:
            together.discard(name)
        return 0

    assert lanes.run(DIAMOND, 2, start) == []
    assert max(map(len, seen)) == 2
    begun = next(number for number, names in enumerate(seen) if "c" in names)
    assert DIAMOND["c"].needs <= frozenset().union(*seen[:begun])
    assert not [names for names in seen if "c" in names and names & DIAMOND["c"].needs]


def test_a_stage_has_all_cores_where_there_is_little_to_do_beside_it():
    said = {}
    chain = steps(first="", left="first", right="first", last="left right", end="last")
    chain |= steps(2.5, long="first", slow="last")
    assert lanes.run(chain, 1, lambda name, alone: said.update({name: alone}) or 0) == []
    assert list(said) == ["first", "left", "right", "last", "long", "slow", "end"]
    assert [name for name, alone in said.items() if alone] == ["first", "slow", "end"]


def test_after_a_failure_nothing_new_starts_and_what_runs_ends():
    failed, slow = threading.Event(), []

    def start(name, alone):
        if name == "a":
            failed.set()
            return 1
        assert failed.wait(20)
        slow.append(name)
        return 0

    assert lanes.run(DIAMOND, 2, start) == ["a"]
    assert slow == ["b"]


def test_bars_are_shown_now_and_then_and_lines_always():
    out, now = io.StringIO(), [0.0]
    stream = lanes.Labelled(out, "embed", clock=lambda: now[0])
    for second, line in [(1, "begun\n"), (2, "10%|#  |\n"), (20, "50%|## |\n"), (21, "60%|## |\n")]:
        now[0] = second
        stream.write(line)
    stream.write("\n")
    assert out.getvalue() == "embed | begun\nembed | 50%|## |\n"


WAIT = "import pathlib, time\npathlib.Path('{own}.here').touch()\n" + (
    "while not pathlib.Path('{other}.here').exists(): time.sleep(.05)\n"
)


@pytest.fixture
def repository(tmp_path):
    """A repository whose stages `left` and `right` each wait until the other has begun."""
    for own, other in (("left", "right"), ("right", "left")):
        (tmp_path / f"{own}.py").write_text(WAIT.format(own=own, other=other))
    stages = {
        own: {
            "cmd": f"{sys.executable} {own}.py && echo {own} >> runs.log && cat in.txt > {own}.txt",
            "deps": ["in.txt"],
            "outs": [f"{own}.txt"],
        }
        for own in ("left", "right")
    }
    stages["both"] = {
        "cmd": "echo both >> runs.log && cat left.txt right.txt > both.txt",
        "deps": ["left.txt", "right.txt"],
        "outs": ["both.txt"],
        "meta": {"minutes": 2.5},
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (tmp_path / "params.yaml").write_text("profile: sample\n")
    (tmp_path / "in.txt").write_text("1\n")
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def test_the_pipeline_runs_side_by_side_once_and_again_after_a_change(repository, capsys):
    pipeline.side_by_side(repository, 2)
    log = (repository / "runs.log").read_text().split()
    assert sorted(log[:2]) == ["left", "right"]
    assert log[2:] == ["both"]
    assert "both | Running stage 'both':" in capsys.readouterr().out
    assert set(budget.table("sample", repository)["stage"]) == {"left", "right", "both"}

    pipeline.side_by_side(repository, 2)
    assert capsys.readouterr().out == "Data and pipelines are up to date.\n"

    (repository / "left.txt").write_text("lost\n")
    assert lanes.outdated(repository) == {"left": Step(), "both": Step(frozenset({"left"}), 2.5)}
    pipeline.side_by_side(repository, 2)
    assert (repository / "both.txt").read_text() == "1\n1\n"
    lock = yaml.safe_load((repository / "dvc.lock").read_text())
    assert set(lock["stages"]) == {"left", "right", "both"}


def test_a_target_brings_what_it_needs_and_no_more(repository):
    assert set(lanes.outdated(repository, ["left"])) == {"left"}
    assert set(lanes.outdated(repository, ["both"])) == {"left", "right", "both"}
    with pytest.raises(pipeline.PipelineError, match="^lef: no stage or group of dvc.yaml$"):
        pipeline.side_by_side(repository, 2, ["lef"])


def test_a_failed_stage_is_named_and_finished_ones_are_kept(repository, capsys):
    (repository / "right.py").write_text("raise SystemExit('no such thing')")
    (repository / "right.here").touch()
    with pytest.raises(pipeline.PipelineError, match="stopped at right; the reason is above"):
        pipeline.side_by_side(repository, 2)
    assert "right | no such thing" in capsys.readouterr().out
    assert set(lanes.outdated(repository)) == {"right", "both"}


def test_no_more_stages_at_once_than_memory_holds():
    gigabytes = [2, 8, 11, 64]
    assert [pipeline.lanes_that_fit(2, size * 2**30) for size in gigabytes] == [1, 1, 2, 2]
    assert pipeline.lanes_that_fit(1, 64 * 2**30) == 1


def test_a_pipeline_that_dvc_cannot_read_is_one_line(repository):
    (repository / "dvc.yaml").write_text("stages: {left: {deps: [x]}}")
    with pytest.raises(pipeline.PipelineError) as error:
        pipeline.side_by_side(repository, 2)
    assert "\n" not in str(error.value)
    assert "dvc.yaml" in str(error.value)
