"""Several processes that train one model: one clock for all, and the random state of each in the saved state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from .loop import Loop

if TYPE_CHECKING:
    from accelerate import Accelerator


def follow_main_process(accelerator: Accelerator, loop: Loop) -> None:
    """Take over the time and the stop request of the first process.

    By its own clock one process would end the run, or save, while the others wait for it in the next step.
    """
    if accelerator.num_processes == 1:
        return
    from accelerate.utils import broadcast

    values = torch.tensor([loop.seconds, loop.stop_requested], dtype=torch.float64, device=accelerator.device)
    seconds, stop = broadcast(values).tolist()
    loop.seconds, loop.stop_requested = seconds, bool(stop)


def gather(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the `state` of every process, in their order; all processes must call this."""
    from accelerate.utils import gather_object

    return list(gather_object([state]))


def leave(accelerator: Accelerator) -> None:
    """Leave the group of processes: one that just ends may abort while its threads still talk to the others."""
    accelerator.wait_for_everyone()
    accelerator.end_training()
