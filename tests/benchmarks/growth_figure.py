"""Draw what `growth.py` and `study_schedule.py` wrote: growth.svg and growth.png beside them.

python tests/benchmarks/growth_figure.py [FOLDER, results/benchmarks by default]
"""

import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from bench import ROOT
from matplotlib.axes import Axes

from noise_resistance.analysis.figures.style import categories, markers, new_figure, styled

LINES = {
    "plan, nothing made": "plan, nothing made yet",
    "plan, all made": "plan, all made",
    "plan of one job": "plan of one job (each job on a cluster)",
    "summarise": "summarise",
    "table3": "Table III",
}


def main() -> None:
    folder = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "results" / "benchmarks"
    growth = pd.read_csv(folder / "growth.csv")
    schedule = pd.read_csv(folder / "schedule.csv")
    with styled():
        mpl.rcParams["svg.fonttype"] = "path"
        figure, (left, right) = new_figure(2, 3.1, share=False)
        draw_growth(growth, left)
        draw_schedule(schedule, right)
        figure.savefig(folder / "growth.svg", metadata={"Date": None})
        figure.savefig(folder / "growth.png", dpi=150)


def draw_growth(growth: pd.DataFrame, axes: Axes) -> None:
    names = {f"{name}: processor": label for name, label in LINES.items()}
    chosen = growth[growth["measurement"].isin(names)]
    chosen = chosen.assign(line=chosen["measurement"].map(names))
    sns.lineplot(
        chosen,
        x="evaluations",
        y="value",
        hue="line",
        hue_order=list(LINES.values()),
        style="line",
        style_order=list(LINES.values()),
        markers=markers(len(LINES)),
        dashes=False,
        palette=categories(len(LINES)),
        ax=axes,
    )
    largest = growth["evaluations"].max()
    end = chosen.loc[chosen["evaluations"] == largest, "value"].max()
    # A quarter of the longest, so that it lies beside the lines and not under one.
    guide = end / 4
    axes.plot([largest / 60, largest], [guide / 60, guide], color="0.6", linestyle=":", zorder=1)
    axes.annotate(
        "in proportion\nto the study",
        (largest / 10, guide / 10),
        xytext=(8, -6),
        textcoords="offset points",
        va="top",
        color="0.35",
    )
    axes.set(xscale="log", yscale="log", xlabel="evaluations", ylabel="processor seconds")
    axes.set_title("Measured: a study's own cost", loc="left")
    axes.set_ylim(top=end * 30)
    sns.move_legend(axes, "upper left", title=None)


def draw_schedule(schedule: pd.DataFrame, axes: Axes) -> None:
    ways = {True: "evaluations of a model together", False: "one submission an evaluation"}
    colours = categories(2)
    for (seeds, bundled), one in schedule.groupby(["seeds", "bundled"]):
        label = f"{seeds} seed{'s' if seeds > 1 else ''}, {ways[bool(bundled)]}"
        axes.plot(
            one["gpus"],
            one["hours"],
            label=label,
            color=colours[seeds > 1],
            marker="o" if bundled else "s",
            linestyle="-" if bundled else "--",
            markerfacecolor=colours[seeds > 1] if bundled else "white",
            markersize=4.2 if bundled else 6.5,
            zorder=3 if bundled else 2,
        )
    chain = schedule["hours_of_longest_chain"].min()
    axes.axhline(chain, color="0.35", linestyle=(0, (1, 1.5)), linewidth=1)
    axes.annotate(
        f"longest training, evaluated: {chain:.1f} h",
        (schedule["gpus"].min(), chain),
        xytext=(0, -9),
        textcoords="offset points",
        color="0.35",
    )
    axes.set(xscale="log", yscale="log", xlabel="GPUs", ylabel="hours")
    gpus = sorted(schedule["gpus"].unique())
    axes.set_xticks(gpus, labels=[str(one) for one in gpus])
    axes.minorticks_off()
    axes.set_title("Simulated from assumed speed: the study", loc="left")
    axes.set_ylim(1.5, schedule["hours"].max() * 40)
    axes.legend(loc="upper right")


if __name__ == "__main__":
    main()
