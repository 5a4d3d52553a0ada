"""The page itself: one HTML file with everything inside it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from noise_resistance.analysis.labels import count, describe_run
from noise_resistance.analysis.report.answer import answer
from noise_resistance.analysis.report.captions import captions
from noise_resistance.analysis.report.cautions import cautions
from noise_resistance.analysis.report.content import Figure, Table, figures, tables
from noise_resistance.analysis.report.curves import training_panels
from noise_resistance.analysis.report.explorer import explorer_data
from noise_resistance.analysis.report.measured import diagnostics_table, external_table
from noise_resistance.analysis.report.provenance import (
    datasets_used,
    page_versions,
    recorded,
    run_times,
    times_caption,
)
from noise_resistance.analysis.report.sources import Sources
from noise_resistance.analysis.settling import describe_settling
from noise_resistance.storage.files import write_text
from noise_resistance.store.fingerprint import fingerprint
from noise_resistance.study.outline import Outline

__all__ = ["write_report"]

_TEMPLATE = "templates/page.html.j2"
_STYLE = "templates/page.css"
_SCRIPT = "templates/explorer.js"
_HERE = Path(__file__).parent


def write_report(
    outline: Outline,
    sources: Sources,
    configuration: Mapping[str, Any],
    table_stems: Sequence[str],
    figure_stems: Sequence[str],
    output: Path,
) -> None:
    """Write the report of a study.

    Args:
        outline: the study; its paths are relative to the working directory.
        sources: the study's summary and all else the page is made from.
        configuration: what decides the study's numbers, as `study.settings.settings_of` gives it.
        table_stems: names of its tables without their endings.
        figure_stems: names of its figures without their endings.
        output: the HTML file to write.

    Raises:
        DataError: a file is missing or damaged, or the report cannot be written.
    """
    table = sources.summary
    folder = Path(outline.paths.tables)
    claims = pd.read_csv(folder / "claims.csv") if "claims" in table_stems else None
    stems = [Path(outline.paths.figures) / stem for stem in figure_stems]
    first, others = _first(figures(stems, captions(table, outline, sources)))
    datasets = datasets_used([sources.dataset_files[name] for name in outline.datasets])
    times = run_times(Path(outline.paths.root))
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
        cautions=cautions(table, outline),
        first=first,
        figures=others,
        tables=[*tables(folder, table_stems), *_own_tables(outline, sources, table_stems)],
        panels=training_panels(outline, table),
        settling=describe_settling(table, outline),
        times=times,
        times_caption=times_caption(times) if times else "",
        steps=recorded(outline, sources),
        made_by=page_versions(),
        fingerprint=fingerprint("report"),
        datasets=datasets,
        datasets_caption=_of_datasets(datasets),
        configuration=yaml.safe_dump(
            dict(configuration), sort_keys=False, default_flow_style=None, width=96
        ),
        explorer=_for_script(explorer_data(table, outline)),
        style=(_HERE / _STYLE).read_text(encoding="utf-8"),
        script=(_HERE / _SCRIPT).read_text(encoding="utf-8"),
    )
    write_text(output, page)


def _first(shown: Sequence[Figure]) -> tuple[Figure | None, list[Figure]]:
    """Take Figure 1 to the front; without one, the first there is."""
    ordered = sorted(shown, key=lambda one: not one.name.startswith("figure1-"))
    return (ordered[0], ordered[1:]) if ordered else (None, [])


def _own_tables(outline: Outline, sources: Sources, stems: Sequence[str]) -> list[Table]:
    """Make the tables that no rule has written."""
    made = []
    if sources.diagnostics is not None and "diagnostics" not in stems:
        made.append(diagnostics_table(sources.diagnostics, outline))
    if sources.external_models is not None and "external_models" not in stems:
        made.append(external_table(sources.external_models, outline))
    return made


def _of_datasets(datasets: Sequence[Mapping[str, Any]]) -> str:
    test_sets = ", ".join(
        f"{one['test_images']:,} test images of {one['title']} ({one['classes']} classes)"
        for one in datasets
    )
    return (
        f"{count(len(datasets), 'dataset')}; every accuracy is measured on all {test_sets}. "
        "Checksums are those of the archives, where there are any, and of the arrays in the "
        "prepared file."
    )


def _for_script(values: Any) -> str:
    """Write JSON that cannot end the script element it stands in."""
    return json.dumps(values, allow_nan=False).replace("<", "\\u003c")
