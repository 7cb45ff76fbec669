"""Switching profiles: comments stay, the way back is exact, a wrong key or lost work is refused."""

import shutil

import pytest
import yaml
from dvc.repo import Repo

from lib import profiles
from lib.paths import ROOT

SAMPLE = """# the sample profile
profile: sample  # its name

data:
  set: {root: data/sample/set}  # folder
  seed: 3  # no unit
train:
  rates: [0.1, 1.0e-3]  # 1
  text: "quoted: yes"  # kept
"""
PAPER = "profile: paper\ndata:\n  set:\n    root: data/raw/set\ntrain:\n  rates: [0.5]\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "params.yaml").write_text(SAMPLE)
    (tmp_path / "profiles/paper.yaml").write_text(PAPER)
    return tmp_path


def text(root):
    return (root / "params.yaml").read_text()


def test_there_and_back(root):
    assert profiles.switch("paper", root) == "params.yaml now holds the profile paper"
    expected = SAMPLE.replace("profile: sample ", "profile: paper ").replace("/sample/", "/raw/")
    expected = expected.replace("[0.1, 1.0e-3]", "[0.5]")
    assert text(root).split() == expected.split()  # but for the columns of comments
    assert text(root).count("\n") == expected.count("\n")
    profiles.switch("paper", root)
    assert "data/raw/set" in text(root)
    profiles.switch("sample", root)
    assert text(root) == SAMPLE


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "rates",
            "rate",
            r"profiles/paper\.yaml: train\.rate: not in params\.yaml; .*train\.rates",
        ),
        ("root: data", "rot: data", r"data\.set\.rot: not in params\.yaml; .*data\.set\.root"),
        ("  rates: [0.5]", " 3", r"train: a section and a value cannot replace each other"),
        ("profile: paper", "profile: papre", "profile: must be paper, got 'papre'"),
        ("[0.5]", "[0.5", "not valid YAML"),
    ],
)
def test_a_wrong_overlay_is_refused_and_nothing_is_written(root, old, new, message):
    (root / "profiles/paper.yaml").write_text(PAPER.replace(old, new))
    with pytest.raises(profiles.ProfileError, match=message) as caught:
        profiles.switch("paper", root)
    assert "\n" not in str(caught.value)
    assert text(root) == SAMPLE
    assert not (root / "profiles/.base.yaml").exists()


def test_settings_typed_into_an_overlay_are_not_lost(root):
    profiles.switch("paper", root)
    (root / "params.yaml").write_text(text(root).replace("seed: 3", "seed: 4"))
    with pytest.raises(profiles.ProfileError, match="was changed by hand"):
        profiles.switch("sample", root)
    assert "seed: 4" in text(root)


def test_unknown_profile_and_lost_base_are_named(root):
    with pytest.raises(profiles.ProfileError, match="no profile papre; known: sample, paper"):
        profiles.switch("papre", root)
    profiles.switch("paper", root)
    (root / "profiles/.base.yaml").unlink()
    with pytest.raises(profiles.ProfileError, match="git checkout params.yaml"):
        profiles.switch("sample", root)


def test_the_projects_own_overlays_fit():
    base = (profiles.ROOT / "params.yaml").read_text()
    for path in profiles.ROOT.glob("profiles/[a-z]*.yaml"):
        assert f"profile: {path.stem}" in profiles.overlaid(base, path.stem)


@pytest.mark.parametrize("name", ["paper", "ci"])
def test_a_profile_of_the_repository_fits_and_writes_beside_the_sample_report(name):
    base = (ROOT / "params.yaml").read_text()
    made = yaml.safe_load(profiles.overlaid(base, name))
    assert made["profile"] == name
    assert made["index"] != yaml.safe_load(base)["index"]
    assert made["data"]["news_pairs"]["exclude"] == [f"data/pairs/{name}/newsimages.parquet"]


@pytest.mark.parametrize("name", ["paper", "ci"])
def test_every_stage_resolves_and_none_of_the_paper_s_takes_what_is_of_the_sample(tmp_path, name):
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    base = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(profiles.overlaid(base, name))
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        stages = repo.index.stages
        known = {stage.name.partition("@")[0] for stage in stages}
        named = {
            stage.name: [str(stage.cmd), *(str(one) for one in (*stage.deps, *stage.outs))]
            for stage in stages
            if stage.name != "source" and not stage.name.startswith("sample_")
        }
    assert known == set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    if name == "paper":
        assert not {stage for stage, texts in named.items() if "sample" in " ".join(texts)}
