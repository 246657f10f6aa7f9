"""Frames worked on side by side.

A frame is hundreds of short operations. torch's own threads would wait for one another at each of them, and where other
programs use the processor as well they wait most of the time; whole frames in threads of their own never do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch

# Every frame in work takes about twenty images' memory.
MOST_WORKERS = 4


def work_through(
    work: Callable[[int], None], count: int, device: torch.device, step: Callable[[], object] | None = None
) -> None:
    """Call `work` with 0 to count - 1, several side by side on a CPU, and `step` after each, in order.

    What step or work raises ends it; what is in work by then is still finished.
    """
    step = step or _nothing
    threads = torch.get_num_threads()
    workers = min(threads, MOST_WORKERS, count) if device.type == "cpu" else 1
    if workers < 2:
        for number in range(count):
            work(number)
            step()
        return
    torch.set_num_threads(1)  # of each worker
    try:
        _side_by_side(work, count, workers, step)
    finally:
        torch.set_num_threads(threads)


def _side_by_side(work: Callable[[int], None], count: int, workers: int, step: Callable[[], object]) -> None:
    inference = torch.is_inference_mode_enabled()  # holds for a thread, as the absence of gradients does

    def work_here(number: int) -> None:
        with torch.inference_mode(inference), torch.no_grad():
            work(number)

    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[None]] = deque()
        try:
            for number in range(count):
                waiting.append(pool.submit(work_here, number))
                if len(waiting) > workers:
                    waiting.popleft().result()
                    step()
            while waiting:
                waiting.popleft().result()
                step()
        finally:
            for future in waiting:
                future.cancel()


def _nothing() -> None:
    """Be the step that nobody waits for."""
