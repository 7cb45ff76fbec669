"""What the papers printed is kept as data, and what follows from it is recomputed."""

import pytest

from lib.memes import published
from lib.memes.nets.autoencoder import CromAE
from lib.memes.nets.head import RawNCook
from lib.memes.systems import SYSTEMS


def test_trivial_scores_are_those_of_the_label_counts():
    found = published.trivial_scores()
    assert found["all negative"] == pytest.approx(0.4139, abs=5e-5)
    assert found["all positive"] == pytest.approx(0.2201, abs=5e-5)
    assert found["random at training prevalence"] == pytest.approx(0.4949, abs=5e-4)


def test_parameters_are_those_of_the_modules():
    sizes = published.parameters()
    count = [sum(p.numel() for p in m.parameters()) for m in (CromAE(), RawNCook())]
    assert count == [sizes["auto-encoder"], sizes["head"]] == [1_181_952, 791_556]
    assert sizes["all"] == 3_155_460


def test_both_versions_stand_side_by_side():
    table = published.versions().set_index(["ratio", "system"])
    assert len(table) == 9
    assert table.loc[(0.05, "tib_va"), "difference"] == pytest.approx(0.6392 - 0.4150)


def test_printed_systems_are_systems_of_the_study():
    known = set(SYSTEMS)
    assert set(published.thesis()["system"]) <= known
    assert set(published.ablation()["system"]) <= known
    assert all(SYSTEMS[name].paper for name in published.thesis()["system"])


def test_statements_that_the_print_contradicts():
    table = published.statements().set_index("statement")["holds"]
    assert not table["ours has the best AUC at .3"]
    assert not table["the two parts add up"]
    assert not table["Ext-PIE-Net at .1 scores more than giving no label"]
    assert table["the system has 3.1 million parameters"]


def test_ablation_effects_are_differences_of_the_table():
    effects = published.ablation_effects()
    assert effects["DB loss alone"] == pytest.approx(0.0291)
    assert effects["auto-encoder on top of the loss"] == pytest.approx(0.0068)


def test_a_printed_number_is_a_score_or_a_count():
    assert published.shown(0.4139) == ".4139"
    assert published.shown(3_155_460) == "3,155,460"
