"""Faults at every stage: one clear line, no partial file, and a rerun that completes."""

import copy
import hashlib
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from disturbance import STUDY as LONGER
from disturbance import Disturbed, differences, litter, stop
from workspace import Run, Workspace

from servers import Server

STUDY: dict[str, Any] = {
    "study": "faulty",
    "device": "cpu",
    "experiments": [
        {
            "name": "learning_rate",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001],
        }
    ],
    "training": {"epochs": 1, "schedule": [], "horizontal_flip": False},
    "noise": {"levels": [0.1], "scopes": ["all"], "draws": 2},
    "diagnostics": {"images": 0, "before_decay": False},
}
TRAINING = "results/faulty/trainings/digits/resnet8/adam/lr-0.001/seed-1"
WEIGHTS, BASELINE, NOISE = (
    f"{TRAINING}/{name}" for name in ("model.weights.h5", "baseline.h5", "noise/all/eta-0.1.h5")
)
# All that is measured, what gathers it, and a table: the other tables are made as this one is.
WHOLE = tuple(
    f"results/faulty/{name}" for name in ("summary.h5", "lengths.h5", "tables/table2.csv")
)
ARCHIVE = "cifar-10-binary.tar.gz"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.make(tmp_path_factory.mktemp("faults") / "finished")
    run = workspace.snakemake(*WHOLE, config=STUDY)
    assert run.status == 0, run.output[-5000:]
    return workspace


@pytest.fixture
def copied(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished study, with its times."""
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    return Workspace(tmp_path / "copy")


def only_error(run: Run, *fragments: str) -> str:
    """Return the one line that says what is wrong, after a look at it."""
    assert run.status != 0
    assert len(run.errors) == 1, run.output[-3000:]
    (line,) = run.errors
    for fragment in fragments:
        assert fragment in line, line
    return line


def completes(workspace: Workspace, like: Workspace, *targets: str) -> None:
    """The study is made whole, and so are files that nothing else needs any more."""
    run = workspace.snakemake(*WHOLE, *targets, config=STUDY)
    assert run.status == 0, run.output[-5000:]
    assert differences(like.folder / "results", workspace.folder / "results") == []
    assert litter(workspace.folder / "results") == []


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 16
    path.write_bytes(content)


# A damaged file, and the file made from it that is missing.
STAGES = [
    ("results/datasets/digits.h5", WEIGHTS, truncate),
    (WEIGHTS, BASELINE, flip_a_bit),
    (f"{TRAINING}/history.h5", NOISE, truncate),
    (BASELINE, "results/faulty/summary.h5", flip_a_bit),
    (NOISE, "results/faulty/summary.h5", truncate),
    ("results/faulty/summary.h5", "results/faulty/tables/table2.csv", flip_a_bit),
]


@pytest.mark.parametrize(
    ("damaged", "wanted", "damage"), STAGES, ids=[Path(stage[0]).name for stage in STAGES]
)
def test_a_damaged_file_stops_what_needs_it_and_is_made_again(
    copied: Workspace,
    finished: Workspace,
    counts: Counter[str],
    damaged: str,
    wanted: str,
    damage: Callable[[Path], None],
) -> None:
    damage(copied.folder / damaged)
    (copied.folder / wanted).unlink()
    run = copied.snakemake(wanted, config=STUDY)
    only_error(run, damaged, "damaged", "delete it and run snakemake again")
    assert not (copied.folder / wanted).exists()
    (copied.folder / damaged).unlink()
    completes(copied, finished, damaged, wanted)
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


# The same for what explains resistance: snapshots, diagnostics, lengths, single layers.
WHY: dict[str, Any] = {
    **STUDY,
    "study": "why",
    "training": {**STUDY["training"], "epochs": 2, "snapshots": [1]},
    "noise": {**STUDY["noise"], "layer_sweep": {"levels": [0.4]}},
    "diagnostics": {"images": 8, "batches": 2},
}
OF_WHY = TRAINING.replace("faulty", "why")
LAYER = f"{OF_WHY}/noise/layer-dense/eta-0.4.h5"
SNAPSHOT = f"{OF_WHY}/snapshots/epoch-1"
STAGES_OF_WHY = [
    (f"{OF_WHY}/optimizer.h5", f"{OF_WHY}/diagnostics.h5", flip_a_bit),
    (f"{OF_WHY}/diagnostics.h5", "results/why/diagnostics.csv", truncate),
    ("results/why/lengths.h5", "results/why/figures/length-all.png", truncate),
    (LAYER, "results/why/layers.csv", flip_a_bit),
    ("results/why/layers.h5", "results/why/figures/layers-resnet8.png", truncate),
    (f"{SNAPSHOT}/model.weights.h5", f"{SNAPSHOT}/baseline.h5", truncate),
    (f"{SNAPSHOT}/history.h5", f"{SNAPSHOT}/noise/all/eta-0.1.h5", flip_a_bit),
]


@pytest.fixture(scope="module")
def finished_why(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.make(tmp_path_factory.mktemp("why") / "finished")
    run = workspace.snakemake(*{wanted for _, wanted, _ in STAGES_OF_WHY}, config=WHY)
    assert run.status == 0, run.output[-5000:]
    return workspace


@pytest.mark.parametrize(
    ("damaged", "wanted", "damage"),
    STAGES_OF_WHY,
    ids=[stage[0].partition("why/")[2].rpartition("seed-1/")[2] for stage in STAGES_OF_WHY],
)
def test_a_damaged_file_behind_an_explanation_is_named_and_made_again(
    finished_why: Workspace,
    tmp_path: Path,
    counts: Counter[str],
    damaged: str,
    wanted: str,
    damage: Callable[[Path], None],
) -> None:
    shutil.copytree(finished_why.folder, tmp_path / "copy", symlinks=True)
    copied = Workspace(tmp_path / "copy")
    damage(copied.folder / damaged)
    (copied.folder / wanted).unlink()
    run = copied.snakemake(wanted, config=WHY)
    only_error(run, damaged, "damaged", "delete it and run snakemake again")
    assert not (copied.folder / wanted).exists()
    (copied.folder / damaged).unlink()
    run = copied.snakemake(damaged, wanted, config=WHY)
    assert run.status == 0, run.output[-5000:]
    assert differences(finished_why.folder / "results", copied.folder / "results") == []
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


def test_a_damaged_checkpoint_is_not_used_and_the_training_starts_anew(
    tmp_path: Path, counts: Counter[str]
) -> None:
    config = {**LONGER, "experiments": [{**LONGER["experiments"][0], "learning_rates": [0.001]}]}
    workspaces = [Workspace.make(tmp_path / name) for name in ("whole", "damaged")]
    assert workspaces[0].snakemake("trainings", config=config).status == 0
    run = Disturbed(workspaces[1], config, "trainings")
    folder = workspaces[1].folder
    try:
        assert run.wait_for(lambda: any(folder.rglob(".resume/[0-9a-f]*.h5")))
        run.kill_jobs(signal.SIGKILL)
        run.end()
    finally:
        stop(run)
    (checkpoint,) = folder.rglob(".resume/[0-9a-f]*.h5")
    flip_a_bit(checkpoint)
    assert workspaces[1].snakemake("trainings", config=config).status == 0
    (log,) = folder.glob("logs/disturbed/train/**/*.log")
    assert "starting anew" in log.read_text(encoding="utf-8")
    assert differences(*(one.folder / "results" for one in workspaces)) == []
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


WRITE_OTHER_WEIGHTS = """
import sys
from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import write_weights
network = ResNet.named("resnet14", (8, 8, 1), 10)
values = {one.path: one.numpy() for one in network.build(1).variables}
write_weights(network, values, sys.argv[1], {"parameters": {}, "fingerprint": "0" * 16})
"""


def test_weights_of_another_network_are_refused(
    copied: Workspace, finished: Workspace, counts: Counter[str]
) -> None:
    subprocess.run(
        [sys.executable, "-c", WRITE_OTHER_WEIGHTS, copied.folder / WEIGHTS],
        check=True,
        capture_output=True,
    )
    (copied.folder / BASELINE).unlink()
    # As if Snakemake had not noticed that the weights are others.
    run = copied.snakemake(BASELINE, "--allowed-rules", "evaluate_baseline", config=STUDY)
    only_error(run, WEIGHTS, "weights of another network")
    assert not (copied.folder / BASELINE).exists()
    (copied.folder / WEIGHTS).unlink()
    completes(copied, finished, WEIGHTS, BASELINE)
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


def limited(workspace: Workspace, config: dict[str, Any], size: int) -> Run:
    """Run Snakemake where no file can grow beyond a size, as on a disk that is full."""
    assert shutil.which("prlimit"), "util-linux has it"
    run = Disturbed(workspace, config)
    subprocess.run(["prlimit", f"--fsize={size}", f"--pid={run.process.pid}"], check=True)
    try:
        status = run.end()
    finally:
        stop(run)
    return Run(status, run.output.read_text(encoding="utf-8"))


def test_a_file_that_cannot_be_written_whole_is_not_there_at_all(
    workspace: Workspace, finished: Workspace, counts: Counter[str]
) -> None:
    # Enough for the dataset, and for everything that Snakemake writes; not for the weights.
    run = limited(workspace, STUDY, 300_000)
    only_error(run, "cannot be written", "free disk space")
    completes(workspace, finished, "all")
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of one megabyte, which needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a file system needs rights that are not here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_fails_in_one_line_and_the_study_goes_on_with_room(
    workspace: Workspace, finished: Workspace, small_disk: Path, counts: Counter[str]
) -> None:
    (small_disk / "ballast").write_bytes(bytes(900_000))
    (workspace.folder / "results").symlink_to(small_disk)
    run = workspace.snakemake(config=STUDY)
    only_error(run, "cannot be written (No space left on device)", "free disk space")
    assert not [one for one in small_disk.rglob("*.h5") if one.name.startswith(".tmp-")]
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    completes(workspace, finished, "all")
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


def test_results_that_are_read_only_are_one_line(
    workspace: Workspace, finished: Workspace, small_disk: Path, counts: Counter[str]
) -> None:
    (workspace.folder / "results").symlink_to(small_disk)
    (small_disk / "datasets").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    run = workspace.snakemake("results/datasets/digits.h5", config=STUDY)
    subprocess.run(["mount", "-o", "remount,rw,size=50m", str(small_disk)], check=True)
    only_error(run, "results/datasets", "cannot be written (Read-only file system)")
    assert "Traceback" not in run.output
    assert not run.jobs
    assert not list((small_disk / "datasets").iterdir())
    completes(workspace, finished)
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


DOWNLOAD_FAULTS = {
    "404": (["status:404!"], "404"),
    "500": (["status:500!"], "500"),
    "a page": (["html!"], "HTML"),
    "cut and gone": (["cut:5000", "status:403!"], "403"),
    "other bytes": (["other:70000!"], "checksum"),
    "too long": (["long!"], "1000 more expected"),
}


@pytest.mark.parametrize("fault", DOWNLOAD_FAULTS)
def test_a_download_that_fails_is_one_line_and_heals(
    workspace: Workspace,
    server: Server,
    real_cifar10: bytes,
    counts: Counter[str],
    fault: str,
) -> None:
    faults, word = DOWNLOAD_FAULTS[fault]
    config, url = of_a_server(server, real_cifar10, list(faults))
    target = "results/datasets/cifar10.h5"
    run = workspace.snakemake(target, config=config)
    only_error(run, url, word)
    archive = workspace.folder / "results/datasets/cifar10" / ARCHIVE
    assert not archive.exists()
    assert not (workspace.folder / target).exists()
    assert server.add(ARCHIVE, real_cifar10) == url
    assert workspace.snakemake(target, config=config).status == 0
    assert archive.read_bytes() == real_cifar10
    counts["faults injected"] += 1


@pytest.mark.parametrize("fault", ["cut:5000", "stall:5000", "trickle"])
def test_a_download_that_breaks_off_or_crawls_heals_within_the_run(
    workspace: Workspace,
    server: Server,
    real_cifar10: bytes,
    counts: Counter[str],
    fault: str,
) -> None:
    config, url = of_a_server(server, real_cifar10, [fault])
    target = f"results/datasets/cifar10/{ARCHIVE}"
    # The patience of a user is half a minute; a test's is a second.
    module = workspace.folder / "workflow/noise_resistance/datasets/transfer.py"
    text = module.read_text(encoding="utf-8")
    for old, new in (
        ("silence: float = 30.0", "silence: float = 1.0"),
        ("window: float = 60.0", "window: float = 1.0"),
    ):
        assert old in text
        text = text.replace(old, new)
    module.write_text(text, encoding="utf-8")
    run = workspace.snakemake(target, config=config)
    assert run.status == 0, run.output[-3000:]
    assert (workspace.folder / target).read_bytes() == real_cifar10
    assert len(server.requests) == 2
    assert server.ranges[0] is None
    assert re.fullmatch(r"bytes=[1-9][0-9]*-", str(server.ranges[1]))
    (log,) = workspace.folder.glob("logs/faulty/download_dataset/cifar10/*.log")
    assert re.search(rf"{url}: .*; next attempt in 1 s", log.read_text(encoding="utf-8"))
    assert [one.name for one in (workspace.folder / target).parent.iterdir()] == [ARCHIVE]
    counts["faults injected"] += 1


def test_another_url_of_the_same_archive_fetches_nothing(
    workspace: Workspace, server: Server, real_cifar10: bytes, counts: Counter[str]
) -> None:
    config, _ = of_a_server(server, real_cifar10, [])
    target = "results/datasets/cifar10.h5"
    assert workspace.snakemake(target, config=config).status == 0
    archive = workspace.folder / "results/datasets/cifar10" / ARCHIVE
    before = archive.stat().st_mtime_ns, len(server.requests)
    elsewhere = "http://127.0.0.1:1/gone.tar.gz"
    config["datasets"]["cifar10"]["files"][ARCHIVE]["url"] = elsewhere
    run = workspace.snakemake(target, config=config)
    assert "Nothing to be done" in run.output
    assert (archive.stat().st_mtime_ns, len(server.requests)) == before
    # What is missing is fetched from there; the checksum has decided nothing yet.
    archive.unlink()
    (workspace.folder / target).unlink()
    only_error(workspace.snakemake(target, config=config), elsewhere, "cannot be reached")
    counts["faults injected"] += 1


def of_a_server(server: Server, content: bytes, faults: list[str]) -> tuple[dict[str, Any], str]:
    """A study whose CIFAR10 comes from a server that misbehaves."""
    config = copy.deepcopy(STUDY)
    config["experiments"][0]["datasets"] = ["cifar10"]
    url = server.add(ARCHIVE, content, faults)
    checksum = f"md5:{hashlib.md5(content).hexdigest()}"
    config["datasets"] = {
        "cifar10": {
            "train_images": 3000,
            "test_images": 660,
            "files": {ARCHIVE: {"url": url, "checksum": checksum}},
        }
    }
    return config, url
