"""`make bench`: both sides of every claim about speed, in one run; a CSV, a figure, the ratios.

python tests/benchmarks/bench.py [--quick] [--output results/benchmarks]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parents[2]
MEASURE = Path(__file__).parent / "measure.py"
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT / "workflow"),
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}
Key = tuple[str, int, str]
# Each claim: the measurement, the side that is claimed to be faster, and the side it is held to.
RATIOS = [
    ("evaluation", "ours float32", "Keras float32"),
    ("evaluation", "ours bfloat16", "Keras bfloat16"),
    ("training, batch 32", "ours float32", "Keras float32"),
    ("training, batch 32", "ours bfloat16", "Keras float32"),
    ("training, batch 128", "ours float32", "Keras float32"),
    ("training, batch 128", "ours bfloat16", "Keras float32"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, a smaller grid")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "benchmarks")
    arguments = parser.parse_args()
    repeats = 2 if arguments.quick else 5
    cores = len(os.sched_getaffinity(0))
    rows: list[dict[str, object]] = []

    def record(measurement: str, threads: int, unit: str, new: list[dict[str, object]]) -> None:
        rows.extend({"measurement": measurement, "threads": threads, "unit": unit} | r for r in new)
        print(f"measured: {measurement}, threads: {threads}", flush=True)

    for threads in sorted({1, cores}):
        record("evaluation", threads, "images/s", measure("evaluation", threads, repeats))
        for batch_size in (32, 128):
            found = measure("training", threads, repeats, batch_size)
            record(f"training, batch {batch_size}", threads, "images/s", found)
    record("sweep, batch 32", cores, "images/s", sweep(cores, repeats))
    record("growth", 1, "s or MiB", measure("growth", 1, repeats))
    record("start-up", 1, "s", start_up(repeats))
    sizes = (100, 1000) if arguments.quick else (100, 1000, 10000)
    record("planning", 1, "s", [planning(jobs) for jobs in sizes])
    table = pd.DataFrame(rows)
    arguments.output.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.output / "bench.csv", index=False)
    print_medians(table)
    print_ratios(table)
    draw(table, arguments.output / "bench.png")


def measure(what: str, threads: int, repeats: int, *rest: int) -> list[dict[str, object]]:
    command = [sys.executable, str(MEASURE), what, *map(str, (threads, repeats, *rest))]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    found: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return found


def sweep(cores: int, repeats: int) -> list[dict[str, object]]:
    """Add up trainings side by side, one thread each, as `--cores N` runs them."""
    command = [sys.executable, str(MEASURE), "training", "1", str(repeats), "32"]
    running = [
        subprocess.Popen(
            command,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(cores)
    ]
    tables = [pd.DataFrame(json.loads(one.communicate()[0].splitlines()[-1])) for one in running]
    total = sum(one.set_index(["side", "repeat"])["value"] for one in tables)
    return total.reset_index().to_dict("records")  # type: ignore[no-any-return]


def start_up(repeats: int) -> list[dict[str, object]]:
    """Time a whole evaluation job of one draw, and the bare import of TensorFlow."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        job = evaluation_job(Path(folder))
        bare = [sys.executable, "-c", "import tensorflow"]
        for repeat in range(repeats + 1):
            for side, command in (("import tensorflow", bare), ("evaluation job", job)):
                started = time.perf_counter()
                subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True)
                seconds = time.perf_counter() - started
                if repeat:
                    rows.append({"side": side, "repeat": repeat - 1, "value": seconds})
    return rows


def evaluation_job(folder: Path) -> list[str]:
    """Train one small model and return the command that evaluates one draw of it."""
    study = {
        "study": "startup",
        "device": "cpu",
        "training": {"epochs": 1, "horizontal_flip": False, "schedule": []},
        "noise": {"draws": 1, "levels": [0.1], "scopes": ["all"]},
        "experiments": [experiment([0.001], ["digits"], ["resnet8"])],
    }
    config = folder / "startup.yaml"
    config.write_text(yaml.safe_dump(study))
    snakemake(folder, "--configfile", str(config), "--cores", "1", "trainings")
    training = folder / "results/startup/trainings/digits/resnet8/standard/adam/lr-0.001/seed-1"
    settings = {"draws": 1, "seed": 0, "sigma_of": "array", "variance_policy": "clip"}
    options = {
        "--dataset": folder / "results/datasets/digits.h5",
        "--model": "resnet8",
        "--weights": training / "model.weights.h5",
        "--history": training / "history.h5",
        "--output": folder / "eta-0.1.h5",
        "--scope": "all",
        "--noise-level": 0.1,
        "--settings": json.dumps({**settings, "precision": "float32"}),
        "--device": "cpu",
    }
    words = [str(word) for option in options.items() for word in option]
    return [sys.executable, "-m", "noise_resistance", "evaluate-noise", *words]


def experiment(rates: list[float], datasets: list[str], models: list[str]) -> dict[str, object]:
    return {
        "name": "learning_rate",
        "datasets": datasets,
        "models": models,
        "learning_rates": rates,
    }


def planning(jobs: int) -> dict[str, object]:
    """Time `snakemake -n` on a study of about this many jobs."""
    trainings = max(1, jobs // 14)
    seeds = list(range(1, trainings + 1))
    study = {
        "study": "planning",
        "device": "cpu",
        "seeds": seeds,
        "experiments": [experiment([0.001], ["digits"], ["resnet8"])],
        "noise": {"levels": [0.01, 0.05, 0.1, 0.2, 0.3, 0.4], "scopes": ["kernels", "all"]},
    }
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "planning.yaml"
        config.write_text(yaml.safe_dump(study))
        started = time.perf_counter()
        snakemake(Path(folder), "--configfile", str(config), "--cores", "1", "-n", "--quiet")
        seconds = time.perf_counter() - started
    return {"side": f"{trainings * 14} jobs", "repeat": 0, "value": seconds}


def snakemake(folder: Path, *arguments: str) -> None:
    # The configuration files are found relative to the working directory.
    if not (folder / "config").exists():
        (folder / "config").symlink_to(ROOT / "config")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    profile = ["--workflow-profile", str(ROOT / "profiles/default")]
    place = ["--directory", str(folder)]
    subprocess.run(
        [*command, *profile, *place, *arguments], env=ENVIRONMENT, check=True, capture_output=True
    )


def medians(table: pd.DataFrame) -> pd.DataFrame:
    groups = table.groupby(["measurement", "threads", "side"], sort=False)["value"]
    return groups.agg(["median", "min", "max"]).reset_index()


def print_medians(table: pd.DataFrame) -> None:
    print("\nmedian (lowest to highest)")
    for row in medians(table).itertuples():
        spread = f"{row.median:10.2f} ({row.min:.2f} to {row.max:.2f})"
        print(f"  {row.measurement:20} threads {row.threads}  {row.side:28} {spread}")


def print_ratios(table: pd.DataFrame) -> None:
    print("\nratio of medians, and lowest to highest ratio of the pairs")
    for measurement, ours, theirs in RATIOS:
        for threads in sorted(set(table["threads"])):
            print_ratio(table, (measurement, threads, ours), (measurement, threads, theirs))
    cores = max(table["threads"])
    stock = ("training, batch 32", cores, "Keras float32")
    for side in ("ours float32", "ours bfloat16"):
        print_ratio(table, ("sweep, batch 32", cores, side), stock)
    print_ratio(table, ("start-up", 1, "evaluation job"), ("start-up", 1, "import tensorflow"))


def print_ratio(
    table: pd.DataFrame, one: tuple[str, int, str], other: tuple[str, int, str]
) -> None:
    first, second = values(table, one), values(table, other)
    if first.empty or second.empty:
        return
    pairs = (first.reset_index(drop=True) / second.reset_index(drop=True)).dropna()
    ratio = first.median() / second.median()
    where = f"{one[0]}, threads {one[1]}"
    print(
        f"  {where:32} {one[2]:15} / {other[2]:18} {ratio:5.2f} "
        f"({pairs.min():.2f} to {pairs.max():.2f})"
    )


def values(table: pd.DataFrame, key: Key) -> pd.Series:
    measurement, threads, side = key
    chosen = (table["measurement"] == measurement) & (table["threads"] == threads)
    return table.loc[chosen & (table["side"] == side), "value"]


def draw(table: pd.DataFrame, path: Path) -> None:
    import seaborn as sns
    from matplotlib.figure import Figure

    speeds = table[table["unit"] == "images/s"].copy()
    speeds["what"] = speeds["measurement"] + "\n" + "threads: " + speeds["threads"].astype(str)
    sides = ["Keras float32", "ours float32", "Keras bfloat16", "ours bfloat16"]
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots()
    sns.barplot(
        speeds, x="what", y="value", hue="side", hue_order=sides, palette="Paired",
        estimator="median", errorbar=("pi", 100), err_kws={"linewidth": 1}, ax=axes,
    )  # fmt: skip
    axes.set(xlabel="", ylabel="images/s (median, lowest to highest)", title=MODEL_TITLE)
    axes.tick_params(axis="x", labelsize=8)
    sns.move_legend(axes, "upper left", title="", frameon=False)
    figure.savefig(path, dpi=150)
    print(f"\n{path.parent / 'bench.csv'} and {path} written")


MODEL_TITLE = "ResNet20, 32x32x3: this workflow beside plain Keras"

if __name__ == "__main__":
    main()
