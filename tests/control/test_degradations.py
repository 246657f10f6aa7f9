"""Degradations for an upsampler's training: each does what it says, and a seed makes the same clip again."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.degradations import Degradations, degrade
from comfyui_fulldit.control.degradations.codecs import h264, jpeg
from comfyui_fulldit.control.degradations.kernels import (
    blur,
    draw_kernel,
    gaussian,
    generalized_gaussian,
    plateau,
    sinc,
)
from comfyui_fulldit.control.degradations.second_order import Order
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.images import resize_cubic

RNG = np.random.default_rng


def clip(frames=5, height=32, width=48) -> np.ndarray:
    """Stripes with fine checks on them."""
    y, x = np.mgrid[:height, :width]
    image = 0.5 + 0.25 * np.sin(x / 5) + 0.25 * ((x + y) % 2)
    return np.repeat(np.stack([image, image * 0.5, 1 - image], -1)[None].astype(np.float32), frames, 0).clip(0, 1)


def spread(kernel: np.ndarray) -> tuple[float, float]:
    """The deviations of a kernel along x and y."""
    at = np.arange(len(kernel)) - len(kernel) // 2
    return tuple(float(np.sqrt((kernel.sum(axis) * at**2).sum())) for axis in (0, 1))


def test_a_gaussian_has_the_deviations_that_were_asked_for():
    assert spread(gaussian(21, (2.0, 2.0), 0.3)) == pytest.approx((2.0, 2.0), rel=0.01)
    assert spread(gaussian(21, (2.0, 1.0), 0.0)) == pytest.approx((2.0, 1.0), rel=0.01)
    assert spread(gaussian(21, (2.0, 1.0), np.pi / 2)) == pytest.approx((1.0, 2.0), rel=0.01)
    same = generalized_gaussian(21, (2.0, 1.0), 0.4, 1.0)
    assert np.allclose(same, gaussian(21, (2.0, 1.0), 0.4))


def test_the_kin_of_a_gaussian_are_flatter_and_sharper():
    def middle(kernel):
        return kernel[10, 10] / kernel[10, 12]

    round_ = middle(gaussian(21, (2.0, 2.0), 0.0))
    assert middle(generalized_gaussian(21, (2.0, 2.0), 0.0, 0.5)) > 1 and round_ > 1
    assert middle(generalized_gaussian(21, (2.0, 2.0), 0.0, 3.0)) == pytest.approx(round_, rel=0.01)  # d = 1 there
    assert (
        generalized_gaussian(21, (2.0, 2.0), 0.0, 3.0)[10, 11] / generalized_gaussian(21, (2.0, 2.0), 0.0, 3.0)[10, 10]
        > 0.99
    )
    assert plateau(21, (2.0, 2.0), 0.0, 2.0)[10, 11] / plateau(21, (2.0, 2.0), 0.0, 2.0)[10, 10] == pytest.approx(
        1 / (1 + 1 / 16)
    )


def test_a_sinc_keeps_what_is_slow_takes_what_is_fast_and_rings():
    kernel = sinc(21, np.pi / 2)
    assert kernel.sum() == pytest.approx(1, abs=1e-6) and kernel.min() < 0
    response = np.abs(np.fft.fft2(np.fft.ifftshift(kernel)))
    assert response[0, 2] == pytest.approx(1, abs=0.1) and response[0, 9] < 0.1  # of 21: pi/2 is at 5.25
    edge = np.zeros((1, 32, 48, 3), np.float32)
    edge[:, :, 24:] = 1
    ringing = blur(edge, kernel)
    assert ringing.max() > 1.02 and ringing.min() < -0.02
    widest = sinc(21, np.pi)
    assert widest[10, 10] == widest.max()


def test_every_kernel_that_is_drawn_keeps_the_brightness():
    for seed in range(40):
        kernel = draw_kernel(RNG(seed), 11, (0.2, 3.0), 0.3)
        assert kernel.shape == (11, 11) and kernel.sum() == pytest.approx(1, abs=1e-5)
        assert np.isfinite(kernel).all()


@pytest.mark.parametrize(
    "compress", [lambda c, worse: jpeg(c, 20 if worse else 90), lambda c, worse: h264(c, 40 if worse else 12)]
)
def test_compression_loses_more_the_more_is_asked_of_it(compress):
    given = clip(5, 31, 47)
    good, bad = compress(given, False), compress(given, True)
    assert good.shape == bad.shape == given.shape and good.dtype == np.float32
    assert 0 < np.abs(good - given).mean() < np.abs(bad - given).mean()
    assert np.array_equal(compress(given, True), bad)


@pytest.mark.parametrize("seed", range(6))
def test_a_clip_becomes_smaller_and_worse_and_the_same_again_by_its_seed(seed):
    found = degrade(clip(), 2, RNG(seed))
    assert found.shape == (5, 16, 24, 3) and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1 and np.isfinite(found).all()
    assert np.array_equal(found, degrade(clip(), 2, RNG(seed)))
    small = np.stack([resize_cubic(frame, 16, 24) for frame in clip()])
    assert np.abs(found - small).mean() > 1e-3
    assert np.abs(found.mean() - small.mean()) < 0.15  # it is still the same clip


def test_seeds_differ():
    assert len({degrade(clip(), 2, RNG(seed)).tobytes() for seed in range(12)}) == 12


def test_both_orders_count():
    """Without the second one, and with the first one as gentle as it can be, less is lost."""
    still = Order(0.0, (0.2, 0.3), (1, 1), (0, 0), (0, 0), (0, 0), (95, 95))
    small = np.stack([resize_cubic(frame, 16, 24) for frame in clip()])

    def lost(**changes):
        drawn = Degradations(final_sinc=0.0, crf=(5, 6), **changes)
        return np.mean([np.abs(degrade(clip(), 2, RNG(seed), drawn) - small).mean() for seed in range(8)])

    none = lost(first=still, second=still)
    assert none < lost(first=still) < lost()
    assert none < lost(second=still) < lost()


def test_a_plain_clip_is_only_made_smaller():
    found = degrade(clip(), 2, RNG(0), Degradations(plain=1.0))
    assert np.array_equal(found, np.stack([resize_cubic(frame, 16, 24) for frame in clip()]).clip(0, 1))


def test_a_clip_that_is_too_small_is_refused():
    with pytest.raises(UserError, match="48x32 cannot be made 40 times smaller"):
        degrade(clip(), 40, RNG(0))


def test_bicubic_keeps_ramps_and_goes_through_its_points():
    ramp = np.linspace(0, 1, 16, dtype=np.float32)[None, :, None].repeat(8, 0)
    larger = resize_cubic(ramp, 8, 32)[0, 8:-8, 0]
    assert np.allclose(np.diff(larger), np.diff(larger)[0], atol=1e-6)
    assert np.array_equal(resize_cubic(ramp, 8, 16), ramp)
