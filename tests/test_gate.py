"""The gate on a scratch repository: a clone without data is clean, every kind of drift is not."""

import shutil
import subprocess
import sys

import pytest

from lib import gate
from lib.paths import ROOT

PIPELINE = """
stages:
  source:
    cmd: {python} -m lib.fingerprint --out artefacts/fingerprints notebooks/*.ipynb lib.train
    deps: [lib, notebooks]
    outs: [artefacts/fingerprints]
  train:
    cmd: {python} -m lib.train ${{train.seed}}
    deps: [artefacts/fingerprints/lib.train.txt]
    outs:
      - artefacts/${{profile}}/model.txt
  reports:
    cmd: mkdir -p reports && cp -r artefacts/${{profile}} reports/${{profile}}
    deps:
      - artefacts/${{profile}}/model.txt
      - artefacts/fingerprints/n.txt
    params: [train.title]
    outs:
      - reports/${{profile}}:
          cache: false
"""
TRAIN = """import sys
from lib.used import STEP
with open('artefacts/sample/model.txt', 'w') as file:
    file.write(str(int(sys.argv[1]) + STEP))
"""


def dvc(root, *arguments):
    subprocess.run([sys.executable, "-m", "dvc", *arguments, "-q"], cwd=root, check=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository whose pipeline has run, without what git would ignore: as a fresh clone."""
    root = tmp_path_factory.mktemp("made")
    (root / "lib").mkdir()
    for name in ("__init__", "paths", "fingerprint"):
        shutil.copy(ROOT / "lib" / f"{name}.py", root / "lib")
    (root / "lib/train.py").write_text(TRAIN)
    (root / "lib/used.py").write_text("STEP = 1\n")
    (root / "notebooks").mkdir()
    cell = '{"cell_type": "%s", "source": "%s"}'
    cells = ", ".join([cell % ("markdown", "prose"), cell % ("code", "x = 1")])
    (root / "notebooks/n.ipynb").write_text(f'{{"cells": [{cells}]}}')
    (root / "dvc.yaml").write_text(PIPELINE.format(python=sys.executable))
    (root / "params.yaml").write_text("profile: sample\ntrain:\n  seed: 1\n  title: a\n")
    (root / "artefacts/sample").mkdir(parents=True)
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    shutil.copy(ROOT / ".dvcignore", root)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    dvc(root, "repro")
    shutil.rmtree(root / "artefacts")
    shutil.rmtree(root / ".dvc/cache")
    return root


@pytest.fixture
def clone(repository, tmp_path):
    return shutil.copytree(repository, tmp_path / "clone")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_fresh_clone_is_clean_and_stays_so_after_prose_and_comments(clone):
    assert gate.findings(clone) == []
    edit(clone / "notebooks/n.ipynb", "prose", "other prose")
    edit(clone / "lib/used.py", "STEP = 1", "STEP = 1  # a comment")
    assert gate.findings(clone) == []


def test_settings_commands_and_results_are_caught_together(clone):
    edit(clone / "params.yaml", "title: a", "title: b")
    edit(clone / "params.yaml", "seed: 1", "seed: 2")
    edit(clone / "reports/sample/model.txt", "2", "3")
    assert gate.findings(clone) == [
        "train: changed command",
        "reports: changed deps: params.yaml: train.title: modified",
        "reports: changed outs: reports/sample: modified",
    ]


def test_code_in_a_transitively_imported_module_is_caught(clone):
    edit(clone / "lib/used.py", "1", "2")
    expected = "train: the code of lib.train is not the code that made the results"
    assert gate.findings(clone) == [expected]


def test_code_of_a_notebook_and_a_missing_report_are_caught(clone):
    edit(clone / "notebooks/n.ipynb", "x = 1", "x = 2")
    shutil.rmtree(clone / "reports/sample")
    assert gate.findings(clone) == [
        "reports: the code of notebooks/n.ipynb is not the code that made the results",
        "reports: reports/sample: missing, it is kept in git",
    ]


def test_a_stage_that_never_ran_and_a_removed_setting_are_caught(clone):
    with (clone / "dvc.yaml").open("a") as file:
        file.write("  new:\n    cmd: touch new.txt\n    deps: [absent.txt]\n    outs: [new.txt]\n")
    edit(clone / "params.yaml", "  title: a\n", "")
    assert gate.findings(clone) == [
        "new: never run",
        "reports: changed deps: params.yaml: train.title: deleted",
    ]


def test_another_profile_and_a_missing_lock_are_named(clone):
    edit(clone / "params.yaml", "profile: sample", "profile: paper")
    assert gate.findings(clone) == ["params.yaml holds the profile paper: `make profile` goes back"]
    (clone / "dvc.lock").unlink()
    assert gate.findings(clone) == ["dvc.lock is missing: run `make repro` and commit it"]
