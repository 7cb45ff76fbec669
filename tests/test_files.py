"""The list of a data set's files: DVC runs what depends on it again when a picture changes."""

import os
import subprocess
import sys

import pytest
import yaml

from lib import files
from lib.paths import ROOT

STAGES = {
    "files": {
        "cmd": f"{sys.executable} -m lib.files --root $PWD/pictures --out $PWD/pictures.sha256",
        "deps": ["pictures"],
        "outs": ["pictures.sha256"],
    },
    "used": {
        "cmd": "echo run >> runs.log; cat pictures/a/1.jpg > used.txt",
        "deps": ["pictures.sha256"],
        "outs": ["used.txt"],
    },
}


@pytest.fixture
def folder(tmp_path):
    """A folder of two pictures, in folders of their own."""
    for name in ("a/1.jpg", "b/2.jpg"):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True)
        (tmp_path / "pictures" / name).write_bytes(name.encode())
    return tmp_path


def test_every_file_is_listed_as_sha256sum_reads_it(folder):
    files.main(["--root", str(folder / "pictures"), "--out", str(folder / "list")])
    names = [line.split("  ")[1] for line in (folder / "list").read_text().splitlines()]
    assert names == ["a/1.jpg", "b/2.jpg"]
    command = ["sha256sum", "--check", "--strict", "../list"]
    subprocess.run(command, cwd=folder / "pictures", check=True, capture_output=True)


def test_a_missing_data_set_is_one_line_and_leaves_no_list(folder):
    with pytest.raises(SystemExit, match="nothing: no files; is the data set there"):
        files.main(["--root", str(folder / "nothing"), "--out", str(folder / "list")])
    assert not (folder / "list").exists()


def test_a_changed_picture_runs_what_depends_on_it_again(folder):
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "true"}

    def dvc(*arguments):
        command = [sys.executable, "-m", "dvc", *arguments, "-q"]
        subprocess.run(command, cwd=folder, env=environment, check=True)

    dvc("init", "--no-scm")
    dvc("repro")
    dvc("repro")
    assert (folder / "runs.log").read_text() == "run\n"  # nothing changed, nothing ran
    (folder / "pictures/a/1.jpg").write_bytes(b"A/1.jpg")  # one byte, the same size
    dvc("repro")
    assert (folder / "used.txt").read_text() == "A/1.jpg"
    (folder / "pictures/b/2.jpg").unlink()
    dvc("repro")
    assert (folder / "runs.log").read_text() == "run\n" * 3
