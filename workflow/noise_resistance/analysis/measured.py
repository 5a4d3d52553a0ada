"""The one way to read measured files: each must be what it is taken for, and fit the others.

A file is refused where it was made by other code or from other settings than the study's, belongs
to another cell than its path says, holds another number of draws, or values that no measurement
gives; and where it was measured on other weights or on another dataset than the files beside it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from noise_resistance.analysis.mixture import Environments
from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import Record, read_record
from noise_resistance.store.versions import counts, version_of, version_of_fingerprint
from noise_resistance.study.differences import difference
from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.outline import Outline
from noise_resistance.study.specification import Specification

__all__ = ["BY_DRAW", "MeasuredFiles", "StudyFiles"]

BY_DRAW = ("accuracy", "loss", "nonfinite")
_STEPS = {
    "history": "train",
    "baseline": "evaluate_baseline",
    "noise": "evaluate_noise",
    "diagnostics": "diagnose",
}
_AGAIN = "delete it and run snakemake again"
# Arrays of diagnostics by their number of axes, the first of which is the point.
_BY_POINT = {
    1: (
        "epochs",
        "learning_rate",
        "C",
        "C_error",
        "gradient_bound",
        "bound",
        "update_noise",
        "update_size",
    ),
    2: (
        "dead_channels",
        "amplification_max",
        "gradient_noise",
        "gradient_noise_error",
        "step_noise",
        "bound_holds",
    ),
}


@dataclass(frozen=True)
class _First:
    """The first file of a kind, model or dataset, and what it states that others must state too."""

    path: Path
    value: Any


@dataclass(frozen=True)
class _Baseline:
    path: Path
    accuracy: float


class MeasuredFiles:
    """Reads files one by one, and compares each with those before it; a history comes first."""

    def __init__(self, *, strict: bool = False, steps: Mapping[str, str] | None = None) -> None:
        """Begin with no file.

        Args:
            strict: whether files must be of this program's version of their step, and state what is
                wanted and no more; otherwise all must be of the first one's version.
            steps: the step that makes each kind of file; the study's own by default.
        """
        self._strict, self._steps = strict, dict(steps or _STEPS)
        self.environments = Environments()
        # Of what was read no more is kept than is compared: a study may have 100,000 files.
        self._first_by_code: dict[str, _First] = {}
        self._first_by_model: dict[str, _First] = {}
        self._first_by_dataset: dict[str, _First] = {}
        self._baselines: dict[str, _Baseline] = {}

    def history(
        self, path: str, wanted: Mapping[str, Any], dataset: str, epochs: int | None = None
    ) -> Record:
        """Read the losses of a training.

        Args:
            path: the file.
            wanted: parameters that it must state, as they are after a way through JSON.
            dataset: the dataset's name.
            epochs: how many there must be.

        Raises:
            DataError: the file cannot be used; the message says why and what to do.
        """
        folder = str(Path(path).parent)
        again = f"delete the folder {folder} and run snakemake again, which restores or trains it"
        record = read_record(path, "history", ["loss", "learning_rate"])
        self._check_made_from(record, "history", wanted, again)
        self._check_sources(record, folder, dataset, again)
        losses = _numbers(record, "loss", 1, again)
        if not losses.size or not np.isfinite(losses).all():
            raise DataError(f"{path}: its losses are not all finite numbers; {again}")
        if epochs is not None and len(losses) != epochs:
            raise DataError(f"{path}: holds {len(losses)} epochs, the study has {epochs}; {again}")
        return record

    def baseline(self, path: str, wanted: Mapping[str, Any], model: str, dataset: str) -> Record:
        """Read a baseline's accuracy and predictions.

        Args:
            path: the file.
            wanted: parameters that it must state.
            model: what tells its trained model from others, such as the folder.
            dataset: the dataset's name.

        Raises:
            DataError: the file cannot be used.
        """
        record = read_record(path, "baseline", ["accuracy", "prediction"])
        self._check_made_from(record, "baseline", wanted, _AGAIN)
        _fractions(record, "accuracy", ())
        if not _numbers(record, "prediction", 1, _AGAIN).size:
            raise DataError(f"{path}: holds no predictions; {_AGAIN}")
        self._check_sources(record, model, dataset)
        self._baselines[model] = _Baseline(record.path, float(record["accuracy"]))
        return record

    def noise(
        self, path: str, wanted: Mapping[str, Any], model: str, dataset: str, draws: int | None
    ) -> Record:
        """Read accuracy, loss and images without finite outputs by draw.

        At noise level 0 the accuracies must be the baseline's, if that was read before.

        Args:
            path: the file.
            wanted: parameters that it must state, ``noise_level`` among them.
            model: as for its baseline.
            dataset: the dataset's name.
            draws: how many there must be; None for any number.

        Raises:
            DataError: the file cannot be used.
        """
        record = read_record(path, "noise", BY_DRAW)
        # Before the parameters: they count the draws too, but say it less plainly.
        found = len(_numbers(record, "accuracy", 1, _AGAIN))
        draws = draws or found
        if found != draws or not found:
            raise DataError(f"{path}: holds {found} draws, the study has {draws}; {_AGAIN}")
        self._check_made_from(record, "noise", wanted, _AGAIN)
        _fractions(record, "accuracy", (draws,))
        for name in ("loss", "nonfinite"):
            if _numbers(record, name, 1, _AGAIN).shape != (draws,):
                raise DataError(f"{path}: '{name}' has not one value a draw; {_AGAIN}")
        if not np.isfinite(record["nonfinite"]).all() or record["nonfinite"].min() < 0:
            raise DataError(f"{path}: 'nonfinite' holds values that are no counts; {_AGAIN}")
        self._check_sources(record, model, dataset)
        if wanted["noise_level"] == 0 and model in self._baselines:
            _check_zero_noise(record, self._baselines[model])
        return record

    def diagnostics(self, path: str, wanted: Mapping[str, Any], model: str, dataset: str) -> Record:
        """Read the diagnostics of a training.

        Raises:
            DataError: the file cannot be used.
        """
        names = [name for by_axes in _BY_POINT.values() for name in by_axes]
        record = read_record(path, "diagnostics", [*names, "channels"])
        self._check_made_from(record, "diagnostics", wanted, _AGAIN)
        self._check_sources(record, model, dataset)
        points = len(_numbers(record, "epochs", 1, _AGAIN))
        layers = len(_numbers(record, "channels", 1, _AGAIN))
        sizes = {"dead_channels": layers, "amplification_max": layers}
        for axes, by_axes in _BY_POINT.items():
            for name in by_axes:
                shape = _numbers(record, name, axes, _AGAIN).shape
                if shape != ((points,), (points, sizes.get(name, 2)))[axes - 1] or not points:
                    raise DataError(f"{path}: '{name}' has the shape {shape}; {_AGAIN}")
        if not (record["dead_channels"] >= 0).all() or not record["channels"].sum() > 0:
            raise DataError(f"{path}: its numbers of channels are no counts; {_AGAIN}")
        return record

    def _check_made_from(
        self, record: Record, kind: str, wanted: Mapping[str, Any], again: str
    ) -> None:
        """Refuse what was made by other code, whose differences may be the code's, or otherwise."""
        self.environments.add(record)
        code, step = str(record.attributes.get("fingerprint")), self._steps[kind]
        if self._strict:
            alike = code in counts(step)
            whose = f"than this program's (version {version_of(step)})"
        else:
            first = self._first_by_code.setdefault(kind, _First(record.path, code))
            versions = [version_of_fingerprint(step, one) for one in (first.value, code)]
            alike = versions[0] == versions[1]
            whose = f"than {first.path} ({first.value})"
        if not alike:
            raise DataError(
                f"{record.path}: made by other code (fingerprint {code}) {whose}; {again}"
            )
        if differs := difference(record.parameters, wanted, whole=self._strict):
            raise DataError(f"{record.path}: made from other settings: {differs}; {again}")

    def _check_sources(self, record: Record, model: str, dataset: str, again: str = _AGAIN) -> None:
        weights = _stated(record, "weights_sha256", again)
        first = self._first_by_model.setdefault(model, _First(record.path, weights))
        if weights != first.value:
            # A history is the training's own: what was measured is made again, and nothing trained.
            which = "it" if first.path.name == "history.h5" else "both"
            raise DataError(
                f"{record.path}: measured on other weights than {first.path}; delete {which} and "
                "run snakemake again"
            )
        content = _stated(record, "dataset_sha256", again)
        first = self._first_by_dataset.setdefault(dataset, _First(record.path, content))
        if content != first.value:
            raise DataError(
                f"{record.path}: its dataset {dataset} held other images or labels than that of "
                f"{first.path}; if this file is the older one, {again}; else do so with the other"
            )


class StudyFiles:
    """Reads the measured files of one study by their place in its grid."""

    def __init__(self, outline: Outline, specification: Specification | None = None) -> None:
        """Begin with no file.

        Args:
            outline: the study's grid; its paths are relative to the working directory.
            specification: what the files must have been made from; without one they are compared
                with their places in the grid and with each other.
        """
        self._outline, self._specification = outline, specification
        self._files = MeasuredFiles(strict=specification is not None)
        self._trainings: dict[Training, dict[str, Any]] = {}

    @property
    def environments(self) -> Environments:
        """Versions and devices of the files read so far."""
        return self._files.environments

    def history(self, one: Training, snapshot: int | None = None) -> Record:
        """Read the losses of a training, or of one of its snapshots."""
        path = self._path(self._outline.paths.history, one, snapshot)
        epochs = self._outline.epochs if snapshot is None else snapshot
        return self._files.history(path, self._training(one), one.dataset, epochs)

    def baseline(self, one: Training, snapshot: int | None = None) -> Record:
        """Read a baseline's accuracy and predictions."""
        path = self._path(self._outline.paths.baseline, one, snapshot)
        parameters = self._specification.baseline(one) if self._specification else {}
        wanted = {**parameters, "model": one.model, "training": self._training(one)}
        return self._files.baseline(path, wanted, self._model(one, snapshot), one.dataset)

    def noise(self, one: Evaluation, snapshot: int | None = None) -> Record:
        """Read accuracy, loss and images without finite outputs by draw."""
        path = self._path(self._outline.paths.noise, one, snapshot)
        if self._specification:
            parameters = self._specification.evaluation(one)
        else:
            parameters = {"model": one.training.model, "noise_level": one.noise_level}
        wanted = {**parameters, "training": self._training(one.training)}
        model, draws = self._model(one.training, snapshot), self._outline.draws
        return self._files.noise(path, wanted, model, one.training.dataset, draws)

    def diagnostics(self, one: Training) -> Record:
        """Read the diagnostics of a training."""
        path = self._path(self._outline.paths.diagnostics, one)
        parameters = self._specification.diagnosis(one) if self._specification else {}
        wanted = {**parameters, "model": one.model, "training": self._training(one)}
        return self._files.diagnostics(path, wanted, self._model(one), one.dataset)

    def _training(self, one: Training) -> dict[str, Any]:
        if one not in self._trainings:
            if self._specification:
                parameters = self._specification.training(one)
            else:
                parameters = {**vars(one), "dataset": {"name": one.dataset}}
            self._trainings[one] = json.loads(json.dumps(parameters))
        return self._trainings[one]

    def _model(self, one: Training, snapshot: int | None = None) -> str:
        return self._path(self._outline.paths.training, one, snapshot)

    def _path(self, template: str, one: Training | Evaluation, snapshot: int | None = None) -> str:
        paths = self._outline.paths
        if snapshot is not None:
            template = template.replace(
                paths.training, paths.snapshot.replace("{epoch}", str(snapshot))
            )
        return paths.fill(template, one)


def _stated(record: Record, name: str, again: str) -> Any:
    """Return an attribute that says what was trained or measured."""
    if not (value := record.attributes.get(name)):
        raise DataError(f"{record.path}: does not say what it is of ({name}); {again}")
    return value


def _numbers(record: Record, name: str, axes: int, again: str) -> np.ndarray:
    values = record[name]
    if values.dtype.kind not in "biuf" or values.ndim != axes:
        raise DataError(
            f"{record.path}: '{name}' is {values.dtype} of the shape {values.shape}, not numbers "
            f"along {axes} axes; {again}"
        )
    return values


def _fractions(record: Record, name: str, shape: tuple[int, ...]) -> None:
    values = _numbers(record, name, len(shape), _AGAIN)
    if values.shape != shape or not ((values >= 0) & (values <= 1)).all():
        raise DataError(
            f"{record.path}: '{name}' holds values that are no fractions between 0 and 1; {_AGAIN}"
        )


def _check_zero_noise(record: Record, baseline: _Baseline) -> None:
    others = np.flatnonzero(record["accuracy"] != baseline.accuracy)
    if others.size:
        draw = int(others[0])
        raise DataError(
            f"{record.path}: with eta = 0 draw {draw} has the accuracy "
            f"{record['accuracy'][draw]:.6g}, the baseline in {baseline.path} is "
            f"{baseline.accuracy:.6g}; delete both and run snakemake again, and if they "
            "differ again report it"
        )
