"""dvc.yaml keeps the pipeline's rules, and a killed run is gone on with."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import pytest
import yaml

from lib import notebooks, pipeline
from lib.paths import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
STEPS = {name: stage.get("do", stage) for name, stage in STAGES.items()}
COMMANDS = {
    name: [step["cmd"]] if isinstance(step["cmd"], str) else step["cmd"]
    for name, step in STEPS.items()
}
PAPERMILL = [name for name, commands in COMMANDS.items() if "papermill " in commands[-1]]
READERS = ["data_preparation", "data_preparation_news_pairs"]  # they list a data set's files


def outs_of(step):
    """Return path -> options of a stage's outputs."""
    outs = [out if isinstance(out, dict) else {out: {}} for out in step["outs"]]
    return {path: options for out in outs for path, options in out.items()}


@pytest.mark.parametrize("name", PAPERMILL)
def test_a_notebook_stage_passes_declared_parameters_and_declares_its_files(name):
    step, command = STEPS[name], COMMANDS[name][-1]
    assert command.startswith("papermill --engine strict ")
    source, target = command.split()[3:5]
    passed = dict(re.findall(r"-p (\S+) (\S+)", command))
    notebook = nbformat.read(ROOT / source, as_version=4)
    known = notebooks.declared(notebooks.parameters_source(notebook, source))
    assert set(passed) <= set(known)
    outs = {path for path in outs_of(step) if not path.endswith(".sha256")}
    assert {v for k, v in passed.items() if known[k].is_output} | {target} == outs
    read = {v for k, v in passed.items() if "/" in v and not known[k].is_output}
    assert read <= set(step["deps"]) | set(roots_of(step))


def roots_of(step):
    """Return the data folders whose lists of files (lib.files) a stage depends on."""
    keys = re.findall(r"/(\w+|\$\{[\w.]+\})\.sha256", " ".join(step["deps"]))
    return ["${item.root}" if "$" in key else f"${{data.{key}.root}}" for key in keys]


@pytest.mark.parametrize("name", STEPS)
def test_a_folder_of_pictures_is_looked_at_once(name):
    step = STEPS[name]
    for command in COMMANDS[name]:
        for root in re.findall(r"root[= ](\$\{[\w.]+\})", command):
            assert (root in step["deps"]) == (name in READERS)
            assert (root in roots_of(step)) == (name not in READERS)


@pytest.mark.parametrize("name", READERS)
def test_the_stage_that_reads_a_data_set_lists_its_files_first(name):
    command = COMMANDS[name][0].split()
    assert command[:4] == ["python", "-m", "lib.files", "--root"]
    assert command[4] in STEPS[name]["deps"]
    assert command[-1] in outs_of(STEPS[name])


@pytest.mark.parametrize("name", STEPS)
def test_a_stage_depends_on_its_fingerprint_not_on_bytes_of_code(name):
    step = STEPS[name]
    if name == "source":
        return
    for command in COMMANDS[name]:
        code = re.search(r"notebooks/(\w+)\.ipynb|python -m (lib[\w.]*)", command)
        assert f"artefacts/fingerprints/{code[1] or code[2]}.txt" in step["deps"]
    if name != "reports":  # it takes prose from the notebooks, and is cheap
        assert not any(dep.startswith(("lib", "notebooks")) for dep in step["deps"])
    assert step.get("params") or "params.yaml" in step["deps"], "a stage without settings"


def test_the_source_stage_covers_every_module_that_a_stage_runs():
    named = set(STEPS["source"]["cmd"].split())
    lines = [line for commands in COMMANDS.values() for line in commands]
    run = {found[1] for line in lines if (found := re.match(r"python -m (\S+)", line))}
    assert run - {"lib.fingerprint"} <= named
    assert "notebooks/*.ipynb" in named


@pytest.mark.parametrize("name", STEPS)
def test_only_reports_write_files_of_git_and_paths_carry_the_profile(name):
    for path, options in outs_of(STEPS[name]).items():
        if options.get("cache") is False:
            assert name == "reports"
            assert path == "${index}" or path.startswith("reports/")
        elif name != "source":
            assert "${profile}" in path or "sample" in path


SLOW = "{python} -c 'import time; time.sleep(0 if open(\"go\").read() else 60)' && echo b > b.txt"


@pytest.fixture
def repository(tmp_path):
    """A repository of two stages: the first counts its runs, the second is slow until told."""
    stages = {
        "first": {"cmd": "echo run >> runs.log; echo a > a.txt", "outs": ["a.txt"]},
        "second": {
            "cmd": SLOW.format(python=sys.executable),
            "deps": ["a.txt"],
            "outs": ["b.txt"],
        },
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (tmp_path / "params.yaml").write_text("profile: sample\n")
    (tmp_path / "go").touch()
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def test_a_killed_run_is_gone_on_with(repository):
    command = [sys.executable, "-m", "dvc", "repro", "-q"]
    process = subprocess.Popen(command, cwd=repository, start_new_session=True)
    deadline = time.monotonic() + 30
    lock = repository / ".dvc" / "tmp" / "rwlock"
    while "b.txt" not in (lock.read_text() if lock.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)  # DVC may be writing the file anew
    with pytest.raises(pipeline.PipelineError, match=f"going on .process {process.pid}."):
        pipeline.clear_lock(repository)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert pipeline.clear_lock(repository) == [
        "removed what a killed run had left in DVC's lock file"
    ]
    (repository / "go").write_text("now")
    assert pipeline.reproduce(repository, ["-q"]) == 0
    assert (repository / "b.txt").read_text() == "b\n"
    assert (repository / "runs.log").read_text() == "run\n"  # the finished stage was kept


def test_a_lock_of_a_reused_number_or_cut_off_is_removed(tmp_path):
    lock = tmp_path / ".dvc" / "tmp" / "rwlock"
    lock.parent.mkdir(parents=True)
    assert pipeline.clear_lock(tmp_path) == []
    for text in (json.dumps({"write": {"x": {"pid": 1, "cmd": "dvc repro"}}}), '{"read": {"a'):
        lock.write_text(text)
        assert len(pipeline.clear_lock(tmp_path)) == 1
        assert not lock.exists()


def test_only_a_real_profile_may_ask_a_hub(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert pipeline.environment("sample")["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in pipeline.environment("paper")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("lane: 2", "machine.lane: unknown key; did you mean lanes?"),
        ("lanes: two", "machine.lanes: expected int, got 'two'"),
        ("lanes: 0", "machine.lanes: must be at least 1, got 0"),
        ("threads: -1", "machine.threads: must not be negative, got -1"),
    ],
)
def test_a_mistaken_setting_of_the_run_is_one_line(repository, monkeypatch, text, line):
    (repository / "params.yaml").write_text(f"profile: sample\nindex: a.txt\nmachine: {{{text}}}")
    monkeypatch.setattr(pipeline, "ROOT", repository)
    monkeypatch.setattr(sys, "argv", ["pipeline"])
    with pytest.raises(SystemExit) as end:
        pipeline.main()
    assert str(end.value).startswith("pipeline: ")
    assert str(end.value).endswith(f"params.yaml: {line}")
    assert not (repository / "runs.log").exists()
