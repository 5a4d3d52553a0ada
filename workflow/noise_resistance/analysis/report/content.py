"""The tables and figures of the report, read from the study's files."""

import base64
import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from noise_resistance.analysis.report.captions import Caption

__all__ = ["Figure", "Table", "figures", "tables"]

_GROUPS = (
    ("The paper's tables", ("table1", "table2", "table3")),
    ("How sure", ("best_rate", "uncertainty")),
    ("Against the paper", ("comparison", "readings")),
    ("The paper's claims", ("claims",)),
    ("Diagnostics", ("gradient_noise", "length", "layers", "diagnostics", "external")),
)
# Where each group is shown; those that are not here stand with the other tables.
_SECTIONS = {
    "Against the paper": "comparison",
    "The paper's claims": "claims",
    "Diagnostics": "diagnostics",
}
_PAPER_S_FIGURES = ("figure",)


@dataclass(frozen=True)
class Table:
    """A table as HTML: its name, caption, and the rows, escaped.

    Attributes:
        name: its file's name without the ending; a table that the report makes itself has none.
        section: the part of the page it stands in.
        group: the heading it stands under.
        caption: HTML.
        headings: HTML.
        right: which columns are aligned to the right.
        rows: HTML.
        csv: the file that holds every digit, relative to the page.
    """

    name: str
    section: str
    group: str
    caption: str
    headings: tuple[str, ...]
    right: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    csv: str


@dataclass(frozen=True)
class Figure:
    """A figure as it is embedded."""

    name: str
    section: str
    source: str
    alternative: str
    caption: str


def tables(folder: Path, stems: Iterable[str]) -> list[Table]:
    """Read tables from their Markdown, in the order of the report's groups."""
    found = [_table(folder / f"{stem}.md") for stem in stems]
    order = [name for name, _ in _GROUPS] + ["More"]
    return sorted(found, key=lambda one: order.index(one.group))


def figures(stems: Iterable[Path], captions: Mapping[str, Caption]) -> list[Figure]:
    """Embed figures.

    Args:
        stems: paths without their endings; the SVG is embedded.
        captions: what each shows, by its whole name; without one it has the title in its file.
    """
    found = []
    for stem in stems:
        content = stem.with_suffix(".svg").read_bytes()
        caption = captions.get(stem.name) or _titled(stem.name, content)
        source = f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"
        section = "figures" if stem.name.startswith(_PAPER_S_FIGURES) else "diagnostics"
        found.append(Figure(stem.name, section, source, caption.alternative, caption.text))
    return found


def _titled(name: str, content: bytes) -> Caption:
    found = re.search(r"<dc:title>(.*?)</dc:title>", content.decode("utf-8"), re.DOTALL)
    title = html.unescape(found[1]) if found else name.replace("-", " ").replace("_", " ")
    return Caption(f"{title}.", f"Figure: {title}.")


def _table(path: Path) -> Table:
    caption, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    head, rule, *rows = [_cells(line) for line in body.splitlines() if line.startswith("|")]
    group = next(
        (name for name, starts in _GROUPS if path.stem.startswith(starts)),
        "More",
    )
    return Table(
        name=path.stem,
        section=_SECTIONS.get(group, "tables"),
        group=group,
        caption=_inline(caption),
        headings=tuple(map(_inline, head)),
        right=tuple(one.endswith(":") and not one.startswith(":") for one in rule),
        rows=tuple(tuple(map(_inline, row)) for row in rows),
        csv=f"{path.parent.name}/{path.stem}.csv",
    )


def _cells(line: str) -> list[str]:
    return [one.strip() for one in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _inline(text: str) -> str:
    """Turn the Markdown that our tables use, bold and escapes, into HTML."""
    escaped = html.escape(
        re.sub(r"\\([^a-zA-Z0-9\s])", lambda one: f"&#{ord(one[1])};", text), quote=False
    )
    entities = re.sub(r"&amp;#(\d+);", r"&#\1;", escaped)
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", entities)
