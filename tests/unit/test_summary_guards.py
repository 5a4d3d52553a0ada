"""A summary is of one study, measured by one code, or there is none."""

import contextlib
from pathlib import Path

import pytest

from noise_resistance.analysis.summary import summarise
from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from synthetic_study import PROVENANCE, SyntheticStudy, outline_of, write_study


@pytest.fixture
def study(tmp_path: Path) -> SyntheticStudy:
    return write_study(tmp_path, outline_of(models=1, rates=2, datasets=1, optimizers=1))


def refusal(study: SyntheticStudy) -> str:
    (study.summary).unlink()
    with contextlib.chdir(study.folder), pytest.raises(DataError) as caught:
        summarise(study.outline, Path("summary.csv"), Path("summary.h5"), PROVENANCE)
    assert not (study.folder / "summary.h5").exists()
    assert not (study.folder / "summary.csv").exists()
    return str(caught.value)


def rewrite(path: Path, kind: str, fingerprint: str, draws: int | None = None) -> None:
    record = read_record(path, kind)
    variables = {
        name: Variable(("draw",)[: values.ndim], values[:draws] if values.ndim else values, name)
        for name, values in record.variables.items()
        if values.ndim == 0 or (name != "prediction" and len(values) == 4)
    }
    write_record(path, kind, variables, Provenance(fingerprint).attributes(record.parameters))


def test_evaluations_made_by_different_code_are_not_mixed(study: SyntheticStudy) -> None:
    path = study.file(study.outline.paths.noise, study.outline.evaluations[3])
    rewrite(path, "noise", "1" * 16)
    line = refusal(study)
    first = study.outline.paths.fill(study.outline.paths.noise, study.outline.evaluations[0])
    assert line.startswith(f"{path.relative_to(study.folder)}: made by other code")
    assert first in line
    assert "run snakemake again" in line


def test_baselines_made_by_different_code_are_not_mixed(study: SyntheticStudy) -> None:
    path = study.file(study.outline.paths.baseline, study.outline.trainings[1])
    rewrite(path, "baseline", "1" * 16)
    assert f"{path.relative_to(study.folder)}: made by other code" in refusal(study)


def test_another_number_of_draws_is_refused(study: SyntheticStudy) -> None:
    path = study.file(study.outline.paths.noise, study.outline.evaluations[2])
    rewrite(path, "noise", PROVENANCE.fingerprint, draws=3)
    assert "holds 3 draws, the study has 4" in refusal(study)


def test_a_missing_evaluation_is_named(study: SyntheticStudy) -> None:
    path = study.file(study.outline.paths.noise, study.outline.evaluations[2])
    path.unlink()
    line = refusal(study)
    assert str(path.relative_to(study.folder)) in line
    assert "run snakemake to make it" in line
