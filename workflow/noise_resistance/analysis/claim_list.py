"""The paper's testable claims: where each is made, what it says and what tests it.

Where the text of Section III-5 speaks of "5e-5 and lower" and of noise level 0.1, the claim is
tested so; what Section V says of every rate below the sweet spot is a claim of its own.
"""

from dataclasses import dataclass

from noise_resistance.analysis import claim_tests
from noise_resistance.analysis.claim_tests import Tests

__all__ = ["CLAIMS", "Claim"]

_RATES = ("learning_rate",)
_ALL_RATES = ("learning_rate", "tradeoff")
_OPTIMIZERS = ("optimizer",)


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        name: in the table for programs.
        section: of the paper.
        statement: what it says.
        statistic: what is above zero where it holds.
        tests: finds the contrasts in a study.
        needs: what a study must have for that.
        experiments: whose cells it compares.
        about_baseline: it says nothing of noise, so it is the same under every scope.
    """

    name: str
    section: str
    statement: str
    statistic: str
    tests: Tests
    needs: str
    experiments: tuple[str, ...]
    about_baseline: bool = False


CLAIMS = (
    Claim(
        "accuracy_falls_with_noise",
        "III-2",
        "Accuracy falls with the noise level at every learning rate",
        "smallest fall of normalized accuracy between neighbouring noise levels",
        claim_tests.falls_with_noise,
        "two noise levels above 0",
        _RATES,
    ),
    Claim(
        "best_rate_published",
        "III-3",
        "The learning rate that the paper names is the most noise-resistant",
        "smallest lead in A_avr of the named rate over any other",
        claim_tests.best_as_published,
        "CIFAR10 or CIFAR100 with ResNet20, 32, 44 or 56 at 0.0005 or 0.000625 and another rate",
        _RATES,
    ),
    Claim(
        "best_rate_low",
        "III-3",
        "One of the two lowest learning rates is the most noise-resistant",
        "smallest lead in A_avr of the better of the two lowest rates over any higher one",
        claim_tests.best_is_low,
        "three learning rates",
        _RATES,
    ),
    Claim(
        "resistance_falls_with_rate",
        "V",
        "The highest learning rate is less noise-resistant than the lowest",
        "A_avr at the lowest rate less that at the highest",
        claim_tests.falls_with_rate,
        "two learning rates",
        _RATES,
    ),
    Claim(
        "resistance_falls_above",
        "III-5",
        "From 0.001 on, accuracy at noise level 0.1 falls with the learning rate",
        "smallest fall of normalized accuracy at 0.1 between neighbouring rates",
        claim_tests.falls_above,
        "noise level 0.1 and two learning rates from 0.001 on",
        _RATES,
    ),
    Claim(
        "resistance_falls_with_depth",
        "Table III",
        "From 0.001 on, the deepest model is less noise-resistant than the shallowest",
        "smallest A_avr of the shallowest model less that of the deepest at the same rate",
        claim_tests.falls_with_depth,
        "two models and a learning rate from 0.001 on",
        _RATES,
    ),
    Claim(
        "baseline_spread_small",
        "III-1",
        "The learning rate gives the baseline no substantial advantage (under 3.15 points)",
        "3.15 points less the largest difference between two rates' baselines",
        claim_tests.baseline_hardly_moves,
        "two learning rates",
        _RATES,
        about_baseline=True,
    ),
    Claim(
        "baseline_better_above",
        "III-5",
        "Learning rates from 0.001 on have the better baseline",
        "mean baseline from 0.001 on less that below",
        claim_tests.baseline_better_above,
        "learning rates on both sides of 0.001",
        _RATES,
        about_baseline=True,
    ),
    Claim(
        "sweet_spot_above",
        "V",
        "Rates in 0.0005 to 0.001 are more noise-resistant than those above",
        "mean A_avr in the region less that above it",
        claim_tests.above_the_sweet_spot,
        "learning rates inside 0.0005 to 0.001 and above",
        _ALL_RATES,
    ),
    Claim(
        "lowest_rates_less_resistant",
        "III-5",
        "Rates of 0.00005 and lower are less noise-resistant than those in 0.0005 to 0.001",
        "mean normalized accuracy at noise level 0.1 in the region less that at 0.00005 and lower",
        claim_tests.at_the_lowest_rates,
        "noise level 0.1, learning rates inside 0.0005 to 0.001 and at most 0.00005 "
        "(experiment tradeoff)",
        _ALL_RATES,
    ),
    Claim(
        "lowest_rates_worse_baseline",
        "III-5",
        "Rates of 0.00005 and lower have a worse baseline than those in 0.0005 to 0.001",
        "mean baseline in the region less that at 0.00005 and lower",
        claim_tests.baseline_at_the_lowest_rates,
        "learning rates inside 0.0005 to 0.001 and at most 0.00005 (experiment tradeoff)",
        _ALL_RATES,
        about_baseline=True,
    ),
    Claim(
        "low_rates_less_resistant",
        "V",
        "Rates below 0.0005 are less noise-resistant than those in 0.0005 to 0.001",
        "mean A_avr in the region less that below it",
        claim_tests.below_the_sweet_spot("average"),
        "learning rates inside 0.0005 to 0.001 and below (experiment tradeoff)",
        _ALL_RATES,
    ),
    Claim(
        "low_rates_worse_baseline",
        "V",
        "Rates below 0.0005 have a worse baseline than those in 0.0005 to 0.001",
        "mean baseline in the region less that below it",
        claim_tests.below_the_sweet_spot("baseline"),
        "learning rates inside 0.0005 to 0.001 and below (experiment tradeoff)",
        _ALL_RATES,
        about_baseline=True,
    ),
    Claim(
        "adaptive_more_resistant",
        "III-4",
        "Every adaptive optimizer is more noise-resistant than every fixed one",
        "smallest A_avr of an adaptive optimizer less that of a fixed one",
        claim_tests.adaptive_better("average"),
        "experiment optimizer with adaptive and fixed ones under this scope",
        _OPTIMIZERS,
    ),
    Claim(
        "adaptive_better_baseline",
        "III-4",
        "Every adaptive optimizer has a better baseline than every fixed one",
        "smallest baseline of an adaptive optimizer less that of a fixed one",
        claim_tests.adaptive_better("baseline"),
        "experiment optimizer with adaptive and fixed ones",
        _OPTIMIZERS,
        about_baseline=True,
    ),
    Claim(
        "easier_task_better_baseline",
        "III-1",
        "The task of fewer classes has the better baseline in every cell",
        "smallest baseline difference between the tasks over models and rates",
        claim_tests.easier_better("baseline"),
        "two datasets that differ in classes",
        _RATES,
        about_baseline=True,
    ),
    Claim(
        "easier_task_more_resistant",
        "III-6",
        "The task of fewer classes is more noise-resistant in every cell",
        "smallest difference of A_avr between the tasks over models and rates",
        claim_tests.easier_better("average"),
        "two datasets that differ in classes",
        _RATES,
    ),
    Claim(
        "easier_task_more_resistant_corrected",
        "III-6",
        "The same with both corrected for chance",
        "smallest difference of chance-corrected A_avr between the tasks over models and rates",
        claim_tests.easier_better("corrected"),
        "two datasets that differ in classes",
        _RATES,
    ),
)
