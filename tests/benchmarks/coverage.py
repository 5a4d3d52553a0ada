"""How often 95 % intervals cover the truth, by method and spread: the table of the documentation.

Least and largest coverage over 3, 5 and 10 seeds with 10 and 25 draws; a few minutes on one core.

python tests/benchmarks/coverage.py [--studies 2000]
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from noise_resistance.analysis.crossed import contrast, further_training
from simulated_studies import SPREADS, bounded, skewed, unbounded

DESIGNS = [(seeds, draws) for seeds in (3, 5, 10) for draws in (10, 25)]
KINDS = {"Gaussian": unbounded, "bounded": bounded, "skewed": skewed}


def crossed(values: np.ndarray) -> np.ndarray:
    low, high = contrast(values[:, np.newaxis], np.ones(1)).limits(0.95)
    return np.asarray((low <= 0) & (high >= 0))


def over(axis: int) -> Callable[[np.ndarray], np.ndarray]:
    def covers(values: np.ndarray) -> np.ndarray:
        means = values.mean(axis)
        count = means.shape[1]
        half = stats.t.ppf(0.975, count - 1) * means.std(1, ddof=1) / np.sqrt(count)
        return np.asarray(abs(means.mean(1)) <= half)

    return covers


def bootstrap(values: np.ndarray, resamples: int = 400) -> np.ndarray:
    """The percentile bootstrap that resamples seeds and draws, each on its own."""
    generator = np.random.default_rng(0)
    studies, seeds, draws = values.shape
    of_seeds = generator.multinomial(seeds, [1 / seeds] * seeds, resamples) / seeds
    of_draws = generator.multinomial(draws, [1 / draws] * draws, resamples) / draws
    means = np.einsum("nsd,rs,rd->nr", values, of_seeds, of_draws, optimize=True)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    return np.asarray((low <= 0) & (high >= 0)).reshape(studies)


METHODS = {
    "crossed (used)": crossed,
    "t over seeds": over(2),
    "t over draws": over(1),
    "percentile bootstrap": bootstrap,
}
COLUMNS = [*METHODS, "crossed, difference of two cells", "one further training"]


def shares_of(values: np.ndarray, further: np.ndarray) -> list[float]:
    """Return the share covered by each of `COLUMNS`.

    Args:
        values: by (study, two cells, seed, draw), true means 0.
        further: one more training a study, by (study,).
    """
    first = values[:, 0]
    low, high = contrast(values, np.array([1.0, -1.0])).limits(0.95)
    least, most = further_training(first).limits(0.95)
    distance = further - first.mean((1, 2))
    return [
        *(float(method(first).mean()) for method in METHODS.values()),
        float(((low <= 0) & (high >= 0)).mean()),
        float(((least <= distance) & (distance <= most)).mean()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args().studies
    generator = np.random.default_rng(1)
    print("| spread | values |", " | ".join(COLUMNS), "|")
    print("|---|---|" + "---|" * len(COLUMNS))
    for name, spread in SPREADS.items():
        for kind, make in KINDS.items():
            shares = [
                shares_of(
                    make(generator, spread, (studies, 2, seeds, draws)),
                    make(generator, spread, (studies, 1, 1, draws)).mean((1, 2, 3)),
                )
                for seeds, draws in DESIGNS
            ]
            least, most = 100 * np.min(shares, axis=0), 100 * np.max(shares, axis=0)
            ranges = (f"{low:.1f}–{high:.1f}" for low, high in zip(least, most, strict=True))
            print(f"| {name} | {kind} |", " | ".join(ranges), "|", flush=True)


if __name__ == "__main__":
    main()
