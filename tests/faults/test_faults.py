"""Faults at every stage: one clear line, no partial file, and a rerun that completes."""

import copy
import hashlib
import io
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disturbance import Disturbed, computed, dataset_of, differences, half_made, litter, stop
from workspace import Run, Workspace

from noise_resistance.storage.locks import hold
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
TRAINING = "results/faulty/trainings/digits/resnet8/standard/adam/lr-0.001/seed-1"
WEIGHTS, HISTORY, BASELINE, NOISE = (
    f"{TRAINING}/{name}"
    for name in ("model.weights.h5", "history.h5", "baseline.h5", "noise/all/eta-0.1.h5")
)
# All that is measured, what gathers it, and a table: the other tables are made as this one is.
WHOLE = tuple(
    f"results/faulty/{name}" for name in ("summary.h5", "lengths.h5", "tables/table2.csv")
)
STORE = "results/store"
DIGITS = dataset_of(STUDY, "digits")
IMAGES = DIGITS.replace(".json", ".h5")
ARCHIVE = "cifar-10-binary.tar.gz"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.make(tmp_path_factory.mktemp("faults") / "finished")
    run = workspace.snakemake(*WHOLE, config=STUDY)
    assert run.status == 0, run.output[-5000:]
    return workspace


def copy_of(finished: Workspace, folder: Path) -> Workspace:
    """A copy of a finished study, with its times."""
    shutil.copytree(finished.folder, folder, symlinks=True)
    return Workspace(folder)


@pytest.fixture
def copied(finished: Workspace, tmp_path: Path) -> Workspace:
    return copy_of(finished, tmp_path / "copy")


def only_error(run: Run, *fragments: str) -> str:
    """Return the one line that says what is wrong, after a look at it."""
    assert run.status != 0
    assert len(run.errors) == 1, run.output[-3000:]
    (line,) = run.errors
    for fragment in fragments:
        assert fragment in line, line
    return line


def completes(workspace: Workspace, like: Workspace, *arguments: str) -> None:
    """The study is made whole, equal to another, and so is its store."""
    run = workspace.snakemake(*WHOLE, *arguments, config=STUDY)
    assert run.status == 0, run.output[-5000:]
    assert differences(like.folder / "results", workspace.folder / "results") == []
    assert litter(workspace.folder / "results") == []
    assert half_made(workspace.folder / STORE) == []


def log_of(workspace: Workspace, rule: str) -> str:
    """What the only job of a rule wrote."""
    (log,) = workspace.folder.glob(f"logs/*/{rule}/**/*.log")
    return log.read_text(encoding="utf-8")


def truncate(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 16
    path.write_bytes(content)


@dataclass(frozen=True)
class Fault:
    """A damaged file, and a missing one that is made from it.

    Attributes:
        damaged: the file.
        damage: what is done to it.
        wanted: the missing one.
        forgotten: the step whose results are taken out of the store, so that the job computes.
    """

    damaged: str
    damage: Callable[[Path], None]
    wanted: str
    forgotten: str = ""


# Those of one row do not meet.
FAULTS = [
    [Fault(IMAGES, flip_a_bit, WEIGHTS, "train")],
    [Fault(WEIGHTS, flip_a_bit, BASELINE)],
    [Fault(HISTORY, truncate, NOISE, "evaluate_noise")],
    [Fault(BASELINE, flip_a_bit, "results/faulty/summary.h5")],
    [Fault(NOISE, truncate, "results/faulty/lengths.h5")],
    [Fault("results/faulty/summary.h5", flip_a_bit, "results/faulty/tables/table2.csv")],
]
# The same for what explains resistance: snapshots, diagnostics, lengths, single layers.
WHY: dict[str, Any] = {
    **STUDY,
    "study": "why",
    "training": {**STUDY["training"], "epochs": 2, "snapshots": [1]},
    "noise": {**STUDY["noise"], "layer_sweep": {"levels": [0.4]}},
    "diagnostics": {"images": 8, "batches": 2},
}
OF_WHY = TRAINING.replace("faulty", "why")
SNAPSHOT = f"{OF_WHY}/snapshots/epoch-1"
SNAPSHOT_NOISE = f"{SNAPSHOT}/noise/all/eta-0.1.h5"
FAULTS_OF_WHY = [
    [
        Fault(f"{OF_WHY}/optimizer.h5", flip_a_bit, f"{OF_WHY}/diagnostics.h5"),
        Fault(f"{OF_WHY}/noise/layer-dense/eta-0.4.h5", flip_a_bit, "results/why/layers.csv"),
    ],
    [
        Fault(f"{OF_WHY}/diagnostics.h5", truncate, "results/why/diagnostics.csv"),
        Fault("results/why/lengths.h5", truncate, "results/why/figures/length-all.png"),
    ],
    [
        Fault(f"{SNAPSHOT}/model.weights.h5", truncate, f"{SNAPSHOT}/baseline.h5"),
        Fault("results/why/layers.h5", truncate, "results/why/figures/layers-resnet8.png"),
    ],
    [Fault(f"{SNAPSHOT}/history.h5", flip_a_bit, SNAPSHOT_NOISE, "evaluate_noise")],
]


@pytest.fixture(scope="module")
def finished_why(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.make(tmp_path_factory.mktemp("why") / "finished")
    wanted = {one.wanted for row in FAULTS_OF_WHY for one in row}
    run = workspace.snakemake(*wanted, config=WHY)
    assert run.status == 0, run.output[-5000:]
    return workspace


def named(row: list[Fault]) -> str:
    return "-".join(Path(one.damaged).stem for one in row)


@pytest.mark.parametrize("faults", FAULTS, ids=map(named, FAULTS))
def test_a_damaged_file_is_named_and_then_restored_or_made_again(
    finished: Workspace, tmp_path: Path, counts: Counter[str], faults: list[Fault]
) -> None:
    are_named_and_mended(copy_of(finished, tmp_path / "copy"), finished, STUDY, faults)
    counts["faults injected"] += len(faults)
    counts["reruns compared"] += 1


@pytest.mark.parametrize("faults", FAULTS_OF_WHY, ids=map(named, FAULTS_OF_WHY))
def test_damaged_files_behind_an_explanation_are_named_and_then_restored_or_made_again(
    finished_why: Workspace, tmp_path: Path, counts: Counter[str], faults: list[Fault]
) -> None:
    are_named_and_mended(copy_of(finished_why, tmp_path / "copy"), finished_why, WHY, faults)
    counts["faults injected"] += len(faults)
    counts["reruns compared"] += 1


def are_named_and_mended(
    copied: Workspace, finished: Workspace, config: dict[str, Any], faults: list[Fault]
) -> None:
    """Each fault is one line; with its file deleted, nothing that is in the store is computed."""
    store = copied.folder / STORE
    for fault in faults:
        fault.damage(copied.folder / fault.damaged)
        (copied.folder / fault.wanted).unlink()
        if fault.forgotten:
            shutil.rmtree(store / fault.forgotten)
    before, wanted = computed(store), [fault.wanted for fault in faults]
    run = copied.snakemake(*wanted, config=config)
    assert len(run.errors) == len(faults), run.output[-3000:]
    for fault in faults:
        (line,) = (one for one in run.errors if f" {fault.damaged}:" in one)
        assert "damaged" in line
        assert "delete it and run snakemake again" in line
        assert not (copied.folder / fault.wanted).exists()
        (copied.folder / fault.damaged).unlink()
    run = copied.snakemake(*wanted, config=config)
    assert run.status == 0, run.output[-5000:]
    after = computed(store)
    assert after.items() >= before.items()
    assert {name.partition("/")[0] for name in after.keys() - before} == {
        fault.forgotten for fault in faults if fault.forgotten
    }
    of_study = Path("results", config["study"])
    assert differences(finished.folder / of_study, copied.folder / of_study) == []
    assert litter(copied.folder / "results") == []
    assert half_made(store) == []


def test_damaged_results_of_jobs_that_run_are_replaced_from_the_store(
    copied: Workspace, finished: Workspace, counts: Counter[str]
) -> None:
    damaged = (WEIGHTS, BASELINE, NOISE)
    for name in damaged:
        flip_a_bit(copied.folder / name)
    completes(copied, finished, "--forceall")
    assert computed(copied.folder / STORE) == computed(finished.folder / STORE)
    for rule in ("train", "evaluate_baseline", "evaluate_noise"):
        assert re.search(r"^restored: .*, computed \S+ on cpu", log_of(copied, rule), re.MULTILINE)
    counts["faults injected"] += len(damaged)
    counts["reruns compared"] += 1


def test_damaged_entries_of_the_store_are_dropped_and_computed_again(
    copied: Workspace, finished: Workspace, counts: Counter[str]
) -> None:
    store = copied.folder / STORE
    (weights,) = store.glob("train/**/model.weights.h5")
    (noise,) = store.glob("evaluate_noise/**/entry.json")
    flip_a_bit(weights)
    noise.chmod(0o644)
    noise.write_text(noise.read_text(encoding="utf-8").replace(": 0.1", ": 0.2"), encoding="utf-8")
    shutil.rmtree(copied.folder / TRAINING)
    completes(copied, finished, BASELINE, NOISE)
    dropped = r"^store: .* is damaged .*{}.* and is dropped$"
    assert re.search(dropped.format(weights.name), log_of(copied, "train"), re.MULTILINE)
    assert re.search(dropped.format(noise.name), log_of(copied, "evaluate_noise"), re.MULTILINE)
    assert "restored" in log_of(copied, "evaluate_baseline")
    counts["faults injected"] += 2
    counts["reruns compared"] += 1


def test_a_damaged_description_of_a_dataset_is_named_and_made_again(
    copied: Workspace, finished: Workspace, counts: Counter[str]
) -> None:
    flip_a_bit(copied.folder / DIGITS)
    (copied.folder / WEIGHTS).unlink()
    run = copied.snakemake(WEIGHTS, config=STUDY)
    line = only_error(run, DIGITS, "damaged")
    assert copied.snakemake(*advised(line), config=STUDY).status == 0
    completes(copied, finished, WEIGHTS)
    assert computed(copied.folder / STORE) == computed(finished.folder / STORE)
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


def advised(line: str) -> list[str]:
    """What an error says to call Snakemake with."""
    (command,) = re.findall(r"`snakemake ([^`]+)`", line)
    return command.split()


def test_a_damaged_checkpoint_is_not_used_and_the_training_starts_anew(
    workspace: Workspace, tmp_path: Path, counts: Counter[str]
) -> None:
    training = {"epochs": 4, "schedule": [], "horizontal_flip": False}
    config, folder = {**STUDY, "training": training}, workspace.folder
    run = Disturbed(workspace, config, "trainings")
    try:
        assert run.wait_for(lambda: any(folder.glob(f"{STORE}/train/*/states-*/last.h5")))
        run.kill_jobs(signal.SIGKILL)
        run.end()
    finally:
        stop(run)
    (checkpoint,) = folder.glob(f"{STORE}/train/*/states-*/last.h5")
    flip_a_bit(checkpoint)
    assert workspace.snakemake("trainings", config=config).status == 0
    assert "starting anew" in log_of(workspace, "train")
    assert litter(folder / "results") == []
    assert half_made(folder / STORE) == []
    # Compared with one that nothing disturbed.
    shutil.copytree(folder / TRAINING, tmp_path / "first")
    before = computed(folder / STORE)
    again = workspace.snakemake("trainings", "--forceall", config={**config, "store": False})
    assert again.status == 0, again.output[-5000:]
    assert "computed again, equal to" in log_of(workspace, "train")
    assert differences(tmp_path / "first", folder / TRAINING) == []
    assert computed(folder / STORE) == before
    assert litter(folder / "results") == []
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


WRITE_OTHER_WEIGHTS = """
import sys
from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import write_weights
from noise_resistance.storage.hdf5 import read_attributes
stated = read_attributes(sys.argv[1], "weights")
network = ResNet.named("resnet14", (8, 8, 1), 10)
values = {one.path: one.numpy() for one in network.build(1).variables}
header = {"parameters": stated.parameters, "fingerprint": stated.attributes["fingerprint"]}
write_weights(network, values, sys.argv[1], header)
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
    run = copied.snakemake(BASELINE, config=STUDY)
    only_error(run, WEIGHTS, "holds other weights than", "delete both and run snakemake again")
    assert not (copied.folder / BASELINE).exists()
    for name in (WEIGHTS, HISTORY):
        (copied.folder / name).unlink()
    completes(copied, finished, BASELINE)
    assert computed(copied.folder / STORE) == computed(finished.folder / STORE)
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


def test_a_file_that_cannot_be_written_whole_is_not_there_at_all(
    workspace: Workspace, finished: Workspace, counts: Counter[str]
) -> None:
    assert shutil.which("prlimit"), "util-linux has it"
    run = Disturbed(workspace, STUDY)
    # Enough for the dataset, and for everything that Snakemake writes; not for a training's state.
    subprocess.run(["prlimit", "--fsize=300000", f"--pid={run.process.pid}"], check=True)
    try:
        status = run.end()
    finally:
        stop(run)
    ended = Run(status, run.output.read_text(encoding="utf-8"))
    only_error(ended, "cannot be written", "free disk space")
    completes(workspace, finished)
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


def mount(*arguments: str | Path) -> bool:
    """Call mount, which needs root; say whether it could."""
    called = subprocess.run(["mount", *arguments], capture_output=True, check=False)
    return called.returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of one megabyte, which is nearly full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder):
        pytest.skip("mounting a file system needs rights that are not here")
    (folder / "ballast").write_bytes(bytes(900_000))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def make_room(disk: Path) -> None:
    (disk / "ballast").unlink()
    assert mount("-o", "remount,size=50m", disk)


def test_a_full_disk_fails_in_one_line_and_the_study_goes_on_with_room(
    workspace: Workspace, finished: Workspace, small_disk: Path, counts: Counter[str]
) -> None:
    (workspace.folder / "results").symlink_to(small_disk)
    run = workspace.snakemake(*WHOLE, config=STUDY)
    only_error(run, "cannot be written (No space left on device)", "free disk space")
    assert not [one for one in small_disk.rglob("*.h5") if one.name.startswith(".tmp-")]
    make_room(small_disk)
    completes(workspace, finished)
    counts["faults injected"] += 1
    counts["reruns compared"] += 1


def test_a_store_on_a_full_disk_fails_in_one_line_and_a_read_only_one_gives_what_it_has(
    workspace: Workspace, finished: Workspace, small_disk: Path, counts: Counter[str]
) -> None:
    config = {**STUDY, "store": str(small_disk)}
    full = workspace.snakemake(*WHOLE, config=config)
    only_error(full, str(small_disk), "cannot be written (No space left on device)")
    assert not (workspace.folder / WEIGHTS).exists()
    make_room(small_disk)
    whole = workspace.snakemake(*WHOLE, config=config)
    assert whole.status == 0, whole.output[-5000:]
    of_study = "results/faulty"
    assert differences(finished.folder / of_study, workspace.folder / of_study) == []
    assert differences(finished.folder / STORE, small_disk) == []
    assert litter(small_disk) == []
    assert half_made(small_disk) == []
    # Nothing can be added now, and nothing need be.
    assert mount("-o", "remount,ro", small_disk)
    (workspace.folder / WEIGHTS).unlink()
    (workspace.folder / BASELINE).unlink()
    again = workspace.snakemake(WEIGHTS, BASELINE, config=config)
    assert again.status == 0, again.output[-5000:]
    empty = {**config, "store": str(small_disk / "empty")}
    again = workspace.snakemake(*WHOLE, "--forceall", config=empty)
    assert again.status == 0, again.output[-5000:]
    assert "caution: not kept in the store" in log_of(workspace, "train")
    assert differences(finished.folder / of_study, workspace.folder / of_study) == []
    other = {**config, "noise": {**STUDY["noise"], "levels": [0.2]}}
    only_error(
        workspace.snakemake(*WHOLE, config=other), "cannot be written (Read-only file system)"
    )
    counts["faults injected"] += 2
    counts["reruns compared"] += 2


def test_results_that_are_read_only_are_one_line(
    workspace: Workspace, finished: Workspace, small_disk: Path, counts: Counter[str]
) -> None:
    (workspace.folder / "results").symlink_to(small_disk)
    (small_disk / "datasets").mkdir()
    assert mount("-o", "remount,ro", small_disk)
    run = workspace.snakemake(DIGITS, config=STUDY)
    assert mount("-o", "remount,rw", small_disk)
    only_error(run, "results/datasets", "cannot be written (Read-only file system)")
    assert "Traceback" not in run.output
    assert not run.jobs
    assert not list((small_disk / "datasets").iterdir())
    counts["faults injected"] += 1


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
    workspace: Workspace, server: Server, counts: Counter[str], fault: str
) -> None:
    faults, word = DOWNLOAD_FAULTS[fault]
    cifar10 = Published(server, list(faults))
    run = workspace.snakemake(cifar10.described, config=cifar10.config)
    only_error(run, cifar10.url, word)
    archive = workspace.folder / cifar10.archive
    assert not archive.exists()
    assert not (workspace.folder / cifar10.described).exists()
    assert server.add(ARCHIVE, cifar10.content) == cifar10.url
    assert workspace.snakemake(cifar10.described, config=cifar10.config).status == 0
    assert archive.read_bytes() == cifar10.content
    counts["faults injected"] += 1


@pytest.mark.parametrize("fault", ["cut:5000", "stall:5000", "trickle"])
def test_a_download_that_breaks_off_or_crawls_heals_within_the_run(
    workspace: Workspace, server: Server, counts: Counter[str], fault: str
) -> None:
    cifar10 = Published(server, [fault])
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
    run = workspace.snakemake(cifar10.archive, config=cifar10.config)
    assert run.status == 0, run.output[-3000:]
    archive = workspace.folder / cifar10.archive
    assert archive.read_bytes() == cifar10.content
    assert len(server.requests) == 2
    assert server.ranges[0] is None
    assert re.fullmatch(r"bytes=[1-9][0-9]*-", str(server.ranges[1]))
    said = log_of(workspace, "download_dataset")
    assert re.search(rf"{cifar10.url}: .*; next attempt in 1 s", said)
    assert [one.name for one in archive.parent.iterdir()] == [ARCHIVE]
    counts["faults injected"] += 1


def test_another_url_of_the_same_archive_fetches_nothing(
    workspace: Workspace, server: Server, counts: Counter[str]
) -> None:
    cifar10 = Published(server)
    assert workspace.snakemake(cifar10.described, config=cifar10.config).status == 0
    archive = workspace.folder / cifar10.archive
    before = archive.stat().st_mtime_ns, len(server.requests)
    elsewhere = "http://127.0.0.1:1/gone.tar.gz"
    cifar10.config["datasets"]["cifar10"]["files"][ARCHIVE]["url"] = elsewhere
    run = workspace.snakemake(cifar10.described, config=cifar10.config)
    assert "Nothing to be done" in run.output
    assert (archive.stat().st_mtime_ns, len(server.requests)) == before
    # What is missing is fetched from there; the checksum has decided nothing yet.
    archive.unlink()
    (workspace.folder / cifar10.described).unlink()
    run = workspace.snakemake(cifar10.described, config=cifar10.config)
    only_error(run, elsewhere, "cannot be reached")
    counts["faults injected"] += 1


def test_deleted_images_are_made_again_once_by_the_jobs_that_need_them(
    workspace: Workspace, server: Server, counts: Counter[str]
) -> None:
    cifar10 = Published(server)
    cifar10.config["noise"] = {**STUDY["noise"], "levels": [0.1, 0.2]}
    folder, training = workspace.folder, TRAINING.replace("digits", "cifar10")
    wanted = [f"{training}/noise/all/eta-{level}.h5" for level in ("0.1", "0.2")]
    assert workspace.snakemake(*wanted, config=cifar10.config).status == 0
    images = (folder / cifar10.described).with_suffix(".h5")
    whole, trained = images.read_bytes(), computed(folder / STORE / "train")

    def forget() -> None:
        images.unlink()
        for name in wanted:
            (folder / name).unlink()
        shutil.rmtree(folder / STORE / "evaluate_noise")

    forget()
    logs = (folder / "logs/faulty/evaluate_noise").rglob
    with hold(images.with_suffix(".lock")):
        run = Disturbed(workspace, cifar10.config, *wanted, "--cores=2")
        met = run.wait_for(
            lambda: sum("waiting: " in one.read_text("utf-8") for one in logs("*.log")) == 2
        )
    try:
        assert met
        assert run.end() == 0
    finally:
        stop(run)
    assert sum("made again from" in one.read_text("utf-8") for one in logs("*.log")) == 1
    assert images.stat().st_size == len(whole)
    assert litter(folder / "results") == []
    # And without the archive: what to call is said, and helps.
    forget()
    (folder / cifar10.archive).unlink()
    run = workspace.snakemake(wanted[0], config=cifar10.config)
    line = only_error(run, str(images.relative_to(folder)), "deleted, and so is the archive")
    assert not images.exists()
    assert workspace.snakemake(*advised(line), config=cifar10.config).status == 0
    assert workspace.snakemake(wanted[0], config=cifar10.config).status == 0
    assert len(server.requests) == 2
    assert computed(folder / STORE / "train") == trained
    assert half_made(folder / STORE) == []
    counts["faults injected"] += 2
    counts["reruns compared"] += 1


class Published:
    """A study whose CIFAR10, of sixty images, comes from a server that misbehaves."""

    def __init__(self, server: Server, faults: Sequence[str] = ()) -> None:
        self.content = sixty_images()
        self.url = server.add(ARCHIVE, self.content, list(faults))
        digest = hashlib.md5(self.content).hexdigest()
        files = {ARCHIVE: {"url": self.url, "checksum": f"md5:{digest}"}}
        self.config: dict[str, Any] = copy.deepcopy(STUDY)
        self.config["experiments"][0]["datasets"] = ["cifar10"]
        self.config["datasets"] = {
            "cifar10": {"train_images": 50, "test_images": 10, "files": files}
        }
        self.described = dataset_of(self.config, "cifar10")
        self.archive = f"results/datasets/cifar10/{digest[:16]}/{ARCHIVE}"


def sixty_images() -> bytes:
    """An archive in CIFAR10's official layout, with an image of each class in each of its files."""
    generator, packed = np.random.default_rng(1), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
            pixels = generator.integers(0, 256, (10, 3072), np.uint8)
            content = np.hstack([np.arange(10, dtype=np.uint8)[:, None], pixels]).tobytes()
            header = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return packed.getvalue()
