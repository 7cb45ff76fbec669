"""The retrieval findings by hand, and the page made of them."""

import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.report import html, retrieval, site
from lib.report.retrieval import pages, smoke
from lib.report.writer import Settings
from lib.retrieval import findings, published
from lib.retrieval.findings import claims, ranking, scores, slices, tuning

SETTINGS = Settings(bootstrap=50, sheet=8)
SETS = ("2022-rt", "2022-rss", "2023-p2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("study")
    smoke.write_study(made, 40, 3, SETS)
    return made


@pytest.fixture(scope="module")
def found(folder):
    return findings.read(folder / "predictions", folder / "pairs.parquet", True, 50)


@pytest.fixture(scope="module")
def out(found, folder, tmp_path_factory):
    made = tmp_path_factory.mktemp("reports") / "sample"
    heads = pages.write_retrieval(found, made, SETTINGS, folder)
    site.write_data(made, None, None, True)
    site.write_index(made.parent / "index.html", "sample", heads, True)
    return made


def test_both_studies_of_the_page_answer_on_the_front_page(out):
    text = (out.parent / "index.html").read_text()
    for name, figure in (("retrieval", "retrieval_frontier"), ("runs_2023", "retrieval_correct")):
        article = text.partition(f'<article class="done" id="{name}">')[2].partition("</article>")[
            0
        ]
        assert f"sample/figures/{figure}" in article
        assert " on the sample</span>" in article
    assert 'href="sample/retrieval.html#runs_2023"' in text


def rows(values, name="a", group=None):
    n = len(values)
    return pd.DataFrame({"query": [str(i) for i in range(n)], "set": "s", "system": name,
                         "group": group or [str(i) for i in range(n)], "rr": values})  # fmt: skip


def test_scores_are_means_and_differences_are_paired():
    both = pd.concat([rows([1, 0.5, 0, 0.25]), rows([0.5, 0.25, 0, 0.125], "b")])
    made = scores.score(both, "system", ["rr"], 500)
    value, low, high = made.estimate("a")
    assert value == pytest.approx(0.4375)
    assert low < value < high
    gap = made.gap("a", "b")
    assert gap["difference"] == pytest.approx(0.21875)
    # b is half of a on every query, so in every resample the difference is half of a's mean.
    assert (gap["difference_low"], gap["difference_high"]) == pytest.approx((low / 2, high / 2))


def test_seeds_are_averaged_query_by_query_and_groups_resampled_whole():
    seeds = pd.concat([rows([1.0, 0.0]).assign(seed=0), rows([0.0, 0.0]).assign(seed=1)])
    assert scores.score(seeds, "system", ["rr"], 10).estimate("a")[0] == 0.25
    alone = scores.score(rows([1, 0, 1, 0] * 10), "system", ["rr"], 400).estimate("a")
    pairs = [str(i // 4) for i in range(40)]
    whole = scores.score(rows([1, 0, 1, 0] * 10, group=pairs), "system", ["rr"], 400).estimate("a")
    assert whole[2] - whole[1] < 1e-9 < alone[2] - alone[1]  # every group has the same mean


def test_beating_both_ends_needs_both_differences():
    frames = [rows(v, k) for k, v in (("x", [0.5] * 9), ("low", [0.25] * 9), ("top", [0.6] * 9))]
    made = scores.score(pd.concat(frames), "system", ["rr"], 200)
    assert made.worst_gap("x", ["low", "top"])["difference"] == pytest.approx(-0.1)
    assert made.worst_gap("x", ["low"])["difference_low"] == pytest.approx(0.25)


def test_table_2022_has_every_system_its_alpha_and_the_printed_value(found):
    table = tuning.table_2022(found).set_index(["set", "system"])
    assert table.loc[("2022-rt", "WiSE-FT"), "MRR paper"] == 0.240
    assert np.isnan(table.loc[("2022-rt", "LiNeS"), "MRR paper"])
    mine = found.plain.query("set == '2022-rss' and split == 'test' and system == 'zero_shot'")
    assert table.loc[("2022-rss", "zero-shot"), "MRR"] == pytest.approx(mine["rr"].mean())
    assert table.loc[("2022-rt", "fine-tuned"), "seeds"] == 3
    assert table.loc[("2022-rt", "greedy soup"), "setting"] == "2 models"
    assert set(tuning.TRIVIAL) <= {
        k for k, v in findings.LABELS.items() if v in table.loc["2022-rt"].index
    }


def test_wise_ft_is_the_alpha_that_validation_chose(found):
    rows = found.candidates("mrr")
    mine = rows[(rows["system"] == "wise_ft") & (rows["tuned"] == "2022-rt")]
    picks = found.selections.query(
        "system == 'wise_ft' and criterion == 'mrr' and tuned == '2022-rt'"
    )
    chosen = dict(zip(picks["seed"], picks["alpha"], strict=True))
    assert {(row.seed, row.alpha) for row in mine.itertuples()} == set(chosen.items())


def test_alpha_runs_from_zero_shot_to_fine_tuned(found):
    curve = tuning.alpha_curve(found).query("tuned == '2022-rt' and where == 'test'")
    assert curve["alpha"].tolist() == list(smoke.ALPHAS)
    table = tuning.table_2022(found).set_index(["set", "system"])["MRR"]
    assert curve["value"].iloc[0] == pytest.approx(table["2022-rt", "zero-shot"])
    assert curve["value"].iloc[-1] == pytest.approx(table["2022-rt", "fine-tuned"])


def test_regret_is_never_negative_and_zero_at_the_best(found):
    table = tuning.regret(found)
    assert (table["regret"] >= 0).all()
    same = table["chosen"] == table["best"]
    assert (table.loc[same, "regret"] == 0).all()
    grid = found.grid.query("tuned == '2022-rt' and system == 'wise_ft' and seed == 0")
    row = table.query(
        "tuned == '2022-rt' and system == 'wise_ft' and seed == 0 and metric == 'MRR'"
    )
    assert row["value_best"].iloc[0] == pytest.approx(grid["test_mrr"].max())


def test_table_4_counts_every_query_of_its_filter():
    ranks = {"zero_shot": [9, 9, 9, 1, 50], "fine_tuned": [4, 5, 2, 2, 40.0]}
    table = pd.DataFrame(ranks | {"wise_ft": [2, 5, 4, 3, np.nan], "seed": 0})
    found = tuning._moved(table[table["fine_tuned"] < table["zero_shot"]])
    assert (found["queries"], found["gained"], found["unchanged"], found["lost"]) == (4, 1, 1, 1)
    assert (found["mean_gain"], found["mean_loss"], found["net"], found["left"]) == (2, 2, 0, 1)


def test_examples_move_the_way_they_are_called(found):
    for tuned in found.tuned:
        for row in slices.examples(found, tuned).itertuples():
            there, back = row.fine_tuned - row.zero_shot, row.fine_tuned - row.wise_ft
            wrong = row.example == slices.MENDED
            assert (there > 0 and back > 0) if wrong else (there < 0 and back < 0)


def test_every_query_with_a_date_is_in_one_bin(found):
    table = slices.by_time(found)
    counts = table[table["system"] == "zero_shot"].groupby("tuned")["queries"].sum()
    assert counts.tolist() == [20, 20]
    assert (table["days"] > 0).all()


def test_the_short_table_2023_has_one_row_a_run(found):
    table = ranking.table_2023(found)
    heat = float(table["run"].str.extract(r"T = (.*)")[0].dropna().iloc[0])
    short = ranking.in_short(table, heat)
    assert not short.duplicated(["set", "run"]).any()
    assert {f"run {number}" for number in range(1, 6)} <= set(short["run"])
    printed = table.set_index(["set", "run"])["MRR"]
    first = short[short["run"] == "run 3"].iloc[0]
    assert first["MRR"] == printed[first["set"], f"run 3, T = {heat:g}"]


def test_temperatures_are_written_as_one_by_one():
    heats = pd.Series([0.01, np.nan, 1.0, 0.01])
    assert ranking._written(heats, ", T = ").tolist() == [", T = 0.01", "", ", T = 1", ", T = 0.01"]
    assert ranking._written(heats[1:2]).tolist() == [""]


def test_table_2023_has_the_five_runs_and_the_papers_values(found):
    table = ranking.table_2023(found).set_index(["set", "run"])
    assert table.loc[("2023-p2", "run 2"), "MRR paper"] == 0.52082
    assert table.loc[("internal", "run 5, T = 0.01"), "MRR paper"] == 0.357
    runs = {name.split(",")[0] for name in table.loc["2023-p2"].index}
    assert runs == {"random order", "most central first", *(f"run {k}" for k in range(1, 6))}
    assert table.loc[("2023-p2", "run 1, T = 1"), "encoder"] == "tiny_clip_h"


def test_corrections_differ_from_cosine_on_the_same_queries(found):
    table = ranking.of_main(found, ranking.corrections(found))
    plain = table[table["method"] == "plain"].iloc[0]
    assert np.allclose(table["difference"].dropna(), (table["MRR"] - plain["MRR"]).drop(plain.name))
    assert table["skewness"].notna().all()
    curve = ranking.occurrence(found, table)
    mean = curve[(curve["ranking"] == "cosine") & (curve["k"] > 0)]["share"].sum()
    assert mean == pytest.approx(10)  # 40 queries have ten images each, of 40


@pytest.mark.parametrize(
    ("low", "high", "p", "expects", "said"),
    [
        (0.1, 0.3, 0.01, 1, claims.HOLDS), (0.1, 0.3, 0.01, -1, claims.FAILS),
        (-0.3, -0.1, 0.01, 1, claims.FAILS), (-0.3, -0.1, 0.01, -1, claims.HOLDS),
        (0.1, 0.3, 0.06, 1, claims.OPEN), (-0.1, 0.3, 0.01, 1, claims.OPEN),
        (0.1, 0.3, np.nan, 1, claims.OPEN),
    ],
)  # fmt: skip
def test_a_claim_takes_the_interval_and_holm(low, high, p, expects, said):
    row = pd.Series(
        {"difference_low": low, "difference_high": high, "p_holm": p, "expects": expects}
    )
    assert claims.verdict(row) == said


def test_claims_of_both_papers_stand_beside_the_printed_difference(found):
    table = claims.check(found)
    assert set(table["paper"]) == {2022, 2023}
    row = table.query("set == '2022-rss' and claim == 'WiSE-FT raises MRR over fine-tuning'").iloc[
        0
    ]
    assert row["printed"] == pytest.approx(0.047)
    row = table.query("set == '2023-p2' and claim == 'run 1 is the best run'").iloc[0]
    assert row["printed"] == pytest.approx(0.56156 - 0.52615)
    assert (table["p_holm"] >= table["p"]).all()


def test_what_is_planted_is_read_with_the_ceilings(found, folder, tmp_path):
    ties, meaning = slices.planted(folder)
    assert set(ties.values()) == set(meaning) == {"exact", "topic"}
    table = slices.by_kind(found, ties)
    counts = table.drop_duplicates(["tuned", "kind"]).groupby("tuned")["queries"].sum()
    assert counts.tolist() == [20, 20]
    best = slices.ceilings(found, folder).set_index("set")
    assert best["ceiling"].eq(0.9).all()
    zero = tuning.table_2022(found).set_index(["set", "system"])["MRR"]["2022-rt", "zero-shot"]
    assert best.loc["2022-rt", "MRR"] >= zero
    assert slices.planted(tmp_path) == ({}, {})


def test_queries_with_a_near_duplicate_outside_the_test_set_can_be_left_out(found):
    pairs = found.pairs.copy()
    test = pairs[(pairs["source"] == "2022-rt") & (pairs["split"] == "test")]
    pairs.loc[test.index[0], "group"] = pairs.loc[pairs["split"] == "train", "group"].iloc[0]
    other = findings.Findings(found.queries, found.top, found.selections, found.grid,
                              found.hubness, pairs)  # fmt: skip
    row = slices.other_counts(other).query("set == '2022-rt' and system == 'zero_shot'").iloc[0]
    rows = found.plain.query("set == '2022-rt' and split == 'test' and system == 'zero_shot'")
    assert row["crossing"] == 1
    without = rows[rows["query"] != test["id"].iloc[0]]["rr"].mean()
    assert row["MRR_clean"] == pytest.approx(without)
    assert row["MRR"] == pytest.approx(rows["rr"].mean())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rr": 1.5}, "a score is not in 0..1"), ({"r1": 1.0, "r5": 0.0}, "a Recall falls with k"),
        ({"query": "2022-rt/39"}, "a query stands twice in one configuration"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(found, change, said):
    rows = found.queries.query("system == 'zero_shot' and set == '2022-rt' and split == 'test'")
    assert findings.defects(rows) == []
    spoilt = rows.reset_index(drop=True)
    spoilt.loc[0, list(change)] = list(change.values())
    assert said in findings.defects(spoilt)


def test_missing_files_and_strange_queries_are_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"queries.parquet: no such file; run 04") as error:
        findings.read(tmp_path, "x")
    assert "\n" not in str(error.value)
    predictions, pairs = smoke.write_study(tmp_path, 8, 0, SETS[1:])
    pd.read_parquet(pairs).iloc[:-1].to_parquet(pairs)
    with pytest.raises(ValueError, match="query 2023-p2/7 of the predictions is not in it"):
        findings.read(predictions, pairs)


def test_the_page_opens_without_a_network_and_has_no_dead_link(out):
    made = [out.parent / "index.html", out / "retrieval.html", out / "data.html"]
    assert [address for page in made for address in html.external(page.read_text())] == []
    links = html.broken_links(made)
    # Notebooks are rendered by another call, the other study is not in this report.
    assert [b for b in links if "notebooks/" not in b and "places.html" not in b] == []


def test_sample_numbers_are_called_so_and_the_papers_are_not(out):
    names = ("2022_paper", "2023_paper", "2023_others", "statements", "noise", "noise_counts")
    printed = {f"retrieval_{name}" for name in names}
    for table in (out / "tables").glob("*.html"):
        assert ("sample corpus" in table.read_text()) != (table.stem in printed), table.name


def test_every_figure_has_its_data_beside_it(out):
    drawn = {path.stem for path in (out / "figures").glob("*.png")}
    assert len(drawn) >= 12
    for name in drawn:
        assert len(pd.read_csv(out / "figures" / f"{name}.csv")), name


def test_no_table_has_an_unnamed_or_empty_column(out):
    for path in (out / "tables").glob("*.csv"):
        table = pd.read_csv(path)
        assert not [name for name in table if name.startswith("Unnamed")], path.name


def test_printed_numbers_are_those_of_the_papers(out):
    table = pd.read_csv(out / "tables" / "retrieval_2023_paper.csv")
    assert table["MRR"].tolist() == published.table_2023()["MRR"].tolist()


def test_pages_hold_no_path_of_this_machine(out):
    for path in out.rglob("*"):
        if path.suffix in (".html", ".csv", ".md"):
            assert str(paths.ROOT) not in path.read_text(encoding="utf-8"), path.name


def test_the_same_study_is_the_same_bytes(found, folder, tmp_path):
    again = tmp_path / "again"
    smoke.write_study(again, 40, 3, SETS)
    for name in findings.FILES:
        file = f"predictions/{name}.parquet"
        assert (again / file).read_bytes() == (folder / file).read_bytes(), name
    first, second = tuning.against_ends(found), tuning.against_ends(found)
    pd.testing.assert_frame_equal(first, second)


def test_an_empty_folder_name_makes_up_a_study(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "scratch", lambda *parts: tmp_path)
    monkeypatch.setattr(smoke, "write_study", lambda folder: (folder / "p", folder / "q"))
    monkeypatch.setattr(findings, "read", lambda *arguments: arguments)
    read, root = retrieval.load("", "profiles/smoke.yaml", 7)
    assert read == (tmp_path / "p", tmp_path / "q", True, 7)
    assert root == tmp_path
