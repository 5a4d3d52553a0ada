"""Studies in two folders that share one store: nothing is trained twice, whoever is killed."""

import re
import signal
from collections import Counter
from pathlib import Path

from disturbance import STUDY, Disturbed, differences, half_made, lasting_writes, litter, stop
from workspace import Workspace

EPOCHS = STUDY["training"]["epochs"]


def test_one_trains_the_other_waits_and_takes_it_over_when_the_first_is_killed(
    tmp_path: Path, counts: Counter[str]
) -> None:
    store = tmp_path / "store"
    config = {**STUDY, "store": str(store)}
    # An epoch takes a third of a second, and Snakemake three to begin: states are written slowly.
    folders = [
        lasting_writes(Workspace.make(tmp_path / name), seconds=0.7) for name in ("first", "second")
    ]

    def logs(number: int) -> dict[str, str]:
        found = folders[number].folder.glob("logs/disturbed/train/**/*.log")
        return {log.parent.name: log.read_text(encoding="utf-8") for log in found}

    runs = [Disturbed(folders[0], config, "trainings", "--cores=1")]
    try:
        assert runs[0].wait_for(lambda: any(store.glob("train/*/lock")))
        (begun,) = logs(0)
        # It wants both trainings at once: that one, and the one that the first will want next.
        runs.append(Disturbed(folders[1], config, "trainings", "--cores=2"))
        assert runs[1].wait_for(lambda: "waiting: " in logs(1).get(begun, ""))
        assert runs[0].wait_for(lambda: "\nepoch 1/" in logs(0)[begun])
        (process,) = runs[0].jobs()
        runs[0].kill_jobs(signal.SIGKILL)
        statuses = [run.end(300) for run in runs]
    finally:
        for run in runs:
            stop(run)
    assert statuses[0] != 0, "its job was killed"
    assert statuses[1] == 0, runs[1].output.read_text(encoding="utf-8")[-5000:]
    (other,) = logs(0).keys() - {begun}
    taken_over, taken = logs(1)[begun], logs(0)[other]
    assert f"waiting: process {process} on " in taken_over
    (start,) = re.findall(r"^resume: going on after epoch (\d+)$", taken_over, re.MULTILINE)
    epochs = [int(one) for one in re.findall(r"^epoch (\d+)/", taken_over, re.MULTILINE)]
    assert epochs == [*range(int(start) + 1, EPOCHS + 1)]
    assert 1 <= int(start) < EPOCHS
    assert re.search(r"^waiting: process .*^restored: ", taken, re.MULTILINE | re.DOTALL)
    # The first restores what was taken over from it.
    again = folders[0].snakemake("trainings", config=config)
    assert again.status == 0, again.output[-5000:]
    assert "\nrestored: " in logs(0)[begun]
    assert len([*store.glob("train/*")]) == len(STUDY["experiments"][0]["learning_rates"])
    assert half_made(store) == []
    assert litter(store) == []
    results = [one.folder / "results/disturbed" for one in folders]
    assert differences(*results) == []
    assert [*results[0].rglob("model.weights.h5")]
    counts["trainings taken over from a killed process, or waited for"] += 2
    counts["kills survived"] += 1
