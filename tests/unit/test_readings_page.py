"""docs/readings.md against the paper's values: each gap and contradiction, and the numbers told."""

import csv
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from noise_resistance.analysis.published import published

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/readings.md").read_text(encoding="utf-8")
# The paper's statements that its tables contradict, support in part, or cannot decide.
NOT_CONSISTENT = [2, 3, 20, 21, 22, 23, *range(24, 30), 70, 71, 72, 74, 80, 84, 85, 86]
# Those that no table holds or that leave something open.
OPEN = [1, 5, 6, 45, *range(56, 59), 60, 61, *range(62, 65), 66, 67, 68, 69]
CLAIMS = ROOT.parent / "shared/paper/text_claims.csv"


def rows() -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]


def ids(cell: str) -> set[int]:
    found: set[int] = set()
    for first, last in re.findall(r"C(\d{3})(?:-C(\d{3}))?", cell):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def cells(*wanted: str) -> str:
    """What the rows of these claims say."""
    number = {int(one[1:]) for one in wanted}
    return " ".join(" ".join(row[1:]) for row in rows() if ids(row[0]) & number)


def table(source: str) -> pd.DataFrame:
    """Percent by (dataset, model) and learning rate."""
    found = published(source=source)
    wide = found.pivot_table(index=["dataset", "model"], columns="learning_rate", values="value")
    return 100 * wide


def test_every_claim_that_is_not_consistent_has_a_row() -> None:
    covered = set().union(*(ids(row[0]) for row in rows()))
    assert covered == set(NOT_CONSISTENT) | set(OPEN)


def test_the_claims_are_those_of_the_list_beside_the_repository() -> None:
    if not CLAIMS.is_file():
        pytest.skip("the paper's claims are not beside the repository, in ../shared/paper")
    with CLAIMS.open(encoding="utf-8") as file:
        verdicts = {
            int(one["id"][1:]): one["consistent_with_tables"] for one in csv.DictReader(file)
        }
    assert {one for one, said in verdicts.items() if said not in ("yes", "n/a")} == set(
        NOT_CONSISTENT
    )
    assert {one for one, said in verdicts.items() if said == "n/a"} <= set(OPEN)


def test_every_row_says_what_the_reading_does_and_its_key() -> None:
    for row in rows():
        assert len(row) == 6, row
        assert all(row[1:]), row


def test_every_key_is_one_of_the_schema() -> None:
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text("utf-8"))
    for row in rows():
        for section, name in re.findall(r"`(training|noise|diagnostics)\.(\w+)`", row[4]):
            assert name in schema["properties"][section]["properties"], row


def test_the_largest_spread_of_table_2_is_told() -> None:
    found = table("Table II")
    spread = (found.max(axis=1) - found.min(axis=1)).sort_values()
    assert f"{spread.iloc[-1]:.2f} points" in cells("C020")
    assert spread.index[-1] == ("cifar100", "resnet20")
    assert found.loc["cifar100", "resnet20"].is_monotonic_increasing


def test_the_rates_of_0_001_and_above_are_told_row_by_row() -> None:
    found = table("Table II")
    rates = found.columns >= 0.001
    higher = (found.loc[:, rates].mean(axis=1) - found.loc[:, ~rates].mean(axis=1)).sort_values()
    text = cells("C072")
    assert f"true of {(higher > 0).sum()} of the {len(higher)} rows" in text
    assert f"by {higher.iloc[-1]:.2f} and {higher.iloc[-2]:.2f} points" in text
    assert {*higher.index[-2:]} == {("cifar100", "resnet20"), ("cifar100", "resnet32")}
    lower = -higher[higher < 0]
    assert f"lower by {lower.min():.2f} to {lower.max():.2f}" in text


def test_the_fall_of_table_3_is_told() -> None:
    found = table("Table III")
    fall = found[0.0005] - found[0.0015]
    assert (fall > 0).all()
    assert f"by {fall.min():.2f} to {fall.max():.2f} points" in cells("C086")
    assert set(found.idxmax(axis=1)) == {0.0005, 0.000625}


def test_the_series_that_is_said_to_be_cifar100_s_has_the_mean_of_cifar10() -> None:
    series = published(source="Section III-2")
    series = series[(series["dataset"] == "cifar10") & (series["model"] == "resnet56")]
    mean = 100 * series["value"].mean()
    found = table("Table III")[0.00075]
    text = cells("C024")
    for value in (mean, found["cifar10", "resnet56"], found["cifar100", "resnet56"]):
        assert f"{value:.2f}" in text


def test_the_best_rate_at_10_percent_is_not_that_of_the_average() -> None:
    series = published(source="Section III-3")
    series = series[series["dataset"] == "cifar100"].set_index("learning_rate")["value"]
    average = table("Table III").loc["cifar100", "resnet20"]
    assert (series.idxmax(), average.idxmax()) == (0.001, 0.000625)
    for value in (100 * series.max(), average.max(), average[0.001]):
        assert f"{value:.2f}" in cells("C045")


def test_values_that_the_paper_gives_twice_are_told_as_printed() -> None:
    table3, table2 = table("Table III"), table("Table II")
    assert f"{table3.loc[('cifar100', 'resnet32'), 0.000625]:.2f}" in cells("C080")
    assert f"{table2.loc[('cifar10', 'resnet32'), 0.00125]:.3f}" in cells("C061")
    optimizers = published("baseline_accuracy", "Figure 3").set_index("optimizer")["value"]
    assert f"{100 * optimizers['sgd']:.2f} %" in cells("C068")
    assert f"{100 * optimizers['adam']:.2f}" in cells("C068")
    assert f"{100 * optimizers['adamax']:.2f} %" in cells("C061")
