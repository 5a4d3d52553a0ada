"""Figures 1 to 4: what is drawn, where it stands, and files that are the same every time."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from noise_resistance.analysis.figures import learning_rate, optimizer, style, tradeoff
from noise_resistance.analysis.summary import read_summary
from noise_resistance.errors import ConfigurationError
from noise_resistance.study.outline import Outline
from synthetic_study import SyntheticStudy, made_up_table, outline_of, write_study

Draw = Callable[[SyntheticStudy, Path], None]
DRAW: dict[str, Draw] = {
    "learning_rate": lambda study, stem: learning_rate.draw(
        study.outline, study.summary, "all", "digits", stem
    ),
    "optimizer": lambda study, stem: optimizer.draw(study.outline, study.summary, "all", stem),
    "tradeoff": lambda study, stem: tradeoff.draw(study.outline, study.summary, "all", stem),
}
FIGURE: dict[str, Callable[[pd.DataFrame, Outline], Figure]] = {
    "learning_rate": lambda table, outline: learning_rate.figure_of(
        table, outline, "all", "digits"
    ),
    "optimizer": lambda table, outline: optimizer.figure_of(table, outline, "all"),
    "tradeoff": lambda table, outline: tradeoff.figure_of(table, outline, "all"),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    return write_study(tmp_path_factory.mktemp("study"), outline_of())


@pytest.fixture(params=["smallest", "paper", "large"])
def any_outline(request: pytest.FixtureRequest) -> Outline:
    return {
        "smallest": outline_of(models=1, rates=1, datasets=1, optimizers=1),
        "paper": outline_of(models=4, rates=6),
        "large": outline_of(models=3, rates=10, datasets=1, seeds=2),
    }[request.param]


@pytest.fixture(autouse=True)
def styled() -> Iterator[None]:
    """Measure with the settings with which `draw` saves."""
    with style.styled():
        yield


def figure_of(study: SyntheticStudy | Outline, name: str) -> Figure:
    """Draw a figure of a study on disk, or of made-up numbers for this grid."""
    if isinstance(study, Outline):
        figure = FIGURE[name](made_up_table(study), study)
    else:
        figure = FIGURE[name](read_summary(study.summary), study.outline)
    figure.draw_without_rendering()
    return figure


def legend_entries(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts() if text.get_text().strip()]


def luminance(colour: str) -> float:
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("name", DRAW)
def test_a_figure_is_written_as_png_svg_and_pdf(
    study: SyntheticStudy, name: str, tmp_path: Path
) -> None:
    DRAW[name](study, tmp_path / "figure_0.5")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"figure_0.5.{end}" for end in ("pdf", "png", "svg")
    ]
    with Image.open(tmp_path / "figure_0.5.png") as image:
        width = 3.5 if name == "optimizer" else 7.2
        assert image.width == round(300 * width)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert len(set(image.convert("L").resize((90, 60)).tobytes())) > 10, "nothing is drawn"
    svg = (tmp_path / "figure_0.5.svg").read_text(encoding="utf-8")
    assert "noise scope: all" in svg, "text is text"
    assert "<dc:date>" not in svg
    assert b"CreationDate" not in (tmp_path / "figure_0.5.pdf").read_bytes()


def test_the_users_own_settings_change_nothing(study: SyntheticStudy, tmp_path: Path) -> None:
    DRAW["optimizer"](study, tmp_path / "first")
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        DRAW["optimizer"](study, tmp_path / "second")
    for ending in ("png", "svg", "pdf"):
        assert_equal_bytes(tmp_path / f"first.{ending}", tmp_path / f"second.{ending}")


def test_a_second_run_writes_the_same_bytes(study: SyntheticStudy, tmp_path: Path) -> None:
    """In another process, where hashes differ and where TensorFlow must not come in."""
    for name, draw in DRAW.items():
        draw(study, tmp_path / f"first_{name}")
    program = (
        "import sys; from pathlib import Path\n"
        "from noise_resistance.analysis.figures import learning_rate, optimizer, tradeoff\n"
        "from noise_resistance.study.outline import Outline\n"
        "outline, summary = Outline.from_json(sys.argv[1]), Path(sys.argv[2])\n"
        "folder = Path(sys.argv[3])\n"
        "learning_rate.draw(outline, summary, 'all', 'digits', folder / 'second_learning_rate')\n"
        "optimizer.draw(outline, summary, 'all', folder / 'second_optimizer')\n"
        "tradeoff.draw(outline, summary, 'all', folder / 'second_tradeoff')\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    arguments = [study.outline.to_json(), str(study.summary), str(tmp_path)]
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, env=environment)
    for name in DRAW:
        for ending in ("png", "svg", "pdf"):
            first, second = (tmp_path / f"{which}_{name}.{ending}" for which in ("first", "second"))
            assert_equal_bytes(first, second)


def assert_equal_bytes(first: Path, second: Path) -> None:
    assert first.read_bytes() == second.read_bytes(), f"{first.name} and {second.name} differ"


@pytest.mark.parametrize("name", FIGURE)
def test_text_is_legible_and_nothing_overlaps_or_leaves_the_page(
    any_outline: Outline, name: str
) -> None:
    figure = figure_of(any_outline, name)
    assert figure.get_figwidth() in (3.5, 7.2)
    texts = [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= 7
    page = figure.bbox.padded(1)
    (legend,) = figure.legends
    title = figure._suptitle  # type: ignore[attr-defined]
    boxes = [
        legend.get_window_extent(),
        title.get_window_extent(),
        *[axes.get_tightbbox() for axes in figure.axes],
    ]
    for index, box in enumerate(boxes):
        assert box.x0 >= page.x0
        assert box.x1 <= page.x1
        assert box.y0 >= page.y0
        assert box.y1 <= page.y1
        assert not any(box.padded(-1).overlaps(other) for other in boxes[index + 1 :])


@pytest.mark.parametrize("name", FIGURE)
def test_a_figure_says_scope_epochs_seeds_and_draws(any_outline: Outline, name: str) -> None:
    said = figure_of(any_outline, name)._suptitle.get_text()  # type: ignore[attr-defined]
    seeds = len(any_outline.seeds)
    assert "noise scope: all" in said
    assert f"7 epochs, {seeds} seed{'s' * (seeds > 1)}, 4 draws" in said
    assert f"95 % interval over {'seeds' if seeds > 1 else 'draws'}" in said


def test_figure_1_has_a_panel_a_model_and_a_line_and_band_a_rate(any_outline: Outline) -> None:
    experiment = any_outline.experiments[0]
    figure = figure_of(any_outline, "learning_rate")
    rates = len(experiment.learning_rates)
    assert [axes.get_title() for axes in figure.axes] == [
        f"ResNet{model[6:]}" for model in experiment.models
    ]
    for axes in figure.axes:
        assert len(axes.lines) == rates + 1, "one line a rate, and chance"
        assert len([one for one in axes.collections if isinstance(one, PolyCollection)]) == rates
    assert len(legend_entries(figure)) == rates + 1
    assert "chance" in legend_entries(figure)


def test_figure_1_draws_equation_8_from_one_without_noise(study: SyntheticStudy) -> None:
    axes = figure_of(study, "learning_rate").axes[0]
    for line, rate in zip(
        axes.lines, sorted(study.outline.experiments[0].learning_rates), strict=False
    ):
        trainings = [one for one in study.outline.trainings if one.learning_rate == rate]
        training = next(
            one
            for one in trainings
            if (one.dataset, one.model, one.optimizer) == ("digits", "resnet8", "adam")
        )
        baseline = study.baselines[training]
        expected = [
            accuracy.mean() / baseline
            for one, accuracy in study.accuracies.items()
            if one.training == training and one.scope == "all"
        ]
        assert list(line.get_xdata()) == [0, 0.05, 0.2, 0.4]
        assert list(line.get_ydata()) == pytest.approx(expected)
        assert line.get_ydata()[0] == 1


def test_figure_1_draws_chance_over_the_mean_baseline(study: SyntheticStudy) -> None:
    axes = figure_of(study, "learning_rate").axes[1]
    rates = study.outline.experiments[0].learning_rates
    baselines = [
        baseline
        for one, baseline in study.baselines.items()
        if (one.dataset, one.model, one.optimizer) == ("digits", "resnet14", "adam")
        and one.learning_rate in rates
    ]
    assert len(baselines) == 3
    assert axes.lines[-1].get_ydata()[0] == pytest.approx(0.1 / np.mean(baselines))


def test_figure_3_has_a_row_an_optimizer_in_the_configurations_order(study: SyntheticStudy) -> None:
    (axes,) = figure_of(study, "optimizer").axes
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[:3] == ["SGD", "SGD with momentum", "SGD with Nesterov momentum"]
    assert labels[3:] == ["Adam", "Nadam", "Adamax"]
    assert axes.yaxis_inverted()
    dots = [one for one in axes.collections if isinstance(one, PathCollection)]
    chance, baseline, chance_normalized, average = [
        offsets[offsets[:, 1].argsort()]
        for offsets in (np.asarray(one.get_offsets()) for one in dots)
    ]
    trainings = study.outline.experiments[1].trainings([1])
    expected = [study.baselines[training] for training in trainings]
    assert baseline[:, 0] == pytest.approx(expected)
    assert chance[:, 0] == pytest.approx([0.1] * 6)
    assert chance_normalized[:, 0] == pytest.approx(0.1 / np.array(expected))
    averages = [
        np.mean(
            [
                accuracy.mean()
                for one, accuracy in study.accuracies.items()
                if one.training == training and one.scope == "all" and one.noise_level
            ]
        )
        / study.baselines[training]
        for training in trainings
    ]
    assert average[:, 0] == pytest.approx(averages)
    assert np.round(average[:, 1]).tolist() == [0, 1, 2, 3, 4, 5]
    assert len([patch for patch in axes.patches if patch.get_height() == 1]) == 3, (
        "adaptive ones are shaded"
    )


def test_figure_4_has_a_panel_a_dataset_and_two_lines_a_model(any_outline: Outline) -> None:
    experiment = any_outline.experiments[2]
    figure = figure_of(any_outline, "tradeoff")
    assert len(figure.axes) == len(experiment.datasets)
    assert len(legend_entries(figure)) == len(experiment.models) + 4
    for axes in figure.axes:
        assert axes.get_xscale() == "log"
        assert len(axes.lines) == 2 * len(experiment.models) + 2
        assert axes.get_xticks().tolist() == sorted(experiment.learning_rates)
        shown = [text for text in axes.get_xticklabels() if text.get_text()]
        assert len(shown) >= len(experiment.learning_rates) - 1
        boxes = [text.get_window_extent() for text in shown]
        assert not any(a.padded(-0.5).overlaps(b) for a, b in pairwise(boxes))


def test_colours_of_rates_rise_in_luminance_and_stay_legible() -> None:
    for count in range(1, 12):
        values = [luminance(colour) for colour in style.sequence(count)]
        assert len(set(style.markers(count))) == count
        assert values == sorted(set(values))
        assert 1.05 / (values[-1] + 0.05) > 2, "contrast with white"


def test_one_draw_has_lines_without_bands() -> None:
    single = outline_of(models=1, draws=1)
    figure = figure_of(single, "learning_rate")
    assert "interval" not in figure._suptitle.get_text()  # type: ignore[attr-defined]
    assert len(figure.axes[0].lines) == 4
    for name in ("optimizer", "tradeoff"):
        figure_of(single, name)


def test_what_the_study_does_not_have_is_said_in_one_line(
    study: SyntheticStudy, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="no noise scope 'trainable'"):
        optimizer.draw(study.outline, study.summary, "trainable", tmp_path / "figure")
    with pytest.raises(ConfigurationError, match="no dataset 'digit'"):
        learning_rate.draw(study.outline, study.summary, "all", "digit", tmp_path / "figure")
    without = Outline(**{**vars(study.outline), "experiments": study.outline.experiments[:1]})
    with pytest.raises(ConfigurationError, match="no experiment 'tradeoff', which makes Figure 4"):
        tradeoff.draw(without, study.summary, "all", tmp_path / "figure")
    assert not list(tmp_path.iterdir())
