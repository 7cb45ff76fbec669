"""Settings: every section loads into its dataclass; every mistake is one line naming the key."""

from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal

import pytest
import yaml
from ruamel.yaml import YAML

from lib import params
from lib.paths import ROOT

CONFIGS = ("params.yaml", "profiles/smoke.yaml")
SECTIONS = {
    "machine": "lib.machine:Machine",
    "data.instacities": "lib.data.readers.instacities:Settings",
    "sample.instacities": "lib.sample.instacities.posts:Settings",
    "data.newsimages": "lib.data.readers.newsimages:Settings",
    "data.news_pairs": "lib.data.readers.news_pairs:Settings",
    "sample.newsimages": "lib.sample.newsimages:Settings",
    "rewriting": "lib.retrieval.rewriting:Settings",
    "finetune_retrieval": "lib.retrieval.finetune:FinetuneRetrieval",
    "wise_ft_retrieval": "lib.retrieval.study.inputs:WiseFtRetrieval",
    "translation": "lib.retrieval.rewriting:Settings",
    "sample.nmb": "lib.sample.nmb:Settings",
    "sample.mami": "lib.sample.mami:Settings",
    "data.nmb": "lib.data.readers.fnd.nmb:Settings",
    "data.weibo": "lib.data.readers.fnd.weibo:Settings",
    "data.fakenewsnet": "lib.data.readers.fnd.fakenewsnet:Settings",
    "data.mami": "lib.data.readers.mami:Settings",
    "features_nmb": "lib.fnd.features:FeatureSettings",
    "fnd_clip_training": "lib.fnd.training:FndClipTraining",
    "fnd_study": "lib.fnd.study.plan:FndStudy",
    "memes_ocr": "lib.memes.ocr:Settings",
    "memes_rivals": "lib.memes.rivals.features:FeatureSettings",
    "ssl_memes": "lib.memes.study.inputs:SslMemes",
    "vlm_qlora": "lib.vlm:VlmQlora",
    "embed": "lib.embed:EmbedSettings",
    "sample_clip": "lib.sample.clip:ClipSettings",
    "zero_shot_places": "lib.places.study.systems:ZeroShotPlaces",
    "reports": "lib.report.writer:Settings",
}
NOT_SETTINGS = {
    "profile",
    "tuned",
    "memes_encoder",
    "models",
    "index",
}  # only dvc.yaml reads them
GROUPS = {"data", "sample"}  # hold one section a data set


def sections(config):
    """Return the names of the sections in a settings file."""
    for name, value in params.read(config).items():
        if name in GROUPS:
            yield from (f"{name}.{key}" for key in value)
        elif name not in NOT_SETTINGS:
            yield name


@dataclass(frozen=True)
class Inner:
    size: int = 1


@dataclass(frozen=True)
class Example:
    rate: float
    seed: int
    ks: tuple[int, ...] = (1,)
    kind: Literal["a", "b"] = "a"
    limit: int | None = None
    inner: Inner = field(default_factory=Inner)

    def validate(self):
        if self.rate <= 0:
            raise ValueError(f"rate: must be above 0, got {self.rate}")


@pytest.fixture
def load(tmp_path):
    def from_text(text, section="a.b"):
        path = tmp_path / "x.yaml"
        path.write_text(f"a:\n  b: {text}\n")
        return params.load(path, section, Example)

    return from_text


def test_values_are_converted_and_defaults_kept(load):
    settings = load("{rate: 1, seed: 7, ks: [1, 5], limit: null, inner: {size: 3}}")
    assert settings == Example(1.0, 7, (1, 5), "a", None, Inner(3))
    assert isinstance(settings.rate, float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{rate: 1, sede: 7}", "a.b.sede: unknown key; did you mean seed?"),
        ("{rate: 1}", "a.b.seed: missing"),
        ("{rate: 1e-4, seed: 7}", "a.b.rate: expected float, got '1e-4' (in YAML write 1.0e-4"),
        ("{rate: 0, seed: 7}", "a.b.rate: must be above 0, got 0.0"),
        ("{rate: 1, seed: true}", "a.b.seed: expected int, got True"),
        ("{rate: 1, seed: 7.5}", "a.b.seed: expected int, got 7.5"),
        ("{rate: 1, seed: 7, ks: [1, x]}", "a.b.ks[1]: expected int, got 'x'"),
        ("{rate: 1, seed: 7, ks: 3}", "a.b.ks: expected tuple[int, ...], got 3"),
        ("{rate: 1, seed: 7, kind: c}", "a.b.kind: expected one of a, b, got 'c'"),
        ("{rate: 1, seed: 7, limit: x}", "a.b.limit: expected int | None, got 'x'"),
        ("{rate: 1, seed: 7, inner: {sise: 2}}", "a.b.inner.sise: unknown key; did you mean size?"),
        ("5", "a.b: expected a section, got 5"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(load, tmp_path, text, message):
    with pytest.raises(params.ParamsError) as caught:
        load(text)
    assert str(caught.value).startswith(f"{tmp_path / 'x.yaml'}: {message}")
    assert "\n" not in str(caught.value)


def test_missing_section_missing_file_and_broken_yaml_are_one_line(load, tmp_path):
    with pytest.raises(params.ParamsError, match="section a.c is missing"):
        load("{rate: 1, seed: 7}", "a.c")
    with pytest.raises(params.ParamsError, match=r"none\.yaml: no such file"):
        params.load(tmp_path / "none.yaml", "a", Example)
    with pytest.raises(params.ParamsError, match=r"x\.yaml: not valid YAML") as caught:
        load("{rate: [")
    assert "\n" not in str(caught.value)


def test_every_section_is_known():
    assert set(sections("params.yaml")) == set(SECTIONS)
    assert set(sections("profiles/smoke.yaml")) <= set(SECTIONS)


@pytest.mark.parametrize(("config", "section"), [(c, s) for c in CONFIGS for s in sections(c)])
def test_every_section_loads(config, section):
    module, _, name = SECTIONS[section].partition(":")
    cls = getattr(import_module(module), name)
    assert isinstance(params.load(config, section, cls), cls)


def differences(text):
    """Return the scalars that YAML 1.1 (PyYAML: us) and YAML 1.2 (DVC) read differently."""

    def scalars(value, key=""):
        if isinstance(value, dict):
            for name, item in value.items():
                yield from scalars(item, f"{key}.{name}")
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield from scalars(item, f"{key}[{number}]")
        else:
            yield key.lstrip("."), type(value).__name__, value

    ours = list(scalars(yaml.safe_load(text)))
    theirs = list(scalars(YAML(typ="safe", pure=True).load(text)))
    return [a[0] for a, b in zip(ours, theirs, strict=True) if a != b]


@pytest.mark.parametrize("path", sorted([ROOT / "params.yaml", *ROOT.glob("profiles/[a-z]*.yaml")]))
def test_dvc_and_we_read_the_same_numbers(path):
    assert differences(path.read_text()) == []


def test_a_number_read_differently_is_caught():
    assert differences("a: {lr: 1e-4, ok: 1.0e-4}\nb: [on, 1]\n") == ["a.lr", "b[0]"]


def test_every_knob_says_what_it_is():
    """A comment stands on the line of each setting, or on the line above it."""
    lines = (ROOT / "params.yaml").read_text().splitlines()
    bare = [
        line.strip()
        for above, line in zip(["", *lines], lines, strict=False)
        if ": " in line and not line.lstrip().startswith("#")
        if "  #" not in line and not above.lstrip().startswith("#")
    ]
    assert bare == []
