"""The command line: one line an error, everything in the log, TensorFlow only where it computes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import noise_resistance
from noise_resistance import cli
from noise_resistance.storage.checksums import checksum_of_attributes
from noise_resistance.storage.hdf5 import write_record
from noise_resistance.study.configuration import default_recipe
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.request import TrainingRequest

COMMANDS = sorted(cli._commands.commands)
EMPTY_OUTLINE = {
    "study": "none",
    "experiments": [],
    "seeds": [1],
    "noise_levels": [0.1],
    "draws": 2,
    "epochs": 1,
    "datasets": {},
}
# Errors that a user can mend, of a command that starts fast: no such experiment, no such file.
NO_EXPERIMENT = [
    "table2",
    "--outline",
    json.dumps(EMPTY_OUTLINE),
    "--summary",
    "no.h5",
    "--stem",
    "t",
]
OUTLINE = {
    **EMPTY_OUTLINE,
    "experiments": [
        {
            "name": "learning_rate",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "optimizers": ["adam"],
            "learning_rates": [0.001],
            "scopes": ["all"],
        }
    ],
    "datasets": {"digits": {"title": "Digits", "classes": 10}},
}
MISSING_FILE = ["table2", "--outline", json.dumps(OUTLINE), "--summary", "no.h5", "--stem", "t"]
# An outline that no program of this workflow writes: nobody foresaw it.
UNFORESEEN = ["table2", "--outline", '{"study": "none"}', "--summary", "no.h5", "--stem", "t"]


def run(
    folder: Path, *arguments: str, script: str = "", timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    program = ["-c", script] if script else ["-m", "noise_resistance"]
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(noise_resistance.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


# Help


def test_every_command_of_the_rules_is_there() -> None:
    rules = "".join(
        path.read_text(encoding="utf-8")
        for path in (Path(noise_resistance.__file__).parents[1] / "rules").glob("*.smk")
    )
    used = {
        part.split()[0].rstrip('"') for part in rules.split("{params.program} --log {log:q} ")[1:]
    }
    assert len(used) > 10
    assert used <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_explained(name: str) -> None:
    command = cli._commands.commands[name]
    assert command.help
    assert command.help.rstrip().endswith(".")
    context = click.Context(command, info_name=name)
    text = command.get_help(context)
    for parameter in command.params:
        assert parameter.opts[0] in text or parameter.opts[0].upper() in text


def test_no_command_needs_tensorflow_to_print_its_help(tmp_path: Path) -> None:
    script = """
import sys
from noise_resistance import cli
for name in [None, *cli._commands.commands]:
    sys.argv = ["noise-resistance", *([name] if name else []), "--help"]
    try:
        cli.main()
    except SystemExit as end:
        assert not end.code, end.code
loaded = {"tensorflow", "keras", "pandas", "matplotlib"} & set(sys.modules)
print("loaded:", *loaded, file=sys.stderr)
"""
    done = run(tmp_path, script=script)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "loaded:\n"
    assert done.stdout.count("Usage: noise-resistance") == len(COMMANDS) + 1


def test_tables_need_no_tensorflow(tmp_path: Path) -> None:
    script = """
import atexit, sys
atexit.register(lambda: print("tensorflow" in sys.modules, "pandas" in sys.modules))
from noise_resistance.cli import main
main()
"""
    done = run(tmp_path, *MISSING_FILE, script=script)
    assert done.stdout == "False True\n"


def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: noise-resistance")
    assert "evaluate-noise" in done.stderr


def test_the_version_is_the_package_s(tmp_path: Path) -> None:
    assert noise_resistance.__version__ in run(tmp_path, "--version").stdout


# Errors


def test_an_error_that_a_user_can_mend_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, *MISSING_FILE)
    assert done.returncode == 1
    assert done.stderr == "error: no.h5: no such file; run snakemake to make it\n"
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_a_wrong_configuration_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, *NO_EXPERIMENT)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "learning_rate" in line


def test_with_a_log_the_line_goes_to_terminal_and_log_and_names_the_log(tmp_path: Path) -> None:
    done = run(tmp_path, "--log", "logs/deep/table2.log", *MISSING_FILE)
    assert done.returncode == 1
    line = "error: no.h5: no such file; run snakemake to make it"
    assert done.stderr == f"{line} [log: logs/deep/table2.log]\n"
    assert done.stdout == ""
    log = (tmp_path / "logs/deep/table2.log").read_text(encoding="utf-8")
    assert log.startswith("Traceback (most recent call last):\n")
    assert log.endswith(f"\n{line}\n")


def test_a_log_begins_anew_with_each_run(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("of an earlier run\n" * 100, encoding="utf-8")
    run(tmp_path, "--log=a.log", *MISSING_FILE)
    assert "earlier" not in (tmp_path / "a.log").read_text(encoding="utf-8")


def test_the_log_holds_what_c_libraries_and_children_write(tmp_path: Path) -> None:
    script = """
import os, sys
from noise_resistance import cli
@cli._commands.command()
def noisy():
    "Write in every way."
    print("from Python", flush=True)
    os.write(1, b"from C, output\\n")
    os.write(2, b"from C, errors\\n")
    os.system("echo from a child")
sys.argv = ["noise-resistance", "--log", "a.log", "noisy"]
cli.main()
"""
    done = run(tmp_path, script=script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "a.log").read_text(encoding="utf-8").splitlines() == [
        "from Python",
        "from C, output",
        "from C, errors",
        "from a child",
    ]


def test_an_unforeseen_error_is_one_line_and_its_traceback_is_in_the_log(tmp_path: Path) -> None:
    done = run(tmp_path, "--log", "a.log", *UNFORESEEN)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: unexpected ")
    assert "(traceback in a.log)" in line
    log = (tmp_path / "a.log").read_text(encoding="utf-8")
    assert "Traceback (most recent call last):" in log
    assert log.splitlines()[-1].startswith("error: unexpected ")


def test_an_unforeseen_error_without_a_log_says_how_to_see_the_traceback(tmp_path: Path) -> None:
    done = run(tmp_path, *UNFORESEEN)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: unexpected ")
    assert "run again with --debug for the traceback" in line


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("log", [(), ("--log", "a.log")], ids=["no log", "log"])
@pytest.mark.parametrize("arguments", [MISSING_FILE, UNFORESEEN], ids=["user's", "unforeseen"])
def test_debug_before_or_after_the_command_shows_the_traceback_of_any_error(
    tmp_path: Path, arguments: list[str], log: tuple[str, ...], place: str
) -> None:
    debug = ["--debug", *arguments] if place == "before" else [*arguments, "--debug"]
    done = run(tmp_path, *log, *debug)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert done.stderr.count("Traceback (most recent call last):") == 1


def test_an_error_of_many_lines_is_told_in_one(tmp_path: Path) -> None:
    script = """
import sys
from noise_resistance import cli
@cli._commands.command()
def fail():
    "Fail."
    raise RuntimeError("\\nfirst\\nsecond")
sys.argv = ["noise-resistance", "fail"]
cli.main()
"""
    done = run(tmp_path, script=script)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "RuntimeError: first" in done.stderr


def test_an_interrupt_is_one_line_and_status_130(tmp_path: Path) -> None:
    script = """
import sys
from noise_resistance import cli
@cli._commands.command()
def wait():
    "Wait."
    raise KeyboardInterrupt
sys.argv = ["noise-resistance", "wait"]
cli.main()
"""
    done = run(tmp_path, script=script)
    assert done.returncode == 130
    assert done.stderr.strip() == "error: interrupted"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["tabel2"], "No such command 'tabel2'"),
        (["table2"], "Missing option '--outline'"),
        (["table2", "--outline", "{"], "neither a JSON object nor a file with one"),
        (["table2", "--outline", "no.json"], "neither a JSON object nor a file with one"),
        (["train", "--keep-epoch", "0"], "'--keep-epoch': 0 is not in the range x>=1"),
        (["train", "--keep-epoch", "last"], "'last' is not a valid integer"),
        (["train", "--threads", "0"], "'--threads': 0 is not in the range x>=1"),
        (["evaluate-noise", "--request", "{"], "neither a JSON object nor a file with one"),
        (["evaluate-noise", "--store", "a.file"], "'--store': Directory 'a.file' is a file"),
        (["evaluate", "--scale", "0"], "'--scale': 0.0 is not in the range x>0"),
        (["evaluate-baseline", "--device", "tpu"], "'tpu' is not one of 'gpu', 'cpu', 'auto'"),
        (["--unknown"], "No such option"),
    ],
)
def test_a_usage_error_is_one_line_and_status_2(
    tmp_path: Path, arguments: list[str], expected: str
) -> None:
    (tmp_path / "a.file").touch()
    done = run(tmp_path, "--log", "a.log", *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert expected in line
    assert line.endswith("[log: a.log]")
    assert expected in (tmp_path / "a.log").read_text(encoding="utf-8")


def test_a_log_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    done = run(tmp_path, "--log", "logs/a.log", *MISSING_FILE)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: logs/a.log: the log cannot be written (")


# Values


def test_json_is_taken_from_the_command_line_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "outline.json").write_text(json.dumps(OUTLINE), encoding="utf-8")
    arguments = ["outline.json" if one.startswith("{") else one for one in MISSING_FILE]
    assert run(tmp_path, *arguments).stderr == run(tmp_path, *MISSING_FILE).stderr


def test_training_by_hand_names_a_damaged_dataset_in_one_line(tmp_path: Path) -> None:
    write_record(tmp_path / "digits.h5", "baseline", {}, {})
    counts = ("classes", "height", "width", "channels", "train_images", "test_images")
    arrays = ("train_images", "train_labels", "test_images", "test_labels")
    described = {
        "entry": {"name": "digits"},
        "counts": dict.fromkeys(counts, 8),
        "arrays": dict.fromkeys(arrays, "0"),
    }
    text = json.dumps({**described, "sha256": checksum_of_attributes(described)})
    (tmp_path / "digits.json").write_text(text, encoding="utf-8")
    optimizer = "adam", OPTIMIZERS["adam"].definition()
    identity = {"name": "digits"}
    request = TrainingRequest(identity, "resnet8", *optimizer, 0.001, 1, default_recipe())
    done = run(
        tmp_path,
        "--log=a.log",
        "train",
        "--dataset=digits.json",
        f"--request={json.dumps(request.parameters())}",
        "--folder=one",
        "--device=cpu",
    )
    assert done.returncode == 1
    assert done.stderr == "error: digits.h5: is a baseline file, not a dataset file [log: a.log]\n"
    assert "device: cpu: 1 thread\n" in (tmp_path / "a.log").read_text(encoding="utf-8")
    # And empty folders of the store.
    made = {one.name for one in tmp_path.iterdir()} - {"results"}
    assert made == {"digits.h5", "digits.json", "a.log"}
    assert not [one for one in (tmp_path / "results").rglob("*") if one.is_file()]
