"""A private Slurm cluster of two nodes on this machine, with daemons, ports and a folder of its own.

By hand, for trying things out: `python tests/slurm/cluster.py up FOLDER`, and `down FOLDER`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
NODES = ("n1", "n2")
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
# Jobs find the cluster only by its built-in place: the executor clears SLURM_CONF from their environment.
PLACE = Path("/etc/slurm")
# At munge's own socket: not every part of Slurm can be told of another.
MUNGE = Path("/run/munge/munge.socket.2")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "munged")


class Unfit(RuntimeError):
    """No cluster can be brought up here. The message says why."""


def check() -> None:
    """Whether this machine can have a private cluster, and has no other.

    Raises:
        Unfit: it cannot.
    """
    if missing := [name for name in PROGRAMS if not _program(name)]:
        raise Unfit(f"{', '.join(missing)}: not installed (Debian: slurm-wlm, munge)")
    if os.geteuid() != 0:
        raise Unfit("Slurm's daemons must be started by root")
    if "SLURM_CONF" in os.environ:
        raise Unfit(f"SLURM_CONF names another cluster: {os.environ['SLURM_CONF']}")
    for link in (PLACE / name for name in FILES):
        if link.exists() or (link.is_symlink() and link.readlink().name != link.name):
            raise Unfit(f"{link} is there: this machine belongs to another cluster")


class Cluster:
    """The cluster in a folder; see `slurm.conf` beside this file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def up(self) -> None:
        """Start the daemons and wait until both nodes are idle (about a second).

        Raises:
            Unfit: a daemon does not start.
        """
        for name in ("state", "spool", "run", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name, device in (("gpu0", "null"), ("gpu1", "zero")):
            (self.folder / name).symlink_to(f"/dev/{device}")
        PLACE.mkdir(exist_ok=True)
        for name in FILES:
            text = (HERE / name).read_text(encoding="utf-8")
            text = text.replace("{folder}", str(self.folder)).replace(
                "{host}", socket.gethostname().split(".")[0]
            )
            (self.folder / name).write_text(text, encoding="utf-8")
            (PLACE / name).unlink(missing_ok=True)  # dangling, of a session that was killed
            (PLACE / name).symlink_to(self.folder / name)
        self._munge()
        self._start("slurmctld")
        for node in NODES:
            self._start("slurmd", "-N", node)
        if not self._wait_for(["sinfo", "-h", "-N", "-p", "main", "-o", "%t"], ["idle"] * len(NODES)):
            raise Unfit(f"the nodes do not get ready, see {self.folder / 'log'}")

    def down(self) -> None:
        """End the jobs and the daemons by their pid files, and remove the links."""
        subprocess.run(["scancel", "--user=root"], capture_output=True)
        self._wait_for(["squeue", "-h", "-o", "%i"], [], seconds=40)  # they have 30 s before they are killed
        for name in (*(f"slurmd.{node}" for node in NODES), "slurmctld", "munged"):
            _end(self.folder / "run" / f"{name}.pid")
        for link in (PLACE / name for name in FILES):
            if link.is_symlink() and link.readlink() == self.folder / link.name:
                link.unlink()

    def _munge(self) -> None:
        """The daemon that vouches for users, with a key of its own; one that runs already serves as well."""
        if MUNGE.exists() and subprocess.run(["munge", "-n"], capture_output=True).returncode == 0:
            return
        key = self.folder / "munge.key"
        key.touch(mode=0o400)
        key.write_bytes(os.urandom(128))
        MUNGE.parent.mkdir(exist_ok=True)
        MUNGE.parent.chmod(0o755)
        options = {
            "key-file": key,
            "socket": MUNGE,
            "pid-file": self.folder / "run" / "munged.pid",
            "log-file": self.folder / "log" / "munged.log",
            "seed-file": self.folder / "state" / "munge.seed",
        }
        # forced: it does not like to run as root, nor under folders that others may write to
        self._start("munged", "--force", *(f"--{key}={value}" for key, value in options.items()))

    def _start(self, name: str, *arguments: str) -> None:
        """Start a daemon; it goes to the background by itself."""
        # devices, not pipes: the daemon would keep them open and we would wait for its end
        with open(self.folder / "log" / "start", "a", encoding="utf-8") as log:
            done = subprocess.run(
                [_program(name), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=30
            )
        if done.returncode:
            raise Unfit(f"{name} does not start, see {self.folder / 'log'}")

    def _wait_for(self, command: list[str], words: list[str], seconds: float = 20) -> bool:
        """Ask until the answer is these words; whether it came to that."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if subprocess.run(command, capture_output=True, text=True).stdout.split() == words:
                return True
            time.sleep(0.1)
        return False


def _program(name: str) -> str | None:
    """Where a program is; daemons may be outside of a user's path."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _end(pid_file: Path) -> None:
    """End the process that a pid file names, and wait for it."""
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, 15)
    except (OSError, ValueError):
        return
    end = time.monotonic() + 20
    while time.monotonic() < end and _alive(pid):
        time.sleep(0.1)
    if _alive(pid):
        os.kill(pid, 9)
    pid_file.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    """Whether a process runs. One that has ended but that nobody has asked about (a zombie) does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


if __name__ == "__main__":
    what, where = sys.argv[1:]
    if what == "up":
        check()
        Cluster(Path(where)).up()
    else:
        Cluster(Path(where)).down()
