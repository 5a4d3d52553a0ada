"""The page itself: one HTML file with everything inside it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from noise_resistance.analysis.labels import describe_run, model_title
from noise_resistance.analysis.report.answer import answer, warnings
from noise_resistance.analysis.report.content import (
    Figure,
    datasets_used,
    figures,
    run_times,
    software,
    tables,
    training_panels,
)
from noise_resistance.analysis.report.explorer import explorer_data
from noise_resistance.analysis.settling import describe_schedule
from noise_resistance.analysis.statistics import normalized_accuracy
from noise_resistance.analysis.summary import read_summary
from noise_resistance.storage.files import write_text
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = ["write_report"]

_TEMPLATE = "templates/page.html.j2"
_STYLE = "templates/page.css"
_SCRIPT = "templates/explorer.js"
_HERE = Path(__file__).parent


def write_report(
    outline: Outline,
    summary_file: Path,
    dataset_files: Mapping[str, Path],
    table_stems: Sequence[str],
    figure_stems: Sequence[str],
    output: Path,
) -> None:
    """Write the report of a study.

    Args:
        outline: the study; its paths are relative to the working directory.
        summary_file: its ``summary.h5``.
        dataset_files: the prepared files of its datasets, by name.
        table_stems: names of its tables without their endings.
        figure_stems: names of its figures without their endings.
        output: the HTML file to write.

    Raises:
        DataError: a file is missing or damaged, or the report cannot be written.
    """
    table = read_summary(summary_file)
    folder = Path(outline.paths.tables)
    claims = pd.read_csv(folder / "claims.csv") if "claims" in table_stems else None
    datasets = datasets_used([dataset_files[name] for name in outline.datasets])
    stems = [Path(outline.paths.figures) / stem for stem in figure_stems]
    shown = figures(stems, _captions(table, outline))
    first, others = _first(shown)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(_TEMPLATE).render(
        study=outline.study,
        run=describe_run(outline),
        answer=answer(table, outline, claims),
        warnings=warnings(table, outline),
        first=first,
        figures=others,
        tables=tables(folder, table_stems),
        panels=training_panels(outline),
        times=run_times(Path(outline.paths.benchmarks)),
        software=software(outline),
        datasets=datasets,
        outline=json.dumps(json.loads(outline.to_json()), indent=2),
        explorer=_for_script(explorer_data(table, outline)),
        style=(_HERE / _STYLE).read_text(encoding="utf-8"),
        script=(_HERE / _SCRIPT).read_text(encoding="utf-8"),
    )
    write_text(output, page)


def _first(shown: Sequence[Figure]) -> tuple[Figure | None, list[Figure]]:
    """Take Figure 1 to the front; without one, the first there is."""
    ordered = sorted(shown, key=lambda one: not one.name.startswith("figure1-"))
    return (ordered[0], ordered[1:]) if ordered else (None, [])


def _for_script(values: Any) -> str:
    """Write JSON that cannot end the script element it stands in."""
    return json.dumps(values, allow_nan=False).replace("<", "\\u003c")


def _captions(table: pd.DataFrame, outline: Outline) -> dict[str, str]:
    """Say what each figure shows, with this run's numbers where they fit in a sentence."""
    captions = {}
    values = normalized_accuracy(table)
    experiment = outline.experiment("learning_rate")
    for number, dataset in enumerate(experiment.datasets if experiment else (), start=1):
        title = outline.datasets[dataset].title
        for scope in dict.fromkeys(table["scope"]):
            chosen = values[(values["dataset"] == dataset) & (values["scope"] == scope)]
            name = f"figure{number if number <= 2 else ''}-{dataset}-{scope}"
            captions[name] = (
                f"{f'Figure {number}: n' if number <= 2 else 'N'}ormalized accuracy against the "
                f"noise level on {title}, noise on {scope}, by network and learning rate. "
                f"{_extremes(chosen)}"
            )
    for scope in dict.fromkeys(table["scope"]):
        captions |= {
            f"figure3-{scope}": "Figure 3: baseline and average normalized accuracy by optimizer, "
            f"noise on {scope}.",
            f"figure4-{scope}": "Figure 4: baseline and average normalized accuracy by learning "
            f"rate, noise on {scope}: where both are high is the sweet spot.",
            f"why-{scope}": "What goes with resistance: average normalized accuracy of every "
            "training against dead channels, amplification, gradient noise (batch statistics, as "
            f"in training) and the noise of steps and updates, noise on {scope}. Step noise is "
            "gradient noise times the squared learning rate in force, so it follows the rate by "
            "construction. What is correlated over all trainings and not at one learning rate is "
            "not explained by this quantity beyond the rate itself; at one rate, networks and "
            "optimizers differ in more than it. At the start gradient noise depends on the seed "
            "alone and explains nothing, so it is not drawn.",
            f"length-{scope}": "The relation between learning rate and resistance along the "
            f"trainings, noise on {scope}. {describe_run(outline)}; {describe_schedule(outline)}. "
            "A snapshot has the learning rate then in force: it is no training of that length, "
            "whose schedule would have run to its end.",
        }
    return captions | {
        "layers-": f"Accuracy lost when noise falls on one layer alone. {describe_run(outline)}.",
        "external": "Models trained elsewhere: normalized accuracy against the noise level, one "
        "line a model and noise scope, 95 % intervals over draws.",
    }


def _extremes(values: pd.DataFrame) -> str:
    known = values.dropna(subset=["value"])
    if known.empty:
        return ""
    highest = known[known["noise_level"] == known["noise_level"].max()]
    best, worst = (
        highest.loc[highest["value"].idxmax()],
        highest.loc[highest["value"].idxmin()],
    )
    return (
        f"At the highest noise level, {format_number(best['noise_level'])}, it lies between "
        f"{100 * worst['value']:.1f} % (learning rate {format_number(worst['learning_rate'])}, "
        f"{model_title(worst['model'])}) and {100 * best['value']:.1f} % "
        f"({format_number(best['learning_rate'])}, {model_title(best['model'])})."
    )
