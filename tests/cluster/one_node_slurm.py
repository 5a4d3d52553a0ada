"""A real Slurm on this machine alone: two partitions, two GPUs that are none, loopback only.

Needs Debian 12 and root. What it writes outside its folder (/etc/slurm, a line of /etc/hosts) it
takes away again. Slurm must find /etc/slurm/slurm.conf: Snakemake's job steps drop SLURM_CONF.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
MARK = "# written by tests/cluster"
ETC = Path("/etc/slurm")
HOSTS = Path("/etc/hosts")
POLICY = Path("/usr/sbin/policy-rc.d")

# Like no real cluster's: processes of its jobs are told by it.
CLUSTER = "noise-resistance-tests"

CONFIGURATION = """{mark}
ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MinJobAge=3600
KillWait=5
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/none
SchedulerParameters=batch_sched_delay=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 Gres=gpu:fake:2 State=UNKNOWN
PartitionName=short Nodes={host} Default=YES DefMemPerCPU=500 MaxTime=120 State=UP
PartitionName=long Nodes={host} DefMemPerCPU=500 MaxTime=UNLIMITED State=UP
"""


@dataclass(frozen=True)
class OneNodeSlurm:
    """A running Slurm.

    Attributes:
        folder: its state and logs.
    """

    folder: Path

    @classmethod
    def start(cls, folder: Path, cpus: int = 4) -> "OneNodeSlurm":
        """Install what is missing, start the daemons, and see a job step run."""
        _install()
        configuration = ETC / "slurm.conf"
        if configuration.exists() and MARK not in configuration.read_text(encoding="utf-8"):
            raise RuntimeError(f"{configuration} is there: this machine belongs to a cluster")
        host = socket.gethostname().partition(".")[0]
        if not _name_is_loopback(host):
            HOSTS.write_text(
                f"127.0.0.1 {host} {MARK}\n" + HOSTS.read_text(encoding="utf-8"), encoding="utf-8"
            )
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        ETC.mkdir(exist_ok=True)
        configuration.write_text(
            CONFIGURATION.format(mark=MARK, cluster=CLUSTER, host=host, folder=folder, cpus=cpus),
            encoding="utf-8",
        )
        devices = []
        for index in range(2):
            device = folder / f"gpu{index}"
            # Any character device will do; this one is like /dev/null.
            os.mknod(device, 0o20666, os.makedev(1, 3))
            devices.append(f"NodeName={host} Name=gpu Type=fake File={device}\n")
        (ETC / "gres.conf").write_text(f"{MARK}\nAutoDetect=off\n{''.join(devices)}")
        _start_munge()
        slurm = cls(folder)
        _daemon("slurmctld", "-c")
        _wait("slurmctld", lambda: "UP" in _output("scontrol", "ping"))
        slurm.start_node()
        subprocess.run(["srun", "-n1", "-t1", "true"], check=True, timeout=60)
        return slurm

    def start_node(self) -> None:
        """Start the node's daemon, and wait until the node takes jobs."""
        _daemon("slurmd")
        _wait("slurmd", _node_takes_jobs)

    def stop_node(self) -> None:
        """Kill the node's daemon; its jobs go on alone."""
        _end(self.folder / "slurmd.pid", signal.SIGKILL)

    def lose_node(self) -> None:
        """Take the node for dead, as Slurm does with one that no longer answers, and get it back.

        Slurm lets what it requeues wait two minutes; here it starts after seconds.
        """
        lost = [number for number, state, _ in self.jobs() if state == "RUNNING"]
        host = _output("sinfo", "-hNo", "%N").split()[0]
        _control(f"nodename={host}", "state=down", "reason=test")
        _wait("requeueing", lambda: all(state != "RUNNING" for _, state, _ in self.jobs()))
        # Refused where the node's daemon has registered again already.
        _output("scontrol", "update", f"nodename={host}", "state=resume")
        _wait("the node", _node_takes_jobs)
        # Slurm would wait two minutes: a node that still ends a job must not be given it again.
        time.sleep(10)
        for number in lost:
            _control(f"jobid={number}", "starttime=now")

    def cancel(self, number: str) -> None:
        """Cancel a job."""
        subprocess.run(["scancel", number], check=True, timeout=30)

    def lift_limits(self, minutes: int) -> None:
        """Give all jobs that wait or run so many minutes."""
        for number, _, _ in self.jobs():
            # One that ends at this moment needs none.
            _output("scontrol", "update", f"jobid={number}", f"timelimit={minutes}")

    def jobs(self, states: str = "RUNNING,PENDING") -> list[tuple[str, str, str]]:
        """Return (number, state, comment) of each job; the comment names rule and wildcards."""
        lines = _output("squeue", "-h", "-t", states, "-o", "%A|%T|%k").splitlines()
        return [(one[0], one[1], one[2]) for one in (line.split("|", 2) for line in lines)]

    def submitted(self) -> int:
        """Return how many jobs there ever were."""
        return len(self.jobs("all"))

    def cancel_all(self) -> None:
        """Cancel all jobs that wait or run."""
        for number, _, _ in self.jobs():
            _output("scancel", number)

    def stop(self) -> None:
        """End everything, and take away what was written outside the folder."""
        self.cancel_all()
        deadline = time.monotonic() + 20
        while self.jobs() and time.monotonic() < deadline:
            time.sleep(0.2)
        for daemon in ("slurmd", "slurmctld", "munged"):
            _end(self.folder / f"{daemon}.pid", signal.SIGTERM)
        _end_what_is_left()
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)
        lines = HOSTS.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if MARK not in line]
        if kept != lines:
            HOSTS.write_text("".join(kept), encoding="utf-8")


def _end_what_is_left() -> None:
    """Kill processes of jobs that outlived them: those of a node that was lost are nobody's."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            if f"SLURM_CLUSTER_NAME={CLUSTER}\0".encode() in (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


def _install() -> None:
    if all(shutil.which(one) for one in ("slurmctld", "slurmd", "sbatch", "munged")):
        return
    # Debian would start the daemons before there is a configuration.
    made = not POLICY.exists()
    if made:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-qy", "--no-install-recommends", *PACKAGES],
        ):
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=300, check=False
            )
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)}: {done.stdout[-800:]}{done.stderr[-800:]}")
    finally:
        if made:
            POLICY.unlink()


def _start_munge() -> None:
    if "Success" in _output("sh", "-c", "munge -n | unmunge"):
        return
    key = Path("/etc/munge/munge.key")
    if not key.exists() or not key.stat().st_size:
        key.parent.mkdir(mode=0o700, exist_ok=True)
        key.touch(0o600)
        key.write_bytes(os.urandom(1024))
    shutil.chown(key.parent, "munge", "munge")
    shutil.chown(key, "munge", "munge")
    for folder, mode in (("run", 0o755), ("lib", 0o711), ("log", 0o700)):
        path = Path("/run/munge" if folder == "run" else f"/var/{folder}/munge")
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        shutil.chown(path, "munge", "munge")
    subprocess.run(["runuser", "-u", "munge", "--", "/usr/sbin/munged"], check=True, timeout=30)
    _wait("munged", lambda: "Success" in _output("sh", "-c", "munge -n | unmunge"))


def _name_is_loopback(host: str) -> bool:
    try:
        return socket.gethostbyname(host).startswith("127.")
    except OSError:
        return False


def _daemon(name: str, *arguments: str) -> None:
    subprocess.run(
        [f"/usr/sbin/{name}", *arguments], stdin=subprocess.DEVNULL, check=True, timeout=30
    )


def _end(pid_file: Path, number: int) -> None:
    try:
        process = int(pid_file.read_text())
        os.kill(process, number)
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and Path(f"/proc/{process}").exists():
        if "(zombie)" in Path(f"/proc/{process}/status").read_text(encoding="utf-8"):
            break
        time.sleep(0.1)


def _wait(what: str, condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} does not answer")
        time.sleep(0.1)


def _node_takes_jobs() -> bool:
    return _output("sinfo", "-hNo", "%t").split()[:1] in (["idle"], ["mix"])


def _control(*changes: str) -> None:
    subprocess.run(["scontrol", "update", *changes], check=True, timeout=30)


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout
