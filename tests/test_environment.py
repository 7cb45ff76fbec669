"""environment.yml, pyproject.toml and requirements.txt agree, and the set-up says what is wrong."""

import importlib.metadata
import re
import shutil
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from rattler import MatchSpec, Version, VersionSpec
from rattler.exceptions import InvalidMatchSpecError

from lib import environment
from lib.paths import ROOT

FILES = ("environment.yml", "pyproject.toml", "requirements.txt")
LINE = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)")


def read_lock(root):
    """Return name -> version of the lock, and a line for each entry that pins nothing."""
    lines = (root / "requirements.txt").read_text().splitlines()
    entries = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    found = {line: LINE.fullmatch(line.strip()) for line in entries}
    pins = {canonicalize_name(match[1]): match[2] for match in found.values() if match}
    return pins, [f"requirements.txt: not a pin: {line}" for line, m in found.items() if not m]


def drift(root):
    """Return one line for each way in which the three files do not agree."""
    lock, defects = read_lock(root)
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    for wanted in map(Requirement, [*project["dependencies"], *extras]):
        version = lock.get(canonicalize_name(wanted.name))
        if version is None:
            defects.append(f"requirements.txt: {wanted.name} of pyproject.toml is missing")
        elif not wanted.specifier.contains(version):
            defects.append(f"requirements.txt: {wanted.name}=={version} does not satisfy {wanted}")
    conda = yaml.safe_load((root / "environment.yml").read_text())
    *specs, pip = conda["dependencies"]
    if pip != {"pip": ["-r requirements.txt", "-e ."]}:
        defects.append(f"environment.yml: pip: must be the lock and this project, got {pip}")
    try:
        python = next(m for m in map(MatchSpec, specs) if m.name.normalized == "python")
    except InvalidMatchSpecError as error:
        return [*defects, f"environment.yml: {error}"]
    spec = VersionSpec(python.version)
    allowed = SpecifierSet(project["requires-python"])
    for minor in range(10, 15):
        in_conda = spec.matches(Version(f"3.{minor}.4"))
        if in_conda != allowed.contains(f"3.{minor}.4"):
            defects.append(f"environment.yml: {python} and requires-python differ on 3.{minor}")
    return defects


@pytest.fixture
def copy(tmp_path):
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_the_three_files_agree():
    assert drift(ROOT) == []


@pytest.mark.parametrize(
    ("name", "pattern", "new", "finding"),
    [
        ("requirements.txt", r"papermill==.*\n", "", "papermill of pyproject.toml is missing"),
        ("requirements.txt", r"torch==.*", "torch==1.0.0", "torch==1.0.0 does not satisfy"),
        ("requirements.txt", r"tqdm==.*", "tqdm>=4", "not a pin: tqdm>=4"),
        ("pyproject.toml", r'"dvc>=3.67,<4"', '"dvc>=4"', "does not satisfy dvc>=4"),
        ("pyproject.toml", r">=3.11,<3.12", ">=3.11,<3.13", "differ on 3.12"),
        ("environment.yml", r"python=3.11", "python=3.12", "differ on 3.11"),
        ("environment.yml", r"python=3.11", "python==3.11=[", "environment.yml:"),
        ("environment.yml", r"- -e \.", "- numpy", "pip: must be the lock"),
    ],
)
def test_a_drifted_copy_is_caught(copy, name, pattern, new, finding):
    text, count = re.subn(pattern, new, (copy / name).read_text(), count=1)
    assert count == 1
    (copy / name).write_text(text)
    assert any(finding in line for line in drift(copy)), drift(copy)


def test_every_conda_line_has_one_pin_and_one_reason():
    lines = (ROOT / "environment.yml").read_text().partition("dependencies:\n")[2].splitlines()
    for line in lines:
        assert line.strip() == "- pip:" or re.fullmatch(r" +- \S.*  # \S.*", line), line


def test_what_is_installed_is_the_lock():
    lock, _ = read_lock(ROOT)
    installed = {name: importlib.metadata.version(name) for name in lock}
    assert {n: v for n, v in installed.items() if v != lock[n]} == {}


def test_another_python_and_a_full_disk_are_one_line(tmp_path):
    for problem, expected in (
        (lambda: environment.check_python((3, 12)), "Python 3.11 is needed, found 3.12"),
        (lambda: environment.check_disk(tmp_path, 3.2), "needs 9 GB .* 3.2 GB are free"),
    ):
        with pytest.raises(environment.EnvironmentProblem, match=expected) as caught:
            problem()
        assert "\n" not in str(caught.value)
    environment.check_python((3, 11))


def test_where_room_is_short_no_download_is_kept_and_what_is_installed_counts(tmp_path):
    assert environment.check_disk(tmp_path, 100) == []
    assert environment.check_disk(tmp_path, 10) == ["--no-cache-dir"]
    (tmp_path / ".venv").mkdir()
    with (tmp_path / ".venv/torch.so").open("wb") as file:
        file.truncate(7_000_000_000)  # sparse: the size counts, the disk is not filled
    assert environment.check_disk(tmp_path, 2.5) == ["--no-cache-dir"]
    with pytest.raises(environment.EnvironmentProblem, match="1.5 GB are free"):
        environment.check_disk(tmp_path, 1.5)


def test_large_packages_are_installed_one_at_a_time_and_then_the_whole_lock(copy):
    *large, last = environment.steps(copy / "requirements.txt")
    pins = {line for line in (copy / "requirements.txt").read_text().split() if "==" in line}
    assert all(packages == [label] and label in pins for label, packages in large)
    assert {"torch", "triton"} <= {label.partition("==")[0] for label, _ in large}
    assert last == ("packages", ["-r", copy / "requirements.txt"])


def test_the_environment_is_ready_only_when_finished_and_current(copy):
    assert not environment.is_ready(copy)
    (copy / ".venv").mkdir()
    assert not environment.is_ready(copy)  # interrupted before the end
    (copy / ".venv/.stamp").write_text(environment.stamp(copy))
    assert environment.is_ready(copy)
    with (copy / "requirements.txt").open("a") as file:
        file.write("new-package==1.0\n")
    assert not environment.is_ready(copy)


def test_a_failing_step_is_one_line_with_its_reason(tmp_path):
    script = "import sys; print('ERROR: no such package'); print('notice: x'); sys.exit(1)"
    with pytest.raises(environment.EnvironmentProblem) as caught:
        environment.run([environment.sys.executable, "-c", script], tmp_path / "log", "packages")
    log = tmp_path / "log"
    assert str(caught.value) == f"packages failed: ERROR: no such package ({log})"
