"""Several processes that train one model, started by torchrun: who each is, and what they must agree on.

Without torchrun there is one process and no group; everything here then does nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from ...control.errors import UserError
from ...models.devices import pick_device
from .loop import Loop

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """One of `count` processes, the one of number `rank`, which computes on `device`.

    sequence: so many neighbors share the sequence of the same clips (Ulysses); 1 where every process has its own.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = torch.device("cpu")
    sequence: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    @property
    def groups(self) -> int:
        """How many parts the clips of a micro-batch are dealt to."""
        return self.count // self.sequence

    @property
    def group(self) -> int:
        """Which of these parts is this process's."""
        return self.rank // self.sequence

    def sequence_group(self) -> dist.ProcessGroup | None:
        """Return the processes that share a sequence with this one; every process must call this, and once."""
        if self.sequence == 1:
            return None
        mesh = init_device_mesh(self.device.type, (self.groups, self.sequence), mesh_dim_names=("clips", "sequence"))
        return mesh.get_group("sequence")

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Return the mean of `values` over all processes."""
        if self.count > 1:
            values = values.to(self.device)
            dist.all_reduce(values)
            values = values / self.count
        return values

    def follow_main(self, loop: Loop) -> None:
        """Take over the time and the stop request of the first process.

        By its own clock one process would end the run, or save, while the others wait for it in the next step.
        """
        loop.seconds, loop.stop_requested = from_main((loop.seconds, loop.stop_requested))

    def leave(self) -> None:
        """Leave the group: a process that just ends may abort while its threads still talk to the others."""
        if self.count > 1:
            dist.barrier()
            dist.destroy_process_group()


def is_main() -> bool:
    """Whether this process is the first one, or the only one."""
    return not dist.is_initialized() or dist.get_rank() == 0


def from_main(value: T) -> T:
    """Return the `value` of the first process; all of them must call this."""
    if not dist.is_initialized():
        return value
    values: list[Any] = [value]
    dist.broadcast_object_list(values)
    first: T = values[0]
    return first


def start_processes(sequence: int = 1, device: str | torch.device = "auto") -> Processes:
    """Join the processes that torchrun started (gloo on CPUs, NCCL on CUDA); or be the only one, on a device.

    Raises UserError where `sequence` does not divide their number.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count % sequence:
        raise UserError(
            f"{sequence} processes are to share a sequence, but {count} run. Start a multiple of {sequence} by "
            f"torchrun --nproc-per-node, or set sequence_processes to 1."
        )
    if count == 1:
        return Processes(device=pick_device(device))
    own = torch.device("cpu")
    if torch.cuda.is_available():
        own = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(own)
    if not dist.is_initialized():
        # Saving in the background talks over the CPU also where the gradients go over NCCL.
        dist.init_process_group("cpu:gloo,cuda:nccl" if own.type == "cuda" else "gloo")
    return Processes(dist.get_rank(), dist.get_world_size(), own, sequence)
