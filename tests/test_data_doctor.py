"""The data doctor: says what is there, what is missing, which file is malformed, how to get it."""

import subprocess
import sys

import pytest
import yaml

from lib.data import doctor
from lib.data.readers.registry import READERS
from lib.paths import ROOT
from lib.sample.instacities import smoke_corpus


@pytest.fixture
def config(tmp_path):
    def write(root):
        sections = yaml.safe_load((ROOT / "profiles" / "smoke.yaml").read_text())
        sections["data"]["instacities"]["root"] = str(root)
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(sections))
        return file

    return write


def test_every_registered_data_set_has_a_source_and_no_other_has():
    assert set(doctor.sources()) == set(READERS)


def test_a_folder_that_can_be_read_is_ready_with_its_drops(config):
    root = smoke_corpus()
    finding = doctor.examine("instacities", root, config(root))
    assert finding.state == "ready"
    assert "with a picture" in finding.lines[0]
    assert any(line.startswith("dropped: ") for line in finding.lines)


def test_an_absent_set_says_how_to_get_it(config, tmp_path):
    source = doctor.sources()["instacities"]
    real = doctor.Finding(ROOT / source.where, "absent", ())
    text = "\n".join(doctor.report("instacities", [real]))
    assert source.get in text
    assert source.licence in text
    assert f"data.instacities.root: {source.where}" in text
    assert doctor.examine("instacities", tmp_path / "none", config("")).state == "absent"


def test_a_malformed_set_names_the_file_and_fails(config, tmp_path):
    folder = tmp_path / "wrong"
    (folder / "captions").mkdir(parents=True)
    finding = doctor.examine("instacities", folder, config(folder))
    assert finding.state == "malformed"
    command = [sys.executable, "-m", "lib.data.doctor", "instacities"]
    done = subprocess.run(
        [*command, "--config", config(folder)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert finding.lines[0] in done.stdout


def test_an_unknown_data_set_is_one_line():
    command = [sys.executable, "-m", "lib.data.doctor", "instacity"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("doctor: instacity: unknown data set; there are instacities")
    assert len(done.stderr.splitlines()) == 1


def test_reproducing_repeats_the_sources():
    lines = (ROOT / "REPRODUCING.md").read_text().splitlines()
    for name, source in doctor.sources().items():
        cells = [f"{name}: {source.title}", source.get, source.licence, source.size]
        cells += [f"`{source.where}`", source.gpu_hours]
        assert f"| {' | '.join(cells)} |" in lines
