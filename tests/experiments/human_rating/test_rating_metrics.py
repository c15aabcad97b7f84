import csv
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from transformers_ggm.cli import main
from transformers_ggm.errors import DatasetError
from transformers_ggm.evaluation import bootstrap_intervals, unpaired_test
from transformers_ggm.experiments.human_rating import (
    krippendorff_alpha,
    rating_report,
    rating_table,
    read_key,
    read_ratings,
    write_rating_sheet,
)

NAN = float("nan")


def alpha_by_pairs(values):
    """Krippendorff's alpha, pair by pair."""
    units = [[v for v in unit if not math.isnan(v)] for unit in np.transpose(values)]
    units = [unit for unit in units if len(unit) > 1]
    every = [v for unit in units for v in unit]
    observed = sum((a - b) ** 2 / (len(unit) - 1) for unit in units for a, b in itertools.permutations(unit, 2)) / max(
        len(every), 1
    )
    expected = sum((a - b) ** 2 for a, b in itertools.permutations(every, 2))
    return 1 - observed * len(every) * (len(every) - 1) / expected if expected else NAN


@given(arrays(float, (3, 6), elements=st.sampled_from([NAN, 1.0, 2.0, 3.0, 5.0])))
def test_alpha_agrees_with_all_pairs(values):
    """Would fail if the sums of squares were not those over pairs of ratings, or missing ones counted."""
    assert krippendorff_alpha(values) == pytest.approx(alpha_by_pairs(values), nan_ok=True)


def test_alpha_of_the_published_example():
    """Would fail if alpha were another one than Krippendorff's: he gives 0.849 for these four observers."""
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
    assert krippendorff_alpha(np.array(observers)) == pytest.approx(0.849, abs=5e-4)


@pytest.fixture
def rated(tmp_path):
    """A sheet of 12 novel hashtags (the first half of both systems) and 12 true ones, and its key."""
    rows = [
        {
            "video": f"{n}.mp4",
            "description": "",
            "hashtags": ["rain", *(["new0"] if n == 0 else [])],
            "predicted": [f"new{n}"],
        }
        for n in range(12)
    ]
    fewer = [row | {"predicted": row["predicted"] if n < 6 else ["rain"]} for n, row in enumerate(rows)]
    write_rating_sheet(tmp_path, {"ggm": rows, "bart": fewer}, ["rain"])
    return tmp_path, read_key(tmp_path / "key.json")


def answer(folder, name, rate, delimiter=",", encoding="utf-8-sig", columns=None):
    """A rater's copy, with what `rate` says of each item, in another order."""
    with open(folder / "ratings.csv", encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))[::-1]
    with open(folder / name, "w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, columns or list(lines[0]), delimiter=delimiter, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(line | {"relevance": rate(line["item"])} for line in lines)
    return folder / name


def random_answers(folder, key, seed=0):
    """Three raters' sheets as dicts and files: novel ones are worse, and some ratings are missing."""
    generator = np.random.default_rng(seed)
    given = [
        {
            item: "" if generator.random() < 0.2 else int(generator.integers(1, 5 if entry["kind"] == "novel" else 6))
            for item, entry in key.items()
        }
        for _ in range(3)
    ]
    given[0][next(iter(key))] = given[1][next(iter(key))] = given[2][next(iter(key))] = ""
    styles = [{}, {"delimiter": ";", "encoding": "utf-8"}, {"delimiter": "\t", "columns": ["relevance", "item"]}]
    sheets = [
        answer(folder, f"{n}.csv", ratings.get, **style) for n, (ratings, style) in enumerate(zip(given, styles))
    ]
    return given, sheets


def test_metrics_agree_with_plain_loops(rated):
    """Would fail if a mean, share, number, p-value or alpha were not that of the ratings in the sheets."""
    folder, key = rated
    given, sheets = random_answers(folder, key)
    report = rating_report(read_ratings(sheets, key), key, samples=500, seed=4)
    items = {item: [ratings[item] for ratings in given if ratings[item] != ""] for item in key}

    def metrics(chosen):
        chosen = [items[item] for item in key if chosen(key[item]) and items[item]]
        means = np.array([sum(r) / len(r) for r in chosen])
        return {
            "relevance": means,
            "relevant_share": np.array([100 * sum(x >= 4 for x in r) / len(r) for r in chosen]),
        }

    true = metrics(lambda entry: entry["kind"] == "true")
    for outcome, own in [
        (report["true"], true),
        (report["novel"]["ggm"], metrics(lambda entry: "ggm" in entry["systems"])),
        (report["novel"]["bart"], metrics(lambda entry: "bart" in entry["systems"])),
    ]:
        assert outcome["items"] == len(own["relevance"])
        for name, interval in bootstrap_intervals(own, samples=500, seed=4).items():
            assert outcome[name] == pytest.approx(interval._asdict())
            assert outcome[name]["mean"] == pytest.approx(own[name].mean())
            if outcome is not report["true"]:
                test = unpaired_test(own[name], true[name], samples=500, seed=4)
                assert outcome["tests"][name]["p_value"] == test.p_value
                assert outcome["tests"][name]["difference"] == pytest.approx(own[name].mean() - true[name].mean())
    matrix = [[NAN if ratings[item] == "" else ratings[item] for item in key] for ratings in given]
    assert report["agreement"]["krippendorff_alpha"] == pytest.approx(alpha_by_pairs(matrix))
    assert report["agreement"]["items"] == sum(len(r) > 1 for r in items.values())
    assert report["unrated_items"] == sum(not r for r in items.values()) >= 1
    unrated = {str(sheet): list(ratings.values()).count("") for sheet, ratings in zip(sheets, given)}
    assert report["raters"] == {name: {"rated": 24 - n, "unrated": n} for name, n in unrated.items()}
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_difference_is_found(rated):
    """Would fail if hashtags that are plainly worse did not come out so, or the flag of true ones were lost."""
    folder, key = rated
    sheet = answer(folder, "a.csv", lambda item: {"novel": "2.0", "true": "5"}[key[item]["kind"]])
    report = rating_report(read_ratings([sheet], key), key)
    novel = report["novel"]["ggm"]
    assert novel["relevance"] == {"mean": 2.0, "low": 2.0, "high": 2.0} and novel["relevant_share"]["mean"] == 0
    assert novel["tests"]["relevance"]["difference"] == -3 and novel["tests"]["relevance"]["p_value"] < 0.001
    assert report["true"]["relevant_share"]["mean"] == 100
    assert novel["also_true"] == 1 and report["agreement"] == {"krippendorff_alpha": None, "items": 0}


def test_scale_and_threshold(rated):
    """Would fail if the scale did not bound the ratings, or "relevant" began elsewhere than asked."""
    folder, key = rated
    sheet = answer(folder, "a.csv", lambda item: 2 if key[item]["kind"] == "true" else 1)
    shares = {}
    for scale, threshold in [((0, 2), None), ((1, 4), None), ((1, 5), 2), ((0, 2), 1)]:
        report = rating_report(read_ratings([sheet], key, scale=scale), key, relevant_from=threshold, samples=20)
        shares[(report["settings"]["relevant_from"], *scale)] = (
            report["true"]["relevant_share"]["mean"],
            report["novel"]["ggm"]["relevant_share"]["mean"],
        )
    assert shares == {(2, 0, 2): (100, 0), (3, 1, 4): (0, 0), (2, 1, 5): (100, 0), (1, 0, 2): (100, 100)}
    with pytest.raises(DatasetError, match="12 ratings that are no whole numbers from 0 to 1"):
        read_ratings([sheet], key, scale=(0, 1))
    with pytest.raises(ValueError, match="`relevant_from` is 6"):
        rating_report(read_ratings([sheet], key), key, relevant_from=6)
    with pytest.raises(ValueError, match="`scale`"):
        read_ratings([sheet], key, scale=(3, 3))


def replaced(path, change):
    path.write_text(change(path.read_text(encoding="utf-8-sig")), encoding="utf-8")


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda text: text + "0123456789,a.mp4,,#rain,3\n", "1 items that the key does not know .0123456789"),
        (lambda text: text + text.splitlines()[1] + "\n", "twice"),
        (lambda text: text.replace("#new3", "#new4"), "1 items beside another hashtag"),
        (lambda text: text.replace(",3\n", ",6\n", 2), "2 ratings that are no whole numbers from 1 to 5 .'6' for"),
        (lambda text: text.replace(",3\n", ",3.5\n", 1), "'3.5' for"),
        (lambda text: text.replace(",3\n", ",good\n", 1), "'good' for"),
        (lambda text: text.replace("relevance", "rating"), "no columns 'item' and 'relevance'"),
        (lambda text: text.replace(",3\n", ",\n"), "No item is rated"),
        (lambda text: "", "no columns"),
    ],
)
def test_spoilt_sheets(rated, spoil, message):
    """Would fail if metrics were made of ratings that belong to something else, or mean nothing."""
    folder, key = rated
    sheet = answer(folder, "a.csv", lambda item: 3)
    replaced(sheet, lambda text: spoil(text.replace("\r\n", "\n")))
    with pytest.raises(DatasetError, match=message):
        read_ratings([sheet], key)


def test_spoilt_input(rated):
    """Would fail if a sheet counted twice, a wrong code page, a wrong key or one kind alone went through."""
    folder, key = rated
    sheet = answer(folder, "a.csv", lambda item: 3 if key[item]["kind"] == "true" else "")
    with pytest.raises(DatasetError, match="given twice"):
        read_ratings([sheet, folder / "." / "a.csv"], key)
    with pytest.raises(DatasetError, match="No novel hashtag is rated"):
        rating_report(read_ratings([sheet], key), key)
    sheet.write_bytes(sheet.read_bytes() + "é".encode("latin-1"))
    with pytest.raises(DatasetError, match="CSV UTF-8"):
        read_ratings([sheet], key)
    with pytest.raises(ValueError, match="`sheets` is empty"):
        read_ratings([], key)
    for content in ("[]", "{", '{"items": {}}', '{"items": {"a": {"kind": "x", "systems": [], "hashtag": "b"}}}'):
        (folder / "other.json").write_text(content)
        with pytest.raises(DatasetError, match=r"other\.json is not the key"):
            read_key(folder / "other.json")


def test_empty_rows_and_missing_ones(rated):
    """Would fail if rows that a spreadsheet leaves empty, or that a rater cut, were more than unrated items."""
    folder, key = rated
    sheet = answer(folder, "a.csv", lambda item: 3)
    replaced(sheet, lambda text: "\n".join(text.splitlines()[:-2]) + "\n,,,,\n,,,,\n")
    assert read_ratings([sheet], key).unrated() == {str(sheet): 2}


def test_command(rated, capsys):
    """Would fail if the command wrote other metrics than the functions give, or its table left some out."""
    folder, key = rated
    _, sheets = random_answers(folder, key)
    arguments = ["rate", "metrics", "--key", str(folder / "key.json"), "--output_dir", str(folder / "out")]
    assert main([*arguments, *map(str, sheets)]) == 0
    report = rating_report(read_ratings(sheets, key), key)
    table = (folder / "out" / "table6.md").read_text()
    assert json.loads((folder / "out" / "table6.json").read_text()) == report
    assert capsys.readouterr().out == table == rating_table(report)
    cells = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")]
    assert [row[0] for row in cells] == ["| hashtags", "| the authors' own", "| novel, ggm", "| novel, bart"]
    for row, metrics in zip(cells[1:], [report["true"], *report["novel"].values()]):
        assert int(row[1]) == metrics["items"] and float(row[2].split()[0]) == round(metrics["relevance"]["mean"], 2)
        assert float(row[4].split()[0]) == round(metrics["relevant_share"]["mean"], 1)
    assert f"{report['agreement']['krippendorff_alpha']:.2f}" in table and "Unrated" in table
    assert main([*arguments, str(folder / "nowhere.csv")]) == 1
    assert "nowhere.csv" in capsys.readouterr().err
