"""The estimators' parts: composition of steps, crops, files, and a training that resumes."""

import json

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.estimators.camera import CameraNet, camera_input, compose, rotation_matrix
from comfyui_fulldit.models.estimators.estimators_file import Estimators, load_estimators, save_estimators
from comfyui_fulldit.models.estimators.identity import crop, on_gray
from comfyui_fulldit.models.estimators.motion import dis_flow


def test_rotation_matrix_is_right_handed_and_safe_at_zero():
    quarter = rotation_matrix(torch.tensor([[0.0, 0.0, np.pi / 2], [0.0, 0.0, 0.0]], dtype=torch.float64))
    assert torch.allclose(quarter[0] @ torch.tensor([1.0, 0, 0]).double(), torch.tensor([0, 1.0, 0]).double())
    assert torch.allclose(quarter[1], torch.eye(3).double())


def test_each_step_is_in_the_axes_of_the_frame_before():
    """Forward one, turn right by 90 degrees, forward one: x right, z forward."""
    steps = torch.tensor([[[0, np.pi / 2, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1]]])
    poses = compose(steps)
    assert torch.allclose(poses[0, 1, :, 3], torch.tensor([0.0, 0.0, 1.0]))
    assert torch.allclose(poses[0, 2, :, 3], torch.tensor([1.0, 0.0, 1.0]), atol=1e-6)


def test_a_mirrored_world_gives_mirrored_poses():
    """The formula by which training mirrors its clips, against mirrored steps."""
    steps = torch.randn(1, 4, 6) * 0.3
    mirror = torch.tensor([-1.0, 1, 1])
    mirrored = compose(steps * torch.tensor([1.0, -1, -1, -1, 1, 1]))
    assert torch.allclose(mirrored, compose(steps) * mirror[:, None] * torch.cat([mirror, torch.ones(1)]), atol=1e-6)


def test_crop_is_the_stretched_box_and_hides_the_outline():
    image = torch.zeros(1, 3, 64, 96)
    image[:, 0, 20:30, 40:60] = 1
    box, disc = torch.zeros(2, 1, 64, 96)
    box[:, 20:30, 40:60] = 1
    y, x = torch.meshgrid(torch.arange(64) - 24.5, torch.arange(96) - 49.5, indexing="ij")
    disc[0] = ((y / 5) ** 2 + (x / 10) ** 2 <= 1).float()
    cut = crop(image, box)
    assert cut.shape == (1, 3, 48, 48)
    assert torch.allclose(cut[0, :, 24, 24], torch.tensor([1.0, 0, 0]), atol=1e-4)
    assert cut[0, 0].mean() > 0.8 and cut[0, 1:].abs().max() < 1e-4
    assert torch.allclose(cut, crop(image, disc))
    assert torch.allclose(on_gray(image, box)[0, :, 0, 0], torch.full((3,), 0.5))
    assert torch.isfinite(crop(image, torch.zeros_like(box))).all()


def test_flow_is_measured_in_pixels_and_scaled_to_the_width():
    generator = np.random.default_rng(0)
    coarse = torch.from_numpy(generator.random((1, 3, 12, 18))).float()
    wide = torch.nn.functional.interpolate(coarse, (64, 108), mode="bicubic")[0].clamp(0, 1).permute(1, 2, 0).numpy()
    frames = np.stack([wide[:, 6 - 2 * k : 102 - 2 * k] for k in range(3)])  # moves right by 2 pixels a frame
    flow = dis_flow(frames)
    assert flow.shape == (2, 64, 96, 2)
    assert np.median(flow[..., 0]) == pytest.approx(2, abs=0.2) and abs(np.median(flow[..., 1])) < 0.2
    images, small = camera_input(frames)
    assert images.shape == (3, 3, 32, 48) and small[:, 0].median() == pytest.approx(2 / 96, abs=0.003)


def test_a_file_of_estimators_comes_back_in_half_precision(tmp_path):
    torch.manual_seed(0)
    written = Estimators(about={"steps": 3})
    path = save_estimators(tmp_path / "e.safetensors", written)
    read = load_estimators(path)
    assert read.about == {"steps": 3}
    image = torch.rand(1, 3, 64, 96)
    expected = written.perception.eval()(image).disparity
    assert torch.allclose(read.perception(image).disparity, expected, atol=1e-2)
    assert path.stat().st_size <= 8.5 * 2**20


def test_a_cut_or_missing_file_of_estimators_is_refused(tmp_path):
    path = save_estimators(tmp_path / "e.safetensors", Estimators())
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="cut short"):
        load_estimators(path)
    with pytest.raises(UserError, match="does not exist"):
        load_estimators(tmp_path / "none.safetensors")


def test_the_camera_network_takes_clips_of_any_length():
    net = CameraNet().eval()
    for frames in (2, 9):
        images, stills = torch.rand(1, frames, 3, 32, 48), torch.rand(1, min(frames, 5), 32, 48)
        steps = net(images, torch.zeros(1, frames - 1, 2, 32, 48), stills, torch.ones(1))
        assert steps.shape == (1, frames - 1, 6)


def test_a_training_that_is_stopped_resumes_to_the_same_weights(tmp_path, monkeypatch):
    from comfyui_fulldit.training.common.settings import config_path
    from comfyui_fulldit.training.estimators import train_estimators as estimators

    torch.set_num_threads(1)
    values = json.loads(config_path("estimators", "debug").read_text())
    values.update(order=["identity"], precision="fp32", save_seconds=0)
    values["stages"]["identity"].update(steps=4, minutes=1e6)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(values))

    def weights(folder):
        return load_estimators(estimators.train_estimators(config, tmp_path / folder)).identity.state_dict()

    whole = weights("whole")
    real, calls = estimators.LOSSES["identity"], []

    def stopped(*given):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setitem(estimators.LOSSES, "identity", stopped)
    with pytest.raises(KeyboardInterrupt):
        weights("stopped")
    assert not list((tmp_path / "stopped").glob("fulldit*"))
    resumed = weights("stopped")
    assert len(calls) == 3 + 2
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    lines = [json.loads(line) for line in (tmp_path / "stopped" / "identity.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
