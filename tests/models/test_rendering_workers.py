"""Frames worked on side by side: the same result, steps in order, and an end when one is asked for."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera import CameraTrajectory
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.models.rendering import render_along, workers

CPU = torch.device("cpu")


def scene() -> tuple[torch.Tensor, torch.Tensor, CameraTrajectory]:
    """An image and a depth of noise, and a path about them."""
    generator = torch.Generator().manual_seed(0)
    image, depth = torch.rand(1, 24, 36, 3, generator=generator), torch.rand(1, 24, 36, generator=generator) + 0.5
    return image, depth, preset("orbit_right", frames=7, aspect=1.5)


@pytest.fixture
def three_threads(monkeypatch):
    """As where torch uses three threads; gives the numbers that it is set to."""
    numbers: list[int] = []
    monkeypatch.setattr(workers.torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(workers.torch, "set_num_threads", numbers.append)
    return numbers


def test_frames_are_in_work_side_by_side(three_threads):
    """Each waits for the other two: one after another, the first would wait in vain."""
    together = threading.Barrier(3, timeout=20)
    done, steps = [], []

    def work(number: int) -> None:
        together.wait()
        done.append(number)

    workers.work_through(work, 6, CPU, lambda: steps.append(len(done)))
    assert sorted(done) == list(range(6)) and len(steps) == 6 and steps == sorted(steps)


def test_a_gpu_gets_one_frame_at_a_time(three_threads):
    here = []
    workers.work_through(lambda number: here.append(threading.get_ident()), 4, torch.device("meta"))
    assert here == [threading.get_ident()] * 4


@pytest.mark.parametrize("ends", ["step", "work"])
def test_what_is_raised_ends_the_work(three_threads, ends):
    begun, steps = [], []

    def work(number: int) -> None:
        begun.append(number)
        if ends == "work" and number == 5:
            raise KeyError("a frame that cannot be read")

    def step() -> None:
        steps.append(1)
        if ends == "step" and len(steps) == 5:
            raise KeyError("canceled")

    with pytest.raises(KeyError):
        workers.work_through(work, 100, CPU, step)
    assert len(begun) < 20 and three_threads == [1, 3]


def test_the_result_is_that_of_one_frame_after_another(three_threads, monkeypatch):
    image, depth, path = scene()
    with torch.inference_mode():  # as ComfyUI runs nodes: what is made there cannot be changed elsewhere
        several = render_along(image, depth, path)
    monkeypatch.setattr(workers.torch, "get_num_threads", lambda: 1)
    single = render_along(image, depth, path)
    for one, other in zip(several, single, strict=True):
        assert np.array_equal(one.numpy(), other.numpy(), equal_nan=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_shows_the_same():
    image, depth, path = scene()
    cpu, gpu = (render_along(image, depth, path, linear=False, device=torch.device(at)) for at in ("cpu", "cuda"))
    assert ((cpu.images - gpu.images).abs().amax(-1) > 1e-3).float().mean() < 1e-3
    assert (cpu.holes != gpu.holes).float().mean() < 1e-3 and gpu.images.device.type == "cpu"
