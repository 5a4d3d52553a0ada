"""The answer of a run: three sentences, whatever the number of its scopes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from noise_resistance.analysis.cells import Cell, Cells
from noise_resistance.analysis.crossed import contrast
from noise_resistance.analysis.flags import at_chance
from noise_resistance.analysis.labels import count
from noise_resistance.analysis.published import published
from noise_resistance.analysis.statistics import CONFIDENCE
from noise_resistance.study.grid import Experiment
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = ["answer"]


@dataclass(frozen=True)
class _Difference:
    """Average normalized accuracy of one choice less that of another, mean over the networks."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves 0 out, else 0; 0 without an interval."""
        return int(self.low > 0) - int(self.high < 0)

    @property
    def size(self) -> str:
        """The difference without its sign, with the interval in the same direction."""
        low, high = (self.low, self.high) if self.value >= 0 else (-self.high, -self.low)
        interval = (
            f"95 % interval {100 * low:.1f} to {100 * high:.1f}"
            if np.isfinite(low)
            else "no interval"
        )
        more = "more" if self.value >= 0 else "less"
        return f"{100 * abs(self.value):.1f} points ({interval}) {more}"


@dataclass(frozen=True)
class _Grid:
    """The networks of a scope in which the same choices have been measured, above chance.

    Attributes:
        scope: the noise scope.
        choices: learning rates, rising, or names of optimizers.
        values: by (choice, network, seed, draw).
        networks: how many there are, those left out included.
        left_out: choices that no compared network has whole and above chance.
    """

    scope: str
    choices: tuple[float | str, ...]
    values: np.ndarray
    networks: int
    left_out: tuple[float | str, ...]

    def difference(self, first: float | str, second: float | str) -> _Difference:
        networks = self.values.shape[1]
        pair = self.values[[self.choices.index(first), self.choices.index(second)]]
        weights = np.repeat([1.0, -1.0], networks) / networks
        one = contrast(pair.reshape(-1, *pair.shape[2:]), weights)
        low, high = one.limits(CONFIDENCE)
        return _Difference(float(one.value), float(low), float(high))

    @property
    def extremes(self) -> tuple[float | str, float | str]:
        """The choice with the highest mean, and that with the lowest."""
        means = self.values.mean((1, 2, 3))
        return self.choices[int(means.argmax())], self.choices[int(means.argmin())]


def answer(table: pd.DataFrame, outline: Outline, claims: pd.DataFrame | None) -> list[str]:
    """Say what this run found, in three sentences.

    A training at chance accuracy has no part in any of them.

    Args:
        table: the tidy table of the summary.
        outline: the study.
        claims: the table of claims as written, if the study has one.

    Returns: which choice of learning rate is the most resistant, what the noise scope changes, and
        what that says of the paper's claim. A study that varies optimizers alone compares those.
    """
    name = next(
        (one for one in ("learning_rate", "tradeoff", "optimizer") if outline.experiment(one)), None
    )
    experiment = outline.experiment(name) if name else None
    if experiment is None:
        return ["This study has no experiment that compares trainings."]
    of_optimizer = experiment.name == "optimizer"
    grids = [
        grid
        for scope in experiment.scopes
        if (grid := _grid(Cells(table, outline, scope), experiment))
    ]
    noun = "optimizer" if of_optimizer else "learning rate"
    if not grids:
        return [
            f"No two {noun}s have been measured above chance on one network yet.",
            "What the noise scope changes is therefore open.",
            _of_paper([], of_optimizer, claims),
        ]
    if of_optimizer:
        first, second = grids[0].extremes
    else:
        first, second = _ends(grids)
    # Other scopes may lack a choice of the first.
    shared = [grid for grid in grids if first in grid.choices and second in grid.choices]
    by_scope = {grid.scope: grid.difference(first, second) for grid in shared}
    return [
        _of_extremes(grids[0], outline, noun),
        _of_scopes(by_scope, first, second, experiment.scopes),
        _of_paper(list(by_scope.items()), of_optimizer, claims),
    ]


def _ends(grids: Sequence[_Grid]) -> tuple[float | str, float | str]:
    """Return the lowest and the highest rate that all scopes have, else the first scope's."""
    common = set(grids[0].choices).intersection(*(grid.choices for grid in grids))
    choices = sorted(common) if len(common) > 1 else list(grids[0].choices)
    return choices[0], choices[-1]


def _grid(cells: Cells, experiment: Experiment) -> _Grid | None:
    """Take the networks that have the most choices in common; one choice is no comparison."""
    of_optimizer = experiment.name == "optimizer"
    lost = at_chance(cells.table, cells.outline)
    networks: dict[tuple[object, ...], dict[float | str, Cell]] = {}
    for cell in cells.of_experiment(experiment.name):
        dataset, model, optimizer, rate = cell
        network = (dataset, model, rate) if of_optimizer else (dataset, model, optimizer)
        usable = networks.setdefault(network, {})
        if cell not in lost:
            usable[optimizer if of_optimizer else rate] = cell
    candidates = list(dict.fromkeys(frozenset(one) for one in networks.values() if len(one) > 1))
    if not candidates:
        return None

    def rows(choices: frozenset[float | str]) -> list[dict[float | str, Cell]]:
        return [one for one in networks.values() if choices <= set(one)]

    best = max(candidates, key=lambda one: (len(one), len(rows(one))))
    chosen = rows(best)
    order = list(dict.fromkeys(choice for one in chosen for choice in one if choice in best))
    choices = order if of_optimizer else sorted(best)
    values = [[cells.average[row[choice]] for row in chosen] for choice in choices]
    everything: Sequence[float | str] = (
        experiment.optimizers if of_optimizer else sorted(experiment.learning_rates)
    )
    left_out = tuple(one for one in everything if one not in best)
    return _Grid(cells.scope, tuple(choices), np.asarray(values), len(networks), left_out)


def _of_extremes(grid: _Grid, outline: Outline, noun: str) -> str:
    best, worst = grid.extremes
    one = grid.difference(best, worst)
    measured = grid.values.shape[1]
    networks = count(measured, "network")
    if measured < grid.networks:
        networks = f"{measured} of {grid.networks} networks, the others not measured or at chance"
    rest = ", ".join(_title(choice) for choice in grid.left_out)
    return (
        f"With noise on {grid.scope}, {noun} {_title(best)} made the most resistant networks and "
        f"{_title(worst)} the least: the first keep {one.size} of their accuracy, averaged over "
        f"the noise levels and {networks} ({_certainty(outline)}; both were picked by these "
        "values, so the true difference is rather smaller"
        f"{f'; left out, not measured or at chance: {rest}' if rest else ''})."
    )


def _certainty(outline: Outline) -> str:
    seeds, draws = len(outline.seeds), count(outline.draws, "draw")
    if seeds == 1:
        return f"one training each: the interval covers {draws} of noise and no other training"
    return f"over {seeds} seeds and {draws}"


def _of_scopes(
    by_scope: dict[str, _Difference],
    first: float | str,
    second: float | str,
    scopes: Sequence[str],
) -> str:
    parts = [f"{one.size} with noise on {scope}" for scope, one in by_scope.items()]
    signs = {one.sign for one in by_scope.values()}
    if len(scopes) == 1:
        verdict = "this study has no other scope to compare with"
    elif len(by_scope) == 1:
        verdict = "no other scope has been measured yet"
    elif {-1, 1} <= signs:
        verdict = "which arrays receive noise decides which of the two is better"
    elif 0 in signs:
        verdict = "the intervals do not tell that the scope changes which is better"
    else:
        verdict = "the scope changes the size, not which is better"
    return (
        f"Networks trained with {_title(first)} keep, against {_title(second)}, "
        f"{_listed(parts)}: {verdict}."
    )


def _of_paper(
    by_scope: Sequence[tuple[str, _Difference]], of_optimizer: bool, claims: pd.DataFrame | None
) -> str:
    if of_optimizer:
        return _of_paper_s_optimizers()
    says = "The paper says that low learning rates, 0.0005 and 0.000625, resist most; "
    words = {1: "holds", -1: "fails", 0: "is undecided"}
    scopes = {sign: [scope for scope, one in by_scope if one.sign == sign] for sign in (1, -1, 0)}
    parts = [
        f"{words[sign]} with noise on {_listed(names)}" for sign, names in scopes.items() if names
    ]
    found = (
        f"between this study's lowest and highest rate that {_listed(parts)}"
        if parts
        else ("this study cannot say yet")
    )
    if claims is None or claims.empty:
        return f"{says}{found}."
    verdicts = claims["verdict"].value_counts()
    counted = ", ".join(
        f"{int(verdicts.get(name, 0))} {text}"
        for name, text in (
            ("holds", "hold"),
            ("fails", "fail"),
            ("undecided", "are undecided"),
            ("not tested", "could not be tested here"),
        )
    )
    return f"{says}{found}; of its claims, checked {len(claims)} times on these results, {counted}."


def _of_paper_s_optimizers() -> str:
    printed = published("average_normalized_accuracy", "Figure 3").sort_values("value")
    best, worst = (OPTIMIZERS[printed.iloc[at]["optimizer"]].label for at in (-1, 0))
    return (
        f"The paper's Figure 3 shows {best} as the most and {worst} as the least resistant; its "
        "claim on learning rates is not tested, since this study has no experiment with several."
    )


def _title(choice: float | str) -> str:
    return OPTIMIZERS[choice].label if isinstance(choice, str) else format_number(choice)


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + f" and {parts[-1]}" if len(parts) > 1 else parts[0]
