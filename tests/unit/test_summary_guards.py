"""A summary is of one study, measured by one code, or there is none."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from noise_resistance.analysis import best_rate, claims, comparison, measured, uncertainty
from noise_resistance.analysis.figures import learning_rate, optimizer, tradeoff
from noise_resistance.analysis.flags import missing_files
from noise_resistance.analysis.summary import read_summary, summarise
from noise_resistance.analysis.tables import write_table2, write_table3
from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.specification import Specification
from synthetic_study import (
    PROVENANCE,
    SyntheticStudy,
    attributes_of,
    outline_of,
    specification_of,
    write_study,
)

TABLES = ("uncertainty", "best_rate", "comparison")


@pytest.fixture
def study(tmp_path: Path) -> SyntheticStudy:
    return write_study(tmp_path, outline_of(models=1, rates=2, datasets=1, optimizers=1))


def refusal(study: SyntheticStudy, specification: Specification | None = None) -> str:
    with contextlib.chdir(study.folder), pytest.raises(DataError) as caught:
        summarise(
            study.outline,
            Path("summary.csv"),
            Path("summary.h5"),
            PROVENANCE,
            specification=specification,
        )
    assert "\n" not in str(caught.value)
    assert not (study.folder / "summary.h5").exists()
    assert not (study.folder / "summary.csv").exists()
    return str(caught.value)


def rewrite(
    path: Path,
    kind: str,
    *,
    draws: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    **attributes: Any,
) -> None:
    """Write a file again with something changed, sealed like every file."""
    record = read_record(path, kind)
    names = {"prediction": ("test_image",), "loss": ("epoch",) if kind == "history" else ("draw",)}
    variables = {
        name: Variable(names.get(name, ("draw",)), array[:draws] if array.ndim else array, name)
        for name, array in record.variables.items()
    }
    for name, value in (values or {}).items():
        array = np.asarray(value)
        variables[name] = Variable(tuple(f"{name}_{axis}" for axis in range(array.ndim)), array, "")
    variables = {
        name: replace(one, dimensions=one.dimensions[: np.asarray(one.values).ndim])
        for name, one in variables.items()
    }
    header = ("kind", "title", "schema_version", "Conventions", "attributes_sha256")
    kept = {name: one for name, one in record.attributes.items() if name not in header}
    kept["parameters"] = changed(record.parameters, parameters or {})
    write_record(path, kind, variables, {**kept, **attributes})


def changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay changes over values; mappings inside are changed likewise."""
    return {
        **values,
        **{
            name: changed(values[name], one) if isinstance(one, dict) else one
            for name, one in changes.items()
        },
    }


def test_evaluations_made_by_different_code_are_not_mixed(study: SyntheticStudy) -> None:
    path = study.file(study.outline.paths.noise, study.outline.evaluations[3])
    rewrite(path, "noise", fingerprint="1" * 16)
    line = refusal(study)
    first = study.outline.paths.fill(study.outline.paths.noise, study.outline.evaluations[0])
    assert line.startswith(f"{path.relative_to(study.folder)}: made by other code")
    assert first in line
    assert "run snakemake again" in line


def test_baselines_made_by_different_code_are_not_mixed(study: SyntheticStudy) -> None:
    path = study.file(study.outline.paths.baseline, study.outline.trainings[1])
    rewrite(path, "baseline", fingerprint="1" * 16)
    assert f"{path.relative_to(study.folder)}: made by other code" in refusal(study)


def test_another_number_of_draws_is_refused(study: SyntheticStudy) -> None:
    path = study.file(study.outline.paths.noise, study.outline.evaluations[2])
    rewrite(path, "noise", draws=3)
    assert "holds 3 draws, the study has 4" in refusal(study)


def test_a_missing_evaluation_is_named(study: SyntheticStudy) -> None:
    path = study.file(study.outline.paths.noise, study.outline.evaluations[2])
    path.unlink()
    line = refusal(study)
    assert str(path.relative_to(study.folder)) in line
    assert "run snakemake to make it" in line


def test_an_incomplete_study_has_holes_where_its_files_are_missing(study: SyntheticStudy) -> None:
    paths, first, second = study.outline.paths, *study.outline.trainings[:2]
    study.file(paths.baseline, first).unlink()
    hole = next(one for one in study.outline.evaluations if one.training == second)
    study.file(paths.noise, hole).unlink()
    with contextlib.chdir(study.folder):
        summarise(study.outline, Path("s.csv"), Path("s.h5"), PROVENANCE, incomplete=True)
        table = read_summary(Path("s.h5"))
    same = (table["learning_rate"] == first.learning_rate) & (table["optimizer"] == first.optimizer)
    of_first = table[same]
    assert of_first["normalized_accuracy"].isna().all()
    assert of_first["accuracy"].notna().all()
    empty = table[table["accuracy"].isna()]
    assert len(empty) == study.outline.draws
    assert set(empty["scope"]) == {hole.scope}
    assert set(empty["noise_level"]) == {hole.noise_level}
    missing = missing_files(table, study.outline, hole.scope)
    assert list(missing.values()) == [
        [paths.fill(paths.baseline, first)],
        [paths.fill(paths.noise, hole)],
    ]


def test_a_study_of_which_nothing_is_there_is_refused(study: SyntheticStudy) -> None:
    for evaluation in study.outline.evaluations:
        study.file(study.outline.paths.noise, evaluation).unlink()
    with contextlib.chdir(study.folder), pytest.raises(DataError, match="nothing has been eval"):
        summarise(study.outline, Path("s.csv"), Path("s.h5"), PROVENANCE, incomplete=True)


def test_tables_print_a_hole_as_a_hole_and_name_the_file_that_fills_it(
    study: SyntheticStudy,
) -> None:
    paths = study.outline.paths
    lost = next(one for one in study.outline.trainings if one.learning_rate == 0.0005)
    missing = [study.file(paths.baseline, lost)]
    missing += [
        study.file(paths.noise, one) for one in study.outline.evaluations if one.training == lost
    ]
    for path in missing:
        path.unlink()
    with contextlib.chdir(study.folder):
        summary = Path("s.h5")
        summarise(study.outline, Path("s.csv"), summary, PROVENANCE, incomplete=True)
        write_table2(study.outline, summary, Path("table2"))
        write_table3(study.outline, summary, "kernels", Path("table3-kernels"))
        second, third = pd.read_csv("table2.csv"), pd.read_csv("table3-kernels.csv")
        text = Path("table3-kernels.md").read_text(encoding="utf-8")
    file = paths.fill(paths.baseline, lost)
    for table in (second, third):
        holes = table[table["value"].isna()]
        assert list(holes["learning_rate"]) == [0.0005]
        assert holes["missing"].iloc[0].split(" ")[0] == file
        assert table.loc[table["value"].notna(), "missing"].isna().all()
    assert len(third["missing"].dropna().iloc[0].split(" ")) == 1 + len(study.outline.noise_levels)
    assert text.splitlines()[-1].split("|")[2].strip() == "–"
    assert file.replace("_", "\\_") in text


def test_tables_flag_a_training_that_ended_at_chance_and_never_print_it_bold(
    study: SyntheticStudy,
) -> None:
    paths = study.outline.paths
    lost = next(one for one in study.outline.trainings if one.learning_rate == 0.0005)
    variables = {
        "accuracy": Variable((), 0.1, "test accuracy"),
        "prediction": Variable(("test_image",), np.zeros(1000, np.int64), "class"),
    }
    path = study.file(paths.baseline, lost)
    write_record(path, "baseline", variables, attributes_of(study.outline, lost, "baseline"))
    for one in study.outline.evaluations:
        if one.training == lost and one.noise_level == 0:
            rewrite(study.file(paths.noise, one), "noise", values={"accuracy": np.full(4, 0.1)})
    with contextlib.chdir(study.folder):
        summary = Path("s.h5")
        summarise(study.outline, Path("s.csv"), summary, PROVENANCE)
        write_table2(study.outline, summary, Path("table2"))
        write_table3(study.outline, summary, "kernels", Path("table3-kernels"))
        assert list(pd.read_csv("table2.csv")["at_chance"]) == [1, 0]
        row = Path("table3-kernels.md").read_text(encoding="utf-8").splitlines()[-1].split("|")
        latex = Path("table3-kernels.tex").read_text(encoding="utf-8")
    assert "†" in row[2]
    assert "**" not in row[2]
    assert "**" in row[3]
    assert r"$^\dagger$" in latex


def test_figures_and_tables_of_an_incomplete_study_are_made_of_what_there_is(
    tmp_path: Path,
) -> None:
    study = write_study(tmp_path, outline_of(models=1, rates=3, datasets=1, optimizers=3))
    outline, paths = study.outline, study.outline.paths
    # One training is lost in each experiment, and one noise level of another.
    for lost in (
        Training("digits", "resnet8", "adam", 0.00075, 1),
        Training("digits", "resnet8", "sgd", 0.0005, 1),
        Training("digits", "resnet8", "adam", 0.00001, 1),
    ):
        study.file(paths.baseline, lost).unlink()
        for one in outline.evaluations:
            if one.training == lost:
                study.file(paths.noise, one).unlink()
    alone = Training("digits", "resnet8", "adam", 0.0005, 1)
    study.file(paths.noise, Evaluation(alone, "kernels", 0.2)).unlink()
    with contextlib.chdir(tmp_path):
        summary = Path("s.h5")
        summarise(outline, Path("s.csv"), summary, PROVENANCE, incomplete=True)
        learning_rate.draw(outline, summary, "kernels", "digits", Path("figure1"))
        optimizer.draw(outline, summary, "kernels", Path("figure3"))
        tradeoff.draw(outline, summary, "kernels", Path("figure4"))
        for write in (uncertainty.write, best_rate.write, comparison.write):
            write(outline, summary, "kernels", Path(write.__module__.rpartition(".")[2]))
        claims.write(outline, summary, Path("claims"))
        comparison.write_readings(outline, summary, Path("readings"))
        written = {path.name for path in Path().glob("*.md")}
        figures = [path.stat().st_size for path in Path().glob("figure?.png")]
        rates = list(pd.read_csv("uncertainty.csv")["learning_rate"])
    assert written == {f"{name}.md" for name in (*TABLES, "claims", "readings")}
    assert len(figures) == 3
    assert min(figures) > 10_000
    assert rates == [0.001125]


def test_tables_of_a_study_in_which_no_cell_is_complete_say_so(study: SyntheticStudy) -> None:
    keep = study.outline.evaluations[1]
    for one in study.outline.evaluations:
        if one != keep:
            study.file(study.outline.paths.noise, one).unlink()
    with contextlib.chdir(study.folder):
        summary = Path("s.h5")
        summarise(study.outline, Path("s.csv"), summary, PROVENANCE, incomplete=True)
        for write in (uncertainty.write, best_rate.write, comparison.write):
            write(study.outline, summary, "kernels", Path(write.__module__.rpartition(".")[2]))
        claims.write(study.outline, summary, Path("claims"))
        learning_rate.draw(study.outline, summary, "kernels", "digits", Path("figure1"))
        tradeoff.draw(study.outline, summary, "kernels", Path("figure4"))
        assert all(Path(f"{name}.md").exists() for name in TABLES)


OTHER = "f" * 64


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("noise", {"parameters": {"noise_level": 0.4}}, "noise_level is 0.4 and must be 0.05"),
        ("noise", {"parameters": {"scope": "all"}}, 'scope is "all" and must be "kernels"'),
        ("noise", {"parameters": {"seed": 7}}, "seed is 7 and must be 0"),
        ("noise", {"parameters": {"model": "resnet20"}}, 'model is "resnet20" and must be'),
        ("noise", {"parameters": {"training": {"seed": 2}}}, "training.seed is 2 and must be 1"),
        (
            "noise",
            {"parameters": {"training": {"learning_rate": 0.1}}},
            "training.learning_rate is 0.1 and must be 0.0005",
        ),
        ("baseline", {"parameters": {"precision": "bfloat16"}}, 'precision is "bfloat16"'),
        (
            "baseline",
            {"parameters": {"training": {"recipe": {"epochs": 1}}}},
            "training.recipe.epochs is 1 and must be 7",
        ),
        ("history", {"parameters": {"recipe": {"epochs": 1}}}, "recipe.epochs is 1 and must be 7"),
        ("history", {"parameters": {"dataset": {"version": "0"}}}, 'dataset.version is "0"'),
        ("history", {"parameters": {"recipe": {"dropout": 0.5}}}, "recipe.dropout is there"),
        ("history", {"fingerprint": "1" * 16}, "made by other code"),
        ("baseline", {"fingerprint": "1" * 16}, "made by other code"),
        ("noise", {"fingerprint": "1" * 16}, "made by other code"),
        ("baseline", {"weights_sha256": OTHER}, "measured on other weights than"),
        ("history", {"weights_sha256": ""}, "does not say what it is of (weights_sha256)"),
        ("noise", {"weights_sha256": OTHER}, "measured on other weights than"),
        ("noise", {"weights_sha256": ""}, "does not say what it is of (weights_sha256)"),
        ("noise", {"dataset_sha256": OTHER}, "its dataset digits held other images or labels"),
        ("history", {"dataset_sha256": OTHER}, "its dataset digits held other images or labels"),
        ("noise", {"values": {"accuracy": [0.1, np.nan, 0.1, 0.1]}}, "no fractions"),
        ("noise", {"values": {"accuracy": [0.1, 1.5, 0.1, 0.1]}}, "no fractions"),
        ("noise", {"values": {"accuracy": ["a", "b", "c", "d"]}}, "not numbers"),
        ("noise", {"values": {"loss": [1.0, 1.0]}}, "'loss' has not one value a draw"),
        ("noise", {"values": {"nonfinite": [0, 0, 0, -1]}}, "no counts"),
        ("baseline", {"values": {"accuracy": np.nan}}, "no fractions"),
        ("baseline", {"values": {"accuracy": -0.1}}, "no fractions"),
        ("baseline", {"values": {"accuracy": [0.5, 0.6]}}, "not numbers along 0 axes"),
        ("baseline", {"values": {"prediction": 3}}, "not numbers along 1 axes"),
        ("history", {"values": {"loss": np.ones(3)}}, "holds 3 epochs, the study has 7"),
        ("history", {"values": {"loss": np.full(7, np.nan)}}, "not all finite"),
        ("history", {"values": {"loss": np.ones((7, 2))}}, "not numbers along 1 axes"),
    ],
)
def test_a_file_that_is_not_the_study_s_is_refused_by_name(
    study: SyntheticStudy, kind: str, change: dict[str, Any], said: str
) -> None:
    paths, outline = study.outline.paths, study.outline
    of_kind = {"noise": paths.noise, "baseline": paths.baseline, "history": paths.history}
    one = outline.evaluations[1] if kind == "noise" else outline.trainings[0]
    path = study.file(of_kind[kind], one)
    rewrite(path, kind, **change)
    line = refusal(study, specification_of(outline))
    name = str(path.relative_to(study.folder))
    assert name in line
    assert said in line
    assert ("delete the folder " if kind == "history" else "delete ") in line


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("noise", {"parameters": {"noise_level": 0.4}}, "noise_level is 0.4"),
        ("baseline", {"parameters": {"training": {"optimizer": "sgd"}}}, "training.optimizer"),
        ("history", {"parameters": {"dataset": {"name": "cifar10"}}}, "dataset.name"),
    ],
)
def test_without_a_specification_files_are_compared_with_their_places(
    study: SyntheticStudy, kind: str, change: dict[str, Any], said: str
) -> None:
    paths = study.outline.paths
    of_kind = {"noise": paths.noise, "baseline": paths.baseline, "history": paths.history}
    one = study.outline.evaluations[1] if kind == "noise" else study.outline.trainings[1]
    rewrite(study.file(of_kind[kind], one), kind, **change)
    assert said in refusal(study)


def test_files_of_every_code_that_gives_the_present_numbers_are_summarised_together(
    study: SyntheticStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    outline, old = study.outline, "1" * 16
    rewrite(study.file(outline.paths.noise, outline.evaluations[3]), "noise", fingerprint=old)
    rewrite(study.file(outline.paths.baseline, outline.trainings[1]), "baseline", fingerprint=old)
    rewrite(study.file(outline.paths.history, outline.trainings[1]), "history", fingerprint=old)
    for specification in (specification_of(outline), None):
        assert "made by other code" in refusal(study, specification)
    present = measured.counts
    monkeypatch.setattr(measured, "counts", lambda step: (*present(step), old))
    monkeypatch.setattr(measured, "version_of_fingerprint", lambda step, code: "3")
    for specification in (specification_of(outline), None):
        with contextlib.chdir(study.folder):
            csv, hdf5 = Path("summary.csv"), Path("summary.h5")
            summarise(outline, csv, hdf5, PROVENANCE, specification=specification)
            assert len(read_summary(hdf5)) == len(outline.evaluations) * outline.draws


def test_a_baseline_of_other_weights_than_the_history_states_is_to_be_made_again_alone(
    study: SyntheticStudy,
) -> None:
    paths, one = study.outline.paths, study.outline.trainings[0]
    rewrite(study.file(paths.baseline, one), "baseline", weights_sha256=OTHER)
    line = refusal(study)
    baseline, history = (paths.fill(each, one) for each in (paths.baseline, paths.history))
    assert line.startswith(f"{baseline}: measured on other weights than {history}; delete it and")


def test_noise_of_level_zero_that_is_not_the_baseline_stops_the_summary(
    study: SyntheticStudy,
) -> None:
    zero = next(one for one in study.outline.evaluations if one.noise_level == 0)
    path = study.file(study.outline.paths.noise, zero)
    exact = study.baselines[zero.training]
    rewrite(path, "noise", values={"accuracy": [exact, exact, np.nextafter(exact, 1), exact]})
    line = refusal(study, specification_of(study.outline))
    assert line.startswith(f"{path.relative_to(study.folder)}: with eta = 0 draw 2")
    assert study.outline.paths.fill(study.outline.paths.baseline, zero.training) in line


def test_a_summary_says_from_what_its_files_were_made(study: SyntheticStudy) -> None:
    specification = specification_of(study.outline)
    with contextlib.chdir(study.folder):
        summarise(
            study.outline, Path("s.csv"), Path("s.h5"), PROVENANCE, specification=specification
        )
        recorded = read_record(Path("s.h5"), "summary").parameters
    assert recorded["specification"] == specification.as_mapping()


def test_a_damaged_file_of_an_incomplete_study_is_no_hole(study: SyntheticStudy) -> None:
    path = study.file(study.outline.paths.noise, study.outline.evaluations[1])
    rewrite(path, "noise", values={"accuracy": np.full(4, np.nan)})
    with contextlib.chdir(study.folder), pytest.raises(DataError, match="no fractions"):
        summarise(study.outline, Path("s.csv"), Path("s.h5"), PROVENANCE, incomplete=True)


@pytest.mark.parametrize("parameters", ["{", "[1]", '"x"', "", "null"])
def test_parameters_that_are_no_mapping_are_refused(tmp_path: Path, parameters: str) -> None:
    path = tmp_path / "x.h5"
    write_record(path, "noise", {}, {"parameters": parameters, "fingerprint": "f"})
    with pytest.raises(DataError, match="does not say from which parameters it is"):
        assert read_record(path, "noise").parameters
