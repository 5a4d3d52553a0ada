"""One table for people as GitHub Markdown and as LaTeX with booktabs."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Cell", "Heading", "Table", "to_latex", "to_markdown"]

_LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # After the end of a row, a bracket would be read as its optional argument.
    "[": "{[}",
    "]": "{]}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "×": r"$\times$",
    "η": r"$\eta$",
    "α": r"$\alpha$",
    "²": r"$^2$",
}
_TEXT_COLUMN = r">{\raggedright\arraybackslash}p{0.24\textwidth}"
_ROWS_OF_A_PAGE = 30  # of rows that can take two lines each
_MARKDOWN = {character: f"\\{character}" for character in "\\|*_`[]<>"}


@dataclass(frozen=True)
class Heading:
    """A heading over one column or several."""

    text: str
    span: int = 1


@dataclass(frozen=True)
class Cell:
    """One entry.

    Attributes:
        text: what it shows.
        spread: the half-width of its interval, without the sign; empty for none.
        bold: whether it stands out.
    """

    text: str
    spread: str = ""
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """A table for people.

    Attributes:
        number: Roman, as in the paper; empty for a table that the paper does not have.
        name: of the file, used as the LaTeX label.
        caption: one paragraph.
        headings: the rows of the head from the top; each row spans all columns.
        rows: entries, as many in each as there are columns; the first names the row.
        wide: whether it takes both columns of a two-column page.
        alignment: a letter a column, ``l``, ``r`` or ``p`` (text that breaks in LaTeX); by default
            the first is left, the others right in wide tables.
    """

    number: str
    name: str
    caption: str
    headings: tuple[tuple[Heading, ...], ...]
    rows: tuple[tuple[Cell, ...], ...]
    wide: bool = False
    alignment: str = ""

    def columns(self) -> str:
        """Return the alignment of each column."""
        count = sum(one.span for one in self.headings[0])
        return self.alignment or "l" + ("r" if self.wide else "l") * (count - 1)


def to_markdown(table: Table) -> str:
    """Write a table in GitHub's Markdown.

    Markdown has one row of headings and no spans: a heading stands over the first of its columns,
    and further rows of headings are bold rows of the body.
    """
    first, *others = [_spread_out(headings) for headings in table.headings]
    lines = [_line(first), _line(["---:" if one == "r" else ":---" for one in table.columns()])]
    lines += [_line([f"**{text}**" if text else "" for text in headings]) for headings in others]
    lines += [_line([_markdown_cell(cell) for cell in row]) for row in table.rows]
    number = f"**Table {table.number}.** " if table.number else ""
    caption = number + _escape(table.caption, _MARKDOWN)
    return "\n".join([caption, "", *lines, ""])


def to_latex(table: Table) -> str:
    """Write a table as a LaTeX float that needs the package booktabs.

    An interval's half-width stands below its value, so that twelve columns fit on a page.
    """
    environment = "table*" if table.wide else "table"
    alignment = table.columns().replace("p", _TEXT_COLUMN)
    if len(table.rows) > _ROWS_OF_A_PAGE:
        return _long_table(table, alignment)
    lines = [
        rf"% needs \usepackage{{{'array,' if table.alignment else ''}booktabs}}",
        rf"\begin{{{environment}}}",
        r"\centering",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{_escape(table.caption, _LATEX)}}}",
        rf"\label{{tab:{table.name.replace('_', '-')}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        *[line for headings in table.headings for line in _latex_headings(headings)],
        r"\midrule",
        *[line for row in table.rows for line in _latex_row(row)],
        r"\bottomrule",
        r"\end{tabular}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join([*lines, ""])


def _long_table(table: Table, alignment: str) -> str:
    """Write a table that goes on over pages; it is not a float and needs one column."""
    lines = [
        r"% needs \usepackage{array,booktabs,longtable}",
        r"{\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\begin{{longtable}}{{{alignment}}}",
        rf"\caption{{{_escape(table.caption, _LATEX)}}}",
        rf"\label{{tab:{table.name.replace('_', '-')}}}\\",
        r"\toprule",
        *[line for headings in table.headings for line in _latex_headings(headings)],
        r"\midrule",
        r"\endhead",
        *[line for row in table.rows for line in _latex_row(row)],
        r"\bottomrule",
        r"\end{longtable}}",
    ]
    return "\n".join([*lines, ""])


def _escape(text: str, replacements: dict[str, str]) -> str:
    return "".join(replacements.get(character, character) for character in text)


def _spread_out(headings: Sequence[Heading]) -> list[str]:
    return [
        text for one in headings for text in [_escape(one.text, _MARKDOWN), *[""] * (one.span - 1)]
    ]


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"


def _markdown_cell(cell: Cell) -> str:
    text = _escape(f"{cell.text} ± {cell.spread}" if cell.spread else cell.text, _MARKDOWN)
    return f"**{text}**" if cell.bold else text


def _latex_headings(headings: Sequence[Heading]) -> list[str]:
    entries, rules, column = [], [], 1
    for one in headings:
        text = _escape(one.text, _LATEX)
        entries.append(text if one.span == 1 else rf"\multicolumn{{{one.span}}}{{c}}{{{text}}}")
        if one.span > 1:
            rules.append(rf"\cmidrule(lr){{{column}-{column + one.span - 1}}}")
        column += one.span
    row = rf"{' & '.join(entries)} \\"
    return [row, " ".join(rules)] if rules else [row]


def _latex_row(row: Sequence[Cell]) -> list[str]:
    values = [_escape(cell.text, _LATEX) for cell in row]
    values = [
        rf"\textbf{{{text}}}" if cell.bold else text for cell, text in zip(row, values, strict=True)
    ]
    lines = [rf"{' & '.join(values)} \\"]
    if any(cell.spread for cell in row):
        spreads = [rf"{{\scriptsize $\pm${cell.spread}}}" if cell.spread else "" for cell in row]
        lines.append(rf"{' & '.join(spreads)} \\")
    return lines
