"""Attack the doors for a while: python -m tests.fuzz [--minutes 60] [--seed 1] [DOOR ...]

Every door runs in a process of its own, which is watched: an attack that ends the process, computes for longer than the
door allows, raises anything but the user's error, or takes more than 1 GiB above the size of its input and of its
result is reported with its number, and left in the folder --keep. `--only NUMBER` repeats one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ALLOWANCE = 2**30  # bytes of memory above what there was before the attack
POLL = 0.25
COMMAND = (sys.executable, "-m", "tests.fuzz")
MOST_KEPT = 500


def doors() -> dict[str, Any]:
    """Return the classes of the doors by name."""
    from .bundles import BundleDoor
    from .cameras import CameraDoor, SceneDoor
    from .clips import DepthDoor, MaskDoor, VideoDoor
    from .commands import CommandDoor
    from .hosts import NodeDoor, RouteDoor
    from .stories import StoryDoor
    from .weights import ConfigDoor, WeightDoor

    found = (
        CameraDoor,
        SceneDoor,
        MaskDoor,
        DepthDoor,
        VideoDoor,
        BundleDoor,
        StoryDoor,
        WeightDoor,
        ConfigDoor,
        RouteDoor,
        CommandDoor,
        NodeDoor,
    )
    return {door.name: door for door in found}


# ---- the process that attacks ----------------------------------------------------------------------------------------


def memory(reset: bool = False) -> tuple[int, int]:
    """Return the bytes in memory now and at most since the last reset (Linux; zeros elsewhere)."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0, 0
    values = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith("Vm")}
    return int(values.get("VmRSS", 0)) * 1024, int(values.get("VmHWM", 0)) * 1024


def keep_input(damaged: Path, to: Path) -> None:
    """Copy a damaged input, where the door has one in files, and not too many were kept."""
    if damaged.is_dir() and len(list(to.parent.iterdir())) < MOST_KEPT:
        shutil.copytree(damaged, to, dirs_exist_ok=True)


def tell(**values: Any) -> None:
    """Write a line for the process that watches; not to stdout, which a door may redirect."""
    os.write(3, (json.dumps(values) + "\n").encode())


def work(name: str, seed: int, number: int, only: bool, folder: Path, keep: Path | None = None) -> None:
    """Attack one door from an attack's number on, telling of each."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30, 12 * 2**30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError):
        pass
    import warnings

    warnings.simplefilter("ignore")
    door = doors()[name](folder)
    tell(ready=True, left_out=getattr(door, "left_out", {}), seconds=door.seconds)
    while True:
        tell(begin=number)
        before, _ = memory(reset=True)
        problem = ""
        try:
            result = door.attack(random.Random(f"{name} {seed} {number}"))
        except Exception:
            result, problem = "failed", traceback.format_exc()[-3000:]
        _, most = memory()
        if most - before > ALLOWANCE:
            problem = problem or f"{(most - before) / 2**30:.2f} GiB"
            result = "failed"
        last = getattr(door, "last", "")
        if problem and not only and keep is not None:
            keep_input(door.damaged, keep / f"{name}_{number}")
        tell(end=number, result=result, problem=problem, last=last, memory=most - before)
        if only:
            print(result, problem, last)
            return
        number += 1


# ---- the process that watches ----------------------------------------------------------------------------------------


def computed(pid: int) -> float:
    """Return the seconds of computing of a process and the children that it waited for (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """Runs one door for some seconds; counts what came, and keeps what should not have happened."""

    def __init__(self, name: str, seed: int, keep: Path, command: Sequence[str | Path] = COMMAND):
        self.name, self.seed, self.keep, self.command = name, seed, keep, command
        self.results: Counter[str] = Counter()
        self.failures: list[dict[str, Any]] = []
        self.slowest = self.most = 0.0
        self.number, self.suspect = 0, -1
        self.left_out: dict[str, str] = {}

    def run(self, seconds: float) -> None:
        """Attack until the time is over, beginning anew behind whatever ended the process."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                self._run_process(Path(folder), end)

    def _run_process(self, folder: Path, end: float) -> None:
        reading, writing = os.pipe()
        command = [*self.command, "--work", self.name, "--seed", str(self.seed)]
        command += ["--from", str(self.number), "--folder", str(folder / "door"), "--pipe", str(writing)]
        command += ["--keep", str(self.keep.resolve())]
        noise = (folder / "noise").open("wb")  # noqa: SIM115 (closed when the process has ended)
        process = subprocess.Popen(command, cwd=ROOT, pass_fds=[writing], stdout=noise, stderr=noise)
        os.close(writing)
        os.set_blocking(reading, False)
        rest, running, began, limit, started = b"", False, 0.0, 10.0, time.monotonic()
        ready = False
        while True:
            try:
                data = os.read(reading, 2**16)
            except BlockingIOError:
                data = None
            if data:
                *lines, rest = (rest + data).split(b"\n")
                for line in map(json.loads, lines):
                    if "ready" in line:
                        ready, limit, self.left_out = True, line["seconds"], line["left_out"]
                    elif "begin" in line:
                        running, began = True, computed(process.pid)
                        self.number = line["begin"]
                    else:
                        running = False
                        self._ended(line)
                        self.slowest = max(self.slowest, computed(process.pid) - began)
                continue
            if data == b"" or process.poll() is not None:
                noise.close()
                said = (folder / "noise").read_bytes()[-1500:].decode("utf-8", "replace")
                if not ready:
                    raise SystemExit(f"the door {self.name} does not open:\n{said}")
                if running:
                    self._fail(f"the process ended with {process.wait()}: {said}")
                    self._keep(folder)
                    self.number += 1
                break
            if running and computed(process.pid) - began > limit:
                process.kill()
                process.wait()
                if self.suspect == self.number:  # twice: it was not the machine
                    self._fail(f"more than {limit:g} s of computing")
                    self._keep(folder)
                    self.number += 1
                else:
                    self.suspect = self.number
                break
            if time.monotonic() > end or (not ready and time.monotonic() - started > 300):
                process.kill()
                process.wait()
                break
            time.sleep(POLL)
        os.close(reading)

    def _keep(self, folder: Path) -> None:
        keep_input(folder / "door" / "damaged", self.keep / f"{self.name}_{self.number}")

    def _ended(self, line: dict[str, Any]) -> None:
        self.results[line["result"]] += 1
        self.most = max(self.most, line["memory"])
        if line["problem"]:
            self._fail(line["problem"], line["last"])

    def _fail(self, problem: str, last: str = "") -> None:
        self.failures.append({"door": self.name, "number": self.number, "problem": problem, "last": last})
        # What an input holds may be no text that a terminal can show.
        said = f"\n{self.name} {self.number}: {problem}\n{last}".encode(errors="backslashreplace").decode()
        print(said, flush=True)

    def row(self, seconds: float) -> str:
        """Return a line of the report."""
        counts = f"read {self.results['read']:7}  refused {self.results['refused']:7}  failed {len(self.failures):4}"
        return (
            f"{self.name:10} {seconds / 60:5.1f} min  {counts}  slowest {self.slowest:5.1f} s"
            f"  memory +{self.most / 2**20:.0f} MiB"
        )


def main() -> None:
    """Run the doors in turn, and print what came of each; exit code 1 where something should not have happened."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("doors", nargs="*", metavar="DOOR")
    parser.add_argument("--minutes", type=float, default=60, help="for all doors together (default: 60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("outputs/fuzz"), help="folder for inputs that failed")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="repeat one attack of one door")
    for name, kind in (("--work", str), ("--from", int), ("--folder", Path), ("--pipe", int)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        os.dup2(args.pipe, 3)
        work(args.work, args.seed, getattr(args, "from"), False, args.folder, args.keep)
    chosen = args.doors or list(doors())
    if args.only is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 3)
        folder = args.keep / f"only_{chosen[0]}"
        shutil.rmtree(folder, ignore_errors=True)
        work(chosen[0], args.seed, args.only, True, folder)
        return
    rows, failed = [], 0
    args.keep.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        watch = Watch(name, args.seed, args.keep)
        began = time.monotonic()
        watch.run(args.minutes * 60 / len(chosen))
        rows.append(watch.row(time.monotonic() - began))
        failed += len(watch.failures)
        print(rows[-1], flush=True)
        if watch.left_out:
            print(f"left out, since they need the real host: {', '.join(watch.left_out)}", flush=True)
    print("\n" + "\n".join(rows))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
