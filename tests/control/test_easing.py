"""Easing curves: exact ends, the right shape, known values."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.camera.easing import EASING_NAMES, apply_easing
from comfyui_fulldit.control.errors import UserError

PROGRESS = np.linspace(0, 1, 401)


@pytest.mark.parametrize("kind", EASING_NAMES)
def test_ends_are_exact_and_progress_is_clipped_to_them(kind):
    assert apply_easing(0.0, kind) == 0 and apply_easing(1.0, kind) == 1
    assert apply_easing(np.array([-3.0, 7.0]), kind).tolist() == [0, 1]


@pytest.mark.parametrize("kind", EASING_NAMES)
def test_all_but_back_run_forward_without_jumps(kind):
    steps = np.diff(apply_easing(PROGRESS, kind))
    if "back" in kind:
        assert steps.min() < 0
    else:
        assert steps.min() >= 0
    assert np.abs(steps).max() < 0.08


@pytest.mark.parametrize("kind", [kind for kind in EASING_NAMES if kind.endswith("_in")])
def test_out_is_in_played_backwards_and_in_out_is_both(kind):
    values = apply_easing(PROGRESS, kind)
    assert apply_easing(PROGRESS, kind[:-2] + "out") == pytest.approx(1 - values[::-1], abs=1e-15)
    both = apply_easing(PROGRESS, kind + "_out")
    assert both[200] == pytest.approx(0.5)
    assert both[:201] == pytest.approx(values[::2] / 2)
    assert both[::-1] == pytest.approx(1 - both, abs=1e-12)
    assert values[100] < 0.25 < apply_easing(0.25, kind[:-2] + "out")


@pytest.mark.parametrize(
    ("kind", "at", "value"),
    [
        ("smooth", 0.25, 0.15625),
        ("in", 0.5, 0.25),
        ("out", 0.5, 0.75),
        ("smoother", 0.25, 0.103515625),
        ("sine_in", 0.5, 1 - np.sqrt(0.5)),
        ("quad_in", 0.3, 0.09),
        ("cubic_out", 0.5, 0.875),
        ("quart_in_out", 0.25, 0.03125),
        ("quint_in", 0.5, 0.03125),
        ("expo_in", 0.5, (2**-5 - 2**-10) / (1 - 2**-10)),
        ("circ_in", 0.6, 0.2),
        ("back_in", 0.5, 0.25 * (2.70158 * 0.5 - 1.70158)),
    ],
)
def test_curves_have_their_known_values(kind, at, value):
    assert apply_easing(at, kind) == pytest.approx(value, abs=1e-14)


def test_back_overshoots_by_a_tenth():
    assert apply_easing(PROGRESS, "back_in").min() == pytest.approx(-0.1, abs=1e-4)
    assert apply_easing(PROGRESS, "back_out").max() == pytest.approx(1.1, abs=1e-4)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="'bouncy' is unknown.*smooth, linear"):
        apply_easing(0.5, "bouncy")
