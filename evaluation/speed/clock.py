"""Time and memory of work that is compared: in turn within one run, so that a busy machine is busy for all.

Each ratio is that of one round, whose two works ran within moments of each other; medians and quartiles are over the
rounds. The seconds of the process are those of all its threads, and no other process is in them.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Work = Callable[[], object]
Pair = tuple[str, str]  # what is measured, and what it is compared with
WALL, PROCESS = "wall", "process"


def compare(
    works: Mapping[str, Work], pairs: Iterable[Pair], rounds: int, device: torch.device
) -> dict[str, dict[str, Any]]:
    """Return seconds and peak memory of every work, and the ratios of pairs of them: `works` and `ratios`.

    Ratios are of the seconds of the process on a CPU; elsewhere they are of the wall's, since the process waits.
    """
    seconds = time_in_turn(works, rounds, device)
    clock = PROCESS if device.type == "cpu" else WALL
    return {
        "works": {
            name: {
                **{kind: quartiles(values) for kind, values in taken.items()},
                "peak_mb": round(peak_bytes(works[name], device) / 2**20, 2),
            }
            for name, taken in seconds.items()
        },
        "ratios": {
            f"{name} / {other}": quartiles(np.divide(seconds[name][clock], seconds[other][clock]).tolist())
            for name, other in pairs
            if name in seconds and other in seconds
        },
    }


def time_in_turn(works: Mapping[str, Work], rounds: int, device: torch.device) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of every work in every round, by the wall's clock and the process's; one round warms up.

    Every round begins with another work, so that none always follows the same one.
    """
    names = list(works)
    seconds: dict[str, dict[str, list[float]]] = {name: {WALL: [], PROCESS: []} for name in names}
    for turn in range(-1, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            synchronize(device)
            wall, process = time.perf_counter(), time.process_time()
            works[name]()
            synchronize(device)
            if turn >= 0:
                seconds[name][WALL].append(time.perf_counter() - wall)
                seconds[name][PROCESS].append(time.process_time() - process)
    return seconds


def quartiles(values: list[float]) -> dict[str, float]:
    """Return the median and the quartiles."""
    low, median, high = np.percentile(values, (25, 50, 75))
    return {"median": float(f"{median:.4g}"), "q1": float(f"{low:.4g}"), "q3": float(f"{high:.4g}")}


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "xpu":
        torch.xpu.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_bytes(work: Work, device: torch.device) -> int:
    """Return the most memory that `work` holds beside what is there before it.

    On CUDA that is what torch's allocator gave; elsewhere the tensors that live at once, without what a kernel takes
    for itself.
    """
    if device.type == "cuda":
        before: int = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        most: int = torch.cuda.max_memory_allocated(device)
        return most - before
    live = LiveTensors()
    with live:
        work()
    return int(live.peak)


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    """The bytes of tensors that were made under it and live: now, and the most at once (`peak`)."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and count the memory of its results that is not counted yet."""
        before = {value.untyped_storage()._cdata for value in tree_leaves((args, kwargs)) if _is_tensor(value)}
        out = func(*args, **(kwargs or {}))
        for value in tree_leaves(out):
            if _is_tensor(value):
                self._count(value.untyped_storage(), before)
        return out

    def _count(self, storage: torch.UntypedStorage, before: set[int]) -> None:
        key = storage._cdata
        if key in self.live or key in before:  # a view or a change in place of what is there is nothing new
            return
        self.live[key] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self.now -= self.live.pop(key, 0)


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)
