"""Tables I, II and III: every number from the files, in three formats that hold."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from noise_resistance.analysis import tables
from noise_resistance.analysis.markup import Cell, Heading, Table, to_latex, to_markdown
from noise_resistance.analysis.tables import write_table1, write_table2, write_table3
from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.storage.checksums import checksum_of_attributes
from noise_resistance.study.grid import Evaluation
from synthetic_study import SyntheticStudy, outline_of, write_study

COUNTS = {
    "digits": {
        "classes": 10,
        "height": 8,
        "width": 8,
        "channels": 1,
        "train_images": 1437,
        "test_images": 360,
    },
    "digit_pairs": {
        "classes": 100,
        "height": 8,
        "width": 16,
        "channels": 1,
        "train_images": 5000,
        "test_images": 1000,
    },
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    return write_study(tmp_path_factory.mktemp("study"), outline_of())


@pytest.fixture(scope="module")
def study_of_three_seeds(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    return write_study(
        tmp_path_factory.mktemp("study"),
        outline_of(models=1, rates=1, datasets=1, optimizers=1, seeds=3),
    )


@pytest.fixture(scope="module")
def dataset_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    files = {name: tmp_path_factory.mktemp("datasets") / f"{name}.json" for name in COUNTS}
    for name, path in files.items():
        write_described(path, COUNTS[name])
    return files


def write_described(path: Path, counts: dict[str, int]) -> None:
    """Write the small file of a prepared dataset; what it was prepared from is in no table."""
    arrays = dict.fromkeys(("train_images", "train_labels", "test_images", "test_labels"), "0")
    values = {"entry": {}, "counts": counts, "arrays": arrays}
    values["sha256"] = checksum_of_attributes(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def rows_of_markdown(path: Path) -> list[list[str]]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def columns_of_latex_row(line: str) -> int:
    spans = [int(span) for span in re.findall(r"\\multicolumn\{(\d+)\}", line)]
    return len(re.split(r"(?<!\\)&", line)) + sum(spans) - len(spans)


def check_latex(text: str) -> None:
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    unescaped = re.sub(r"\\[{}%&#$_]", "", text)
    assert unescaped.count("{") == unescaped.count("}")
    assert unescaped.count("$") % 2 == 0
    columns = len(re.search(r"\\begin\{tabular\}\{([lcr]+)\}", text)[1])  # type: ignore[index]
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert [columns_of_latex_row(row) for row in rows] == [columns] * len(rows)
    for rule in re.findall(r"\\cmidrule\(lr\)\{(\d+)-(\d+)\}", text):
        assert 1 <= int(rule[0]) <= int(rule[1]) <= columns
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]


def test_every_number_of_tables_2_and_3_follows_from_the_hdf5_files(
    study: SyntheticStudy, tmp_path: Path
) -> None:
    write_table2(study.outline, study.summary, tmp_path / "table2")
    write_table3(study.outline, study.summary, "kernels", tmp_path / "table3_kernels")
    table2 = pd.read_csv(tmp_path / "table2.csv", dtype={"learning_rate": str})
    table3 = pd.read_csv(tmp_path / "table3_kernels.csv", dtype={"learning_rate": str})
    assert len(table2) == len(table3) == 2 * 2 * 3
    for baseline_row, row in zip(table2.itertuples(), table3.itertuples(), strict=True):
        # Ten lines of h5py: Table II's number, Table III's number.
        folder = study.folder / "results/synthetic/trainings" / row.dataset / row.model
        folder = folder / "standard" / "adam" / f"lr-{row.learning_rate}" / "seed-1"
        with h5py.File(folder / "baseline.h5") as file:
            baseline = file["accuracy"][()]
        normalized = []
        for eta in ("0.05", "0.2", "0.4"):
            with h5py.File(folder / f"noise/kernels/eta-{eta}.h5") as file:
                normalized.append(file["accuracy"][:].mean() / baseline)
        average = sum(normalized) / len(normalized)
        assert baseline_row.value == pytest.approx(100 * baseline, abs=1e-9)
        assert row.value == pytest.approx(100 * average, abs=1e-9)


def test_tables_2_and_3_for_people_show_the_same_numbers_as_for_programs(
    study: SyntheticStudy, tmp_path: Path
) -> None:
    write_table2(study.outline, study.summary, tmp_path / "table2")
    write_table3(study.outline, study.summary, "all", tmp_path / "table3_all")
    for name in ("table2", "table3_all"):
        values = pd.read_csv(tmp_path / f"{name}.csv").set_index(
            ["model", "dataset", "learning_rate"]
        )
        head, _, second, third, *body = rows_of_markdown(tmp_path / f"{name}.md")
        rates = study.outline.experiments[0].learning_rates
        assert head == ["Dataset", "Digits", "", "", "Digit pairs", "", ""]
        assert second == ["", "**Learning Rate**", "", "", "**Learning Rate**", "", ""]
        assert third == ["**Model Name**", *["**0.0005**", "**0.00075**", "**0.001125**"] * 2]
        assert [row[0] for row in body] == ["ResNet8", "ResNet14"]
        for row, model in zip(body, ("resnet8", "resnet14"), strict=True):
            keys = [
                (model, dataset, rate) for dataset in ("digits", "digit_pairs") for rate in rates
            ]
            for cell, key in zip(row[1:], keys, strict=True):
                one = values.loc[key]
                shown = f"{one.value:.2f}"
                if name == "table3_all":
                    shown += f" ± {(one.high - one.low) / 2:.2f}"
                assert cell.strip("*") == shown


def test_table_3_has_the_interval_over_the_averages_of_each_draw(
    study: SyntheticStudy, tmp_path: Path
) -> None:
    write_table3(study.outline, study.summary, "all", tmp_path / "table3_all")
    row = pd.read_csv(tmp_path / "table3_all.csv").iloc[0]
    training = study.outline.trainings[0]
    levels = [level for level in study.outline.noise_levels if level]
    accuracies = np.array(
        [study.accuracies[Evaluation(training, "all", level)] for level in levels]
    )
    by_draw = 100 * accuracies.mean(axis=0) / study.baselines[training]
    low, high = stats.t.interval(0.95, 3, loc=by_draw.mean(), scale=stats.sem(by_draw))
    assert (row["value"], row["low"], row["high"]) == pytest.approx((by_draw.mean(), low, high))
    assert (row["seeds"], row["draws"], row["unit"], row["scope"]) == (1, 4, "%", "all")


def test_the_best_learning_rate_of_each_row_and_dataset_is_bold(
    study: SyntheticStudy, tmp_path: Path
) -> None:
    write_table3(study.outline, study.summary, "all", tmp_path / "table3_all")
    for row in rows_of_markdown(tmp_path / "table3_all.md")[4:]:
        for group in (row[1:4], row[4:7]):
            numbers = [float(cell.strip("*").split(" ")[0]) for cell in group]
            assert [cell.startswith("**") for cell in group] == [
                number == max(numbers) for number in numbers
            ]
    assert (tmp_path / "table3_all.tex").read_text().count(r"\textbf{") == 4


def test_several_seeds_give_their_mean_and_an_interval_over_them(
    study_of_three_seeds: SyntheticStudy, tmp_path: Path
) -> None:
    study = study_of_three_seeds
    write_table2(study.outline, study.summary, tmp_path / "table2")
    row = pd.read_csv(tmp_path / "table2.csv").iloc[0]
    baselines = [
        100 * value
        for one, value in study.baselines.items()
        if one.learning_rate == 0.0005 and one.optimizer == "adam"
    ]
    assert len(baselines) == 3
    low, high = stats.t.interval(0.95, 2, loc=np.mean(baselines), scale=stats.sem(baselines))
    assert (row["value"], row["low"], row["high"]) == pytest.approx((np.mean(baselines), low, high))
    assert "±: half of the 95 % interval over seeds" in (tmp_path / "table2.md").read_text()


def test_the_tables_for_programs_count_epochs_and_settled_trainings_by_cell(
    study: SyntheticStudy, tmp_path: Path
) -> None:
    write_table2(study.outline, study.summary, tmp_path / "table2")
    write_table3(study.outline, study.summary, "all", tmp_path / "table3-all")
    for name in ("table2", "table3-all"):
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert (table["epochs"] == 7).all()
        assert table["settled"].tolist() == [0] + [1] * (len(table) - 1)
        assert table["settled_before_decay"].tolist() == table["settled"].tolist()


def test_captions_say_epochs_seeds_draws_scope_and_interval(
    study: SyntheticStudy, tmp_path: Path
) -> None:
    write_table2(study.outline, study.summary, tmp_path / "table2")
    write_table3(study.outline, study.summary, "kernels", tmp_path / "table3_kernels")
    baseline, average = (
        (tmp_path / "table2.md").read_text(),
        (tmp_path / "table3_kernels.md").read_text(),
    )
    # Of the table's own: Figure 3 and 4 add others. The first training's loss still fell.
    own = len(study.outline.experiments[0].trainings([1]))
    assert own < len(study.outline.trainings)
    settled = f"{own - 1} of {own} trainings."
    assert "7 epochs, 1 seed. The training loss had settled" in baseline
    assert f"{settled} One seed, so no interval." in baseline
    assert settled in average
    for said in (
        "scope 'kernels'",
        "0.05, 0.2, 0.4.",
        "7 epochs, 1 seed, 4 draws.",
        "95 % interval over draws",
    ):
        assert said in average
    assert "not measured yet" not in average


def test_table_1_states_the_counts_of_the_datasets_own_files(
    study: SyntheticStudy, dataset_files: dict[str, Path], tmp_path: Path
) -> None:
    write_table1(study.outline, dataset_files, tmp_path / "table1")
    head, _, *body = rows_of_markdown(tmp_path / "table1.md")
    assert head == [
        "Model Name",
        "Dataset",
        "Number of Classes",
        "Model Input Dimension",
        "# Images per class",
    ]
    entries = [r"\[Digits, Digit pairs\]", r"\[10, 100\]", r"\[8×8×1, 8×16×1\]", r"\[179.7, 60\]"]
    assert body == [["ResNet8", *entries], ["ResNet14", *entries]]
    values = pd.read_csv(tmp_path / "table1.csv")
    assert values["images_per_class"].tolist() == pytest.approx([179.7, 60, 179.7, 60])
    assert values["train_images"].tolist() == [1437, 5000, 1437, 5000]


def test_latex_is_balanced_and_its_rows_fill_all_columns(
    study: SyntheticStudy, dataset_files: dict[str, Path], tmp_path: Path
) -> None:
    write_table1(study.outline, dataset_files, tmp_path / "table1")
    write_table2(study.outline, study.summary, tmp_path / "table2")
    write_table3(study.outline, study.summary, "all", tmp_path / "table3_all")
    for name in ("table1", "table2", "table3_all"):
        check_latex((tmp_path / f"{name}.tex").read_text(encoding="utf-8"))
    assert r"\label{tab:table3-all}" in (tmp_path / "table3_all.tex").read_text()


def test_markup_escapes_what_markdown_and_latex_would_read_as_commands() -> None:
    headings = ((Heading("a_b & 50 %"), Heading("{#1}|x")),)
    table = Table(
        "I",
        "t",
        "costs $5 ~ ^ \\",
        headings,
        ((Cell("[1]"), Cell("±1 η", spread="0.1", bold=True)),),
    )
    check_latex(to_latex(table))
    assert r"a\_b \& 50 \% & \{\#1\}\textbar{}x \\" in to_latex(table)
    assert r"{[}1{]} & \textbf{$\pm$1 $\eta$} \\" in to_latex(table)
    assert r"costs \$5 \textasciitilde{} \textasciicircum{} \textbackslash{}" in to_latex(table)
    assert r"| a\_b & 50 % | {#1}\|x |" in to_markdown(table)
    assert r"| \[1\] | **±1 η ± 0.1** |" in to_markdown(table)


def test_long_tables_go_on_over_pages_and_text_columns_break() -> None:
    rows = tuple((Cell(f"row {index}"), Cell("1")) for index in range(40))
    table = Table("", "t", "c", ((Heading("a"), Heading("b")),), rows, alignment="pr")
    text = to_latex(table)
    assert text.count(r"\begin{longtable}") == text.count(r"\end{longtable}") == 1
    assert r"p{0.24\textwidth}r}" in text
    assert r"\endhead" in text
    assert to_markdown(table).splitlines()[3] == "| :--- | ---: |"
    assert to_markdown(table).startswith("c\n"), "no number where the paper has none"


def test_a_cell_without_a_value_is_a_hole(
    study: SyntheticStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = tables.read_summary(study.summary)
    missing = (
        (complete["model"] == "resnet14")
        & (complete["learning_rate"] == 0.00075)
        & (complete["draw"] == 0)
    )
    holes = {name: complete[name].where(~missing) for name in ("accuracy", "normalized_accuracy")}
    monkeypatch.setattr(tables, "read_summary", lambda _: complete.assign(**holes))
    write_table3(study.outline, study.summary, "all", tmp_path / "table3_all")
    *_, first, second = rows_of_markdown(tmp_path / "table3_all.md")
    assert "–" not in first
    assert [index for index, cell in enumerate(second) if cell == "–"] == [2, 5]
    values = pd.read_csv(tmp_path / "table3_all.csv")
    assert len(values) == 12
    assert values["value"].isna().sum() == values["missing"].notna().sum() == 2
    check_latex((tmp_path / "table3_all.tex").read_text(encoding="utf-8"))
    assert "–: not measured yet (2 cells)." in (tmp_path / "table3_all.md").read_text(
        encoding="utf-8"
    )


def test_what_the_study_does_not_have_is_said_in_one_line(
    study: SyntheticStudy, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="no noise scope 'kernel'; did you mean 'kernels'"):
        write_table3(study.outline, study.summary, "kernel", tmp_path / "table")
    with pytest.raises(DataError, match="no such file"):
        write_table2(study.outline, tmp_path / "absent.h5", tmp_path / "table")
    bare = tmp_path / "bare.json"
    write_described(bare, {"classes": 10})
    with pytest.raises(DataError, match=r"bare\.json: damaged, or not the description"):
        write_table1(study.outline, dict.fromkeys(COUNTS, bare), tmp_path / "table")
    assert not list(tmp_path.glob("table*"))
