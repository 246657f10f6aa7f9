"""The bundle of controls: subsets, what does not fit the video, what is remarked."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from comfyui_fulldit.control.bundle import CONDITIONS, Controls
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.depth import DepthClip
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity import Identity

IMAGE = np.full((8, 8, 3), 0.4, np.float32)
SIZE = (17, 32, 48)


def cup(name="cup", frames=17, height=32, width=48) -> Identity:
    track = np.zeros((frames, height, width), np.float32)
    track[:, 8:24, 8:24] = 1
    return Identity(name, (IMAGE,), track=track)


def ramp(frames=17, height=32, width=48) -> DepthClip:
    return DepthClip(np.broadcast_to(np.linspace(0, 1, width), (frames, height, width)))


def everything() -> Controls:
    return Controls(camera=preset("pan_left"), identities=(cup(),), depth=ramp())


def test_present_and_only():
    controls = everything()
    assert controls.present() == CONDITIONS and Controls().present() == ()
    for name in CONDITIONS:
        assert controls.only([name]).present() == (name,)
    assert controls.only("depth").present() == ("depth",)
    assert controls.only(("depth", "camera")).present() == ("camera", "depth")
    assert controls.only([]).present() == ()
    with pytest.raises(UserError, match="'audio' is unknown: choose among camera, identity, depth"):
        controls.only(["audio"])


def test_what_fits_is_taken():
    everything().validate(*SIZE)
    Controls().validate(1, 16, 16)
    Controls(identities=(Identity("free", (IMAGE,)),)).validate(*SIZE)


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((16, 32, 48), "take 13 or 17"),
        ((0, 32, 48), "take 1 or 5"),
        ((-4, 32, 48), "expected"),
        ((17, 33, 48), "take 32"),
        ((17, 32, 0), "width is 0"),
        ((17, 8, 48), "take 16"),
    ],
)
def test_sizes_that_the_vae_cannot_pack(size, says):
    with pytest.raises(UserError, match=says):
        Controls().validate(*size)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"camera": preset("pan_left", frames=9)}, "camera path has 9 frames, the video 17"),
        ({"camera": np.eye(4)}, "CameraTrajectory was expected"),
        ({"depth": ramp(frames=13)}, "depth clip has 13 frames"),
        ({"depth": ramp(height=64)}, "64x48"),
        ({"depth": np.zeros(SIZE)}, "normalize it first"),
        ({"identities": (cup(frames=5),)}, "'cup' has 5 frames"),
        ({"identities": (cup(width=32),)}, "32x32"),
        ({"identities": tuple(cup(str(k)) for k in range(4))}, "3 slots: leave 1 out"),
        ({"identities": (cup(), cup())}, "same name"),
        ({"camera_strength": 9}, "strength 9"),
        ({"depth_range": (0.5, 0.5)}, "The depth holds from 0.5 to 0.5"),
        ({"camera_range": (-1, 1)}, "The camera holds from -1"),
    ],
)
def test_what_does_not_fit_is_refused(changes, says):
    with pytest.raises(UserError, match=says):
        dataclasses.replace(everything(), **changes).validate(*SIZE)


def test_fitted_makes_other_lengths_and_sizes_fit():
    controls = Controls(
        camera=preset("truck_right", frames=33, amount=1),
        identities=(cup(frames=40, height=64, width=96), Identity("free", (IMAGE,))),
        depth=ramp(frames=3, height=16),
    )
    fitted = controls.fitted(*SIZE)
    fitted.validate(*SIZE)
    assert fitted.camera.c2w[-1, 0, 3] == pytest.approx(1)
    assert controls.resized(32, 48).identities[0].track.shape == (40, 32, 48)
    assert fitted.identities[1].track is None


def test_remarks():
    assert everything().warnings() == []
    assert "prompt alone" in Controls().warnings()[0]
    odd = Controls(
        camera=preset("truck_left", amount=4), depth=DepthClip(ramp().values, {"unknown": 0.3}), depth_strength=0
    )
    text = " ".join(odd.warnings())
    assert "moves 4.0 times the median depth" in text and "30% of the depth clip" in text and "does nothing" in text
    assert "turns by 120 degrees" in " ".join(Controls(camera=preset("pan_left", amount=120)).warnings())
    unknown = preset("truck_left").replace(unit="an unknown")
    assert "an unknown unit" in " ".join(Controls(camera=unknown).warnings())
