"""The judge on clips of which the answer is known, with networks that are replaced where their answer matters."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.conditions import CameraCondition, Conditions, IdentityCondition, VideoSize
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.control.images import resize_clip
from comfyui_fulldit.evaluation.held_out_scenes import held_out_scenes
from comfyui_fulldit.models.estimators.estimators_file import Estimators
from comfyui_fulldit.models.estimators.judge import METRICS, Judge, identities_of
from comfyui_fulldit.scenes import HELD_OUT_SEED


def test_held_out_scenes_are_held_out_and_say_nothing_of_their_conditions(scenes):
    assert [scene.seed for scene in scenes] == [HELD_OUT_SEED, HELD_OUT_SEED + 1]
    for scene in scenes:
        assert scene.conditions.names == ("camera", "identity", "depth")
        scene.conditions.validate()
        assert str(scene.conditions.video) == "5 frames of 96x64"
        words = scene.prompt.lower().replace(".", " ").replace(",", " ").split()
        assert not {"red", "green", "blue", "yellow", "left", "right", "camera"} & set(words)


def test_every_figure_is_measured_on_the_truth(judge):
    (scene,) = held_out_scenes(1, 5, 64, 96, names=("camera", "identity", "depth", "known", "control"))
    found = judge.measure(scene.frames, scene.conditions)
    assert found.values["known_psnr"] == 100, "the truth is what is known"
    assert set(judge.agreement(scene.frames, scene.conditions.only(["known"]))) == {"known_psnr"}
    larger = resize_clip(scene.frames, 128, 192)
    assert 25 < judge.measure(larger, scene.conditions).values["known_psnr"] < 100
    assert set(found.values) == set(METRICS)
    measured = {name: value for name, value in found.values.items() if value is not None}
    missing = {name for name in set(METRICS) - set(measured) if not name.startswith("own_error_")}
    assert missing == {"sound_match"}, "not every kind of control video is in a clip, and no sound in world 2"
    assert all(np.isfinite(value) for value in measured.values())
    assert found.failed == []


def test_what_is_not_asked_is_not_measured(judge, scenes):
    found = judge.measure(scenes[0].frames, Conditions(VideoSize(5, 64, 96))).values
    assert {name for name, value in found.items() if value is not None} == {"smoothness", "dynamic_degree"}
    assert judge.agreement(scenes[0].frames, Conditions(VideoSize(5, 64, 96))) == {}
    assert set(judge.agreement(scenes[0].frames, scenes[0].conditions.only(["depth"]))) == {"depth_mae"}


def test_only_what_is_wanted_is_estimated_and_the_figures_are_the_same(judge, scenes, monkeypatch):
    one, asked = scenes[1], ("depth_mae", "mask_iou")
    everything = judge.measure(one.frames, one.conditions).values

    def fail(*args):
        raise AssertionError("nobody asked for it")

    for name in ("camera_path", "likeness"):
        monkeypatch.setattr(judge, name, fail)
    found = judge.measure(one.frames, one.conditions, asked).values
    assert found == {name: everything[name] for name in asked}


def test_accuracy_of_a_single_identity_is_one_look_and_not_told(judge, scenes):
    one, two = scenes
    assert [len(identities_of(scene.conditions)) for scene in scenes] == [1, 2]
    assert set(judge.agreement(one.frames, one.conditions.only(["identity"]))) == {"mask_iou"}
    assert set(judge.agreement(two.frames, two.conditions.only(["identity"]))) == {"mask_iou", "identity_accuracy"}
    assert judge.measure(one.frames, one.conditions).values["identity_accuracy"] is not None, "for the mean of many"
    (known, other) = two.conditions.get(IdentityCondition).identities
    half = replace(two.conditions.get(IdentityCondition), identities=(known, replace(other, mask_video=None)))
    conditions = Conditions(two.conditions.video, (half,))
    assert set(judge.agreement(two.frames, conditions)) == {"mask_iou"}, "one that is looked at"


def test_a_failed_estimate_is_a_static_camera_and_is_counted(judge, scenes):
    asked = scenes[1].conditions
    gray = np.full_like(scenes[1].frames, 0.5)
    found = judge.measure(gray, asked)
    moved = np.linalg.norm(asked.get(CameraCondition).trajectory.relative().c2w[:, :, 3], axis=-1).sum()
    assert "camera" in found.failed
    assert found.values["trans_err"] == pytest.approx(moved)
    broken = gray.copy()
    broken[0, 0, 0] = np.nan
    found = judge.measure(broken, asked)
    assert "camera" in found.failed and all(np.isfinite(v) for v in found.values.values() if v is not None)


class Eyes(torch.nn.Module):
    """Sees the mean color of a crop: enough to tell saturated things apart."""

    def forward(self, crops):
        return torch.nn.functional.normalize(crops.mean((2, 3)) - 0.5, dim=1)


def test_identities_are_told_apart_and_found_exchanged():
    from comfyui_fulldit.control.identity.slots import Identity

    estimators = Estimators()
    estimators.identity = Eyes()
    judge = Judge(estimators, _others=torch.zeros(7, 3))
    red, blue = np.zeros((64, 96, 3), np.float32), np.zeros((64, 96, 3), np.float32)
    red[..., 0], blue[..., 2] = 1, 1
    left, right = np.zeros((5, 64, 96), np.float32), np.zeros((5, 64, 96), np.float32)
    left[:, 20:40, 10:30], right[:, 20:40, 60:80] = 1, 1
    identities = (Identity("red", (red,), mask_video=left), Identity("blue", (blue,), mask_video=right))
    clip = np.full((5, 64, 96, 3), 0.5, np.float32)
    clip[left > 0], clip[right > 0] = (1, 0, 0), (0, 0, 1)
    exchanged = clip[:, :, ::-1]
    first, second = judge.likeness(clip, identities)
    assert first.argmax() == 0 and second.argmax() == 1
    assert judge.swapped(clip, identities) is False
    mirrored = np.full_like(clip, 0.5)
    mirrored[left > 0], mirrored[right > 0] = (0, 0, 1), (1, 0, 0)
    assert judge.swapped(mirrored, identities) is True
    assert exchanged.shape == clip.shape


def test_large_images_and_clips_are_taken(judge, scenes):
    scene = scenes[0]
    large = scene.frames.repeat(2, 1).repeat(2, 2)
    conditions = replace(scene.conditions, video=VideoSize(5, 128, 192)).fitted(Fit())
    found = judge.measure(large, conditions).values
    near = judge.measure(scene.frames, scene.conditions).values
    assert found["mask_iou"] == pytest.approx(near["mask_iou"], abs=0.05)


def test_fits_only_what_it_knows(monkeypatch, tmp_path):
    monkeypatch.setattr(Judge, "path", staticmethod(lambda: tmp_path / "absent.safetensors"))
    assert not Judge.fits(17, 64, 96)
    (tmp_path / "absent.safetensors").write_bytes(b"x")
    assert Judge.fits(17, 64, 96) and Judge.fits(25, 96, 160)
    assert not Judge.fits(1, 64, 96) and not Judge.fits(17, 128, 32)


@pytest.mark.skipif(not Judge.path().exists(), reason="the estimators are not in this checkout")
def test_the_shipped_estimators_know_the_truth_from_another_scene():
    """Small and sharp enough; depth and the way of the camera are the weakest."""
    assert Judge.path().stat().st_size <= 8.5e6
    judge = Judge.load()
    floor, mismatch = judge.estimators.about["floor"], judge.estimators.about["mismatch"]
    for metric, share in (("rot_err", 0.25), ("trans_err", 0.35), ("cam_mc", 0.25), ("depth_mae", 0.4)):
        assert floor[metric] <= share * mismatch[metric]
    assert floor["identity_accuracy"] > 0.9 and mismatch["identity_accuracy"] < 0.25
    assert floor["mask_iou"] > 0.8 and mismatch["mask_iou"] < 0.25


@pytest.mark.skipif(not Judge.path().exists(), reason="the estimators are not in this checkout")
def test_the_shipped_estimators_tell_two_scenes_apart(scenes):
    judge = Judge.load()
    right = judge.measure(scenes[0].frames, scenes[0].conditions).values
    wrong = judge.measure(scenes[1].frames, scenes[0].conditions).values
    assert right["mask_iou"] > wrong["mask_iou"] + 0.3
    assert right["depth_mae"] < wrong["depth_mae"]
    assert right["identity_accuracy"] == 1
