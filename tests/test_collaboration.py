"""Colleagues without a GPU, and profiles: a costly stage is never run twice for the same result.

A repository of the same shape as ours, in which each stage notes that it ran: a costly stage with
cached outputs under the profile's name, and a cheap one whose outputs git keeps.
"""

import contextlib
import shutil
import subprocess

import pytest
import yaml
from dvc.cli import main

from lib.paths import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")

NOTE = "echo {0} >> {1}; "
STAGES = {
    "train": {
        "deps": ["code.txt"],
        "params": ["size"],
        "outs": ["artefacts/${profile}/model.txt"],
        "make": "mkdir -p artefacts/${profile}; echo ${size} > artefacts/${profile}/model.txt",
    },
    "reports": {
        "deps": ["artefacts/${profile}/model.txt"],
        "params": ["title"],
        "outs": [{"reports/${profile}/table.txt": {"cache": False}}],
        "make": "mkdir -p reports/${profile}; "
        "(echo ${title}; cat artefacts/${profile}/model.txt) > reports/${profile}/table.txt",
    },
}


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(folder, *arguments):
    """Run a command of DVC in this process: starting a new one costs more than the work."""
    with contextlib.chdir(folder):
        assert main(list(arguments)) == 0


def settings(folder, **values):
    (folder / "params.yaml").write_text(yaml.safe_dump(values))


@pytest.fixture
def ran(tmp_path):
    """Names of the stages that ran since the last look."""
    log = tmp_path / "ran.txt"

    def look():
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names

    return look


@pytest.fixture
def repository(tmp_path):
    home = tmp_path / "home"
    shutil.copytree(ROOT / ".dvc", home / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    stages = {
        name: {k: v for k, v in stage.items() if k != "make"}
        | {"cmd": NOTE.format(name, tmp_path / "ran.txt") + stage["make"]}
        for name, stage in STAGES.items()
    }
    (home / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (home / "code.txt").write_text("1")
    (home / ".gitignore").write_text("/artefacts/\n")
    settings(home, profile="sample", size=3, title="a")
    run(home, "git", "init", "-q")
    dvc(home, "repro", "-q")
    run(home, "git", "add", "-A")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    run(home, "git", *who, "commit", "-qm", "all")
    return home


def test_a_colleague_pulls_the_costly_and_makes_the_cheap(repository, tmp_path, ran):
    assert ran() == ["train", "reports"]
    dvc(repository, "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    dvc(repository, "push", "-q")
    clone = tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", str(repository), str(clone))
    dvc(clone, "remote", "add", "-q", "-d", "-f", "store", str(tmp_path / "store"))
    dvc(clone, "pull", "-q")
    dvc(clone, "repro", "-q")
    assert ran() == []  # the committed results are the pulled ones
    settings(clone, profile="sample", size=3, title="b")
    dvc(clone, "repro", "-q")
    assert ran() == ["reports"]
    assert (clone / "reports/sample/table.txt").read_text() == "b\n3\n"
    settings(clone, profile="sample", size=4, title="b")
    dvc(clone, "repro", "-q")
    assert ran() == ["train", "reports"]  # the check above can fail


def test_a_profile_comes_back_from_the_cache(repository, ran):
    ran()
    settings(repository, profile="paper", size=9, title="a")
    dvc(repository, "repro", "-q")
    assert ran() == ["train", "reports"]
    settings(repository, profile="sample", size=3, title="a")
    dvc(repository, "repro", "-q")
    assert "train" not in ran()
    assert (repository / "artefacts/sample/model.txt").read_text() == "3\n"
    assert (repository / "artefacts/paper/model.txt").read_text() == "9\n"
    settings(repository, profile="paper", size=9, title="a")
    dvc(repository, "repro", "-q")
    assert "train" not in ran()
