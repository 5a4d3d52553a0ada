"""`make bench-growth`: what a study costs beside its computing, by its size.

python tests/benchmarks/growth.py [--quick] [--part PART] [--folder FOLDER]
    [--output results/benchmarks]

One shape of study (2 datasets, ResNet20, 5 learning rates, 5 noise levels, 2 scopes: 100
evaluations a seed) with 1, 10, 100 and 1,000 seeds. The files are made by the workflow's own
writers from made-up accuracies (`made_up_files.py`), and those of the store hold one number each
(`made_up_store.py`). `study_schedule.py` simulates the time on GPUs.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from bench import ENVIRONMENT, ROOT

SEEDS = (1, 10, 100, 1000)
EVALUATIONS_A_SEED = 100
RATES = [0.0005, 0.00075, 0.001, 0.00125, 0.0015]
LEVELS = [0.01, 0.05, 0.1, 0.2, 0.4]
STUDY = "results/growth"
# Planning reads each finished file; at 100,000 evaluations that alone takes minutes.
LARGEST_FINISHED = 100
ONE_JOB = f"{STUDY}/trainings/cifar10/resnet20/standard/adam/lr-0.001/seed-1/noise/all/eta-0.1.h5"
Row = dict[str, object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="stop at 10,000 evaluations")
    parser.add_argument(
        "--folder", type=Path, help="where to make and keep the files; a temporary one by default"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "benchmarks")
    parser.add_argument("--part", choices=PARTS, help="measure one part: of the study or the store")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        for seeds in SEEDS[:3] if arguments.quick else SEEDS:
            folder = (arguments.folder or Path(temporary)).resolve() / str(seeds)
            parts = [PARTS[arguments.part]] if arguments.part else PARTS.values()
            for measurement, unit, value in chain.from_iterable(
                part(folder, seeds) for part in parts
            ):
                size = {"seeds": seeds, "evaluations": seeds * EVALUATIONS_A_SEED}
                rows.append({**size, "measurement": measurement, "unit": unit, "value": value})
                print(f"{size['evaluations']:>7} {measurement}: {value:.2f} {unit}", flush=True)
                write_csv(arguments.output / "growth.csv", rows)


def prepared(folder: Path, seeds: int) -> Path:
    """Make a working folder; gives its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "growth.json"
    configuration.write_text(json.dumps(study_of(seeds)), encoding="utf-8")
    if not (folder / "config").is_symlink():
        (folder / "config").symlink_to(ROOT / "config")
    return configuration


def measure_study(folder: Path, seeds: int) -> Any:
    """Measure one size of study; gives (measurement, unit, value) one by one."""
    configuration = prepared(folder / "study", seeds)
    folder = configuration.parent
    with tempfile.TemporaryDirectory() as empty:
        (Path(empty) / "config").symlink_to(ROOT / "config")
        yield from timed("plan, nothing made", plan(configuration), Path(empty))
        yield from timed("plan of one job", [*plan(configuration), ONE_JOB], Path(empty))
    if not (folder / STUDY).exists():
        started = time.perf_counter()
        make_files(folder, configuration)
        yield "write the files", "s", time.perf_counter() - started
    files = [path.stat().st_size for path in (folder / STUDY / "trainings").rglob("*.h5")]
    yield "files", "files", len(files)
    yield "size on disk", "MB", sum(files) / 1e6
    outline, specification, code = study_behind(configuration)
    yield "longest argument", "bytes", len(outline.encode())
    summary = f"{STUDY}/summary"
    words = ["--outline", outline, "--specification", specification, "--fingerprint", code]
    written = ["--csv", f"{summary}.csv", "--hdf5", f"{summary}.h5"]
    yield from timed("summarise", command("summarise", *words, *written), folder)
    yield "summary.csv", "MB", (folder / f"{summary}.csv").stat().st_size / 1e6
    read = ["--outline", outline, "--summary", f"{summary}.h5"]
    table = ["--scope", "kernels", "--stem", f"{STUDY}/tables/table3-kernels"]
    yield from timed("table3", command("table3", *read, *table), folder)
    claims = ["--stem", f"{STUDY}/tables/claims"]
    yield from timed("claims", command("claims", *read, *claims), folder)
    if seeds <= LARGEST_FINISHED:
        target = ["evaluations"]
        yield from timed("plan, all made", [*plan(configuration), *target], folder)


def measure_store(folder: Path, seeds: int) -> Any:
    """Measure the store of one size of study; gives (measurement, unit, value) one by one."""
    configuration = prepared(folder / "store", seeds)
    folder = configuration.parent
    store = folder / "results/store"
    if not store.exists():
        yield from timed("store: write it", script("made_up_store.py", configuration), folder)
    # By another process: what this one holds counts as memory of those that it starts.
    words = ["find", str(store), "-type", "f", "-printf", "%s\\n"]
    sizes = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    yield "store: files", "files", len(sizes)
    yield "store: size on disk", "MB", sum(map(int, sizes)) / 1e6
    del sizes
    yield from timed("store: list", command("store", "list"), folder)
    yield from timed("store: verify", command("store", "verify"), folder)
    yield from timed("store: restore all", script("restore_all.py", configuration), folder)
    look = command(*words_of_a_job(configuration))
    yield from timed("store: a job whose output is there", look, folder)
    (folder / ONE_JOB).unlink()
    yield from timed("store: a job that restores its output", look, folder)
    yield from timed("store: prune, nothing to remove", command("store", "prune"), folder)
    for training in (folder / STUDY).rglob("seed-*[1379]"):
        shutil.rmtree(training)
    # Nothing is so new that it stays.
    words = ["find", str(store), "-name", "entry.json", "-exec", "touch", "-d", "@0", "{}", "+"]
    subprocess.run(words, check=True)
    remove = command("store", "prune", "--yes")
    yield from timed("store: prune, four tenths to remove", remove, folder)


PARTS = {"study": measure_study, "store": measure_store}


def words_of_a_job(configuration: Path) -> list[str]:
    """Return the command of the job that makes `ONE_JOB`."""
    from noise_resistance.study.configuration import load
    from noise_resistance.study.grid import Evaluation
    from noise_resistance.study.paths import wildcards
    from noise_resistance.study.products import Products

    products = Products(load(json.loads(configuration.read_text(encoding="utf-8"))))
    is_it = {"dataset": "cifar10", "learning_rate": 0.001, "seed": 1}
    training = next(
        one
        for one in products.study.trainings
        if is_it.items() <= {name: getattr(one, name) for name in is_it}.items()
    )
    values = wildcards(Evaluation(training, "all", 0.1))
    return [
        "evaluate-noise",
        *("--dataset", products.dataset(values)),
        *("--request", products.request("evaluate_noise", values)),
        *("--training", products.paths.training.format(**values)),
        *("--output", ONE_JOB),
        *("--device", "cpu"),
    ]


def study_of(seeds: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in ("datasets.yaml", "config.yaml"):
        values |= yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8"))
    values |= {"study": "growth", "device": "cpu", "seeds": list(range(1, seeds + 1))}
    values["diagnostics"] = {"images": 0, "before_decay": False}
    values["noise"] |= {"levels": LEVELS, "scopes": ["kernels", "all"]}
    values["experiments"] = [
        {
            "name": "learning_rate",
            "datasets": ["cifar10", "cifar100"],
            "models": ["resnet20"],
            "learning_rates": RATES,
        }
    ]
    return values


def plan(configuration: Path) -> list[str]:
    profile = ["--workflow-profile", str(ROOT / "profiles/default")]
    options = ["--configfile", str(configuration), "--cores", "1", "--dry-run", "--quiet", "all"]
    snakefile = ["--snakefile", str(ROOT / "Snakefile")]
    return [sys.executable, "-m", "snakemake", *snakefile, *profile, *options, "--"]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "noise_resistance", *words]


def script(name: str, configuration: Path) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name(name)), str(configuration)]


def timed(name: str, words: list[str], folder: Path) -> Any:
    """Run a command; gives its seconds and its peak memory."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        running = subprocess.Popen(
            words, cwd=folder, env=ENVIRONMENT, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(running.pid, 0)
        seconds = time.perf_counter() - started
        running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode:
            output.seek(0)
            sys.exit(f"{name} failed:\n{output.read().decode()[-2000:]}")
    yield name, "s", seconds
    # Wall-clock time holds what others do on the machine; this does not.
    yield f"{name}: processor", "s", usage.ru_utime + usage.ru_stime
    yield f"{name}: peak memory", "MiB", usage.ru_maxrss / 1024


def make_files(folder: Path, configuration: Path) -> None:
    parts = len(os.sched_getaffinity(0))
    script = str(Path(__file__).with_name("made_up_files.py"))
    running = [
        subprocess.Popen(
            [sys.executable, script, str(configuration), str(part), str(parts)],
            cwd=folder,
            env=ENVIRONMENT,
            stderr=subprocess.DEVNULL,
        )
        for part in range(parts)
    ]
    if sum(one.wait() for one in running):
        sys.exit("making the files failed; run made_up_files.py by hand to see why")


def study_behind(configuration: Path) -> tuple[str, str, str]:
    """Return outline and specification as JSON, and the fingerprint of `summarise`."""
    from noise_resistance.store.fingerprint import fingerprint
    from noise_resistance.study.configuration import load

    study = load(json.loads(configuration.read_text(encoding="utf-8")))
    specification = json.dumps(study.specification("summarise").as_mapping(), sort_keys=True)
    return study.outline.to_json(), specification, fingerprint("summarise")


def write_csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "workflow"))
    main()
