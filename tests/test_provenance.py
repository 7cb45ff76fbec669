"""A run record keeps what fixed a result apart from what happened to be so."""

import json
import resource
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from lib import paths, provenance


@dataclass(frozen=True)
class Settings:
    rate: float = 0.5


def run(path, **kwargs):
    with provenance.run_record(path, "stage", Settings(), seeds=(1, 2), **kwargs):
        pass
    return provenance.read_run(path)


def test_the_fixed_part_is_the_same_every_time(tmp_path):
    first, second = run(tmp_path / "a.json"), run(tmp_path / "b.json")
    assert first["fixed"] == second["fixed"]
    assert first["fixed"]["params"] == {"rate": 0.5}
    assert first["fixed"]["seeds"] == [1, 2]
    lock = provenance.file_digest(paths.ROOT / "requirements.txt")
    assert first["fixed"]["lock_sha256"] == lock


def test_the_observed_part_holds_time_memory_and_commit(tmp_path):
    seen = run(tmp_path / "a.json")["observed"]
    assert set(seen) == {"commit", "finished", "seconds", "peak_memory_mb", "machine"}
    assert 20 < seen["peak_memory_mb"] < 100_000


@pytest.mark.parametrize("larger", [resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN])
def test_the_memory_of_a_child_that_was_waited_for_counts(larger, monkeypatch):
    """As that of a notebook's kernel: the process that writes the record holds little itself."""
    unit = 1024**2 if sys.platform == "darwin" else 1024

    def usage(who):
        return SimpleNamespace(ru_maxrss=(5000 if who == larger else 100) * unit)

    monkeypatch.setattr(provenance.resource, "getrusage", usage)
    assert provenance.peak_memory_mb() == 5000


def test_nothing_volatile_is_in_the_fixed_part(tmp_path):
    text = json.dumps(run(tmp_path / "a.json")["fixed"])
    assert str(paths.ROOT) not in text
    assert not {"commit", "finished", "seconds"} & set(json.loads(text))


def test_a_failed_run_leaves_no_record(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(RuntimeError), provenance.run_record(path, "stage", {}):
        raise RuntimeError("no")
    assert not list(tmp_path.iterdir())


def test_another_device_or_setting_is_another_fixed_part(tmp_path):
    base = provenance.fixed("s", {"a": 1})
    assert provenance.fixed("s", {"a": 2}) != base
    assert provenance.fixed("s", {"a": 1}, device="cuda") != base


def test_outside_a_repository_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.commit() is None


def test_records_of_artefacts_stand_outside_the_stages_outputs():
    out = paths.ROOT / "artefacts" / "sample" / "embeddings" / "instacities" / "l"
    runs = paths.ROOT / "artefacts" / "sample" / "runs"
    assert provenance.record_path(out) == runs / "embeddings-instacities-l.json"
    assert provenance.record_path(paths.ROOT / "notebooks" / "03.ipynb") is None


def test_a_run_without_a_record_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with provenance.run_record(None, "stage", {}) as part:
        assert part["stage"] == "stage"
    assert not list(tmp_path.iterdir())
