"""Camera nodes against core's own: the same numbers where core has a node, and core's models driven by our paths."""

from __future__ import annotations

import importlib
import json
import shutil

import numpy as np
import pytest
import torch

from .conftest import PACK, ROOT
from .test_api import node

pytestmark = pytest.mark.comfyui

WAN_FILE = "tiny_fun_camera.safetensors"


def module(name: str):
    """A module of the pack as the host loaded it."""
    return importlib.import_module(f"{PACK}.{name}")


@pytest.mark.parametrize("pose", ["Static", "Pan Right", "Pan Up", "Zoom In", "ClockWise (CW)"])
def test_plucker_is_cores_own_where_core_has_the_movement(host, pose):
    """Core's preset as a path of ours gives core's embedding: order, packing, pixel centers and lens agree."""
    from comfy_extras import nodes_camera_trajectory as core

    width, height, length, focal = 96, 64, 9, 0.5
    high = focal * 1280 / 720  # core counts in an image of 1280x720: with these two its pixels are square
    expected = core.WanCameraEmbedding.execute(pose, width, height, length, speed=1.3, fx=focal, fy=high).args[0]
    preset = core.CAMERA_DICT[pose]
    poses = core.get_camera_motion(np.array(preset["angle"]), np.array(preset["T"]), 1.3, length)
    path = module("control.camera").CameraTrajectory(poses, np.array([focal, high, 0.5, 0.5]))
    embedding = module("nodes.sockets.cameras").to_wan_embedding(path, width, height, length)
    assert embedding.shape == expected.shape == (1, 24, 3, height, width)
    assert (embedding - expected).abs().max() < 1e-5


def test_camera_estimation_shows_progress_and_can_be_canceled(host, monkeypatch):
    """Camera from Video in core's own machinery: its bar is fed, and a canceled prompt ends it."""
    import comfy.model_management as management
    import comfy.utils

    steps = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *_, **__: steps.append((value, total)))
    rendered = module("scenes").render([5], 4, 96, 144)
    clip = rendered.video[0].permute(1, 2, 3, 0).contiguous()
    finder = module("nodes.camera_video").FullDiTCameraFromVideo
    camera, report = finder.execute(clip, fps=8.0, fov=0.0).args
    assert camera.frames == 4 and "Scale" in report
    assert steps and steps[-1][0] <= steps[-1][1]
    management.interrupt_current_processing(True)
    try:
        with pytest.raises(management.InterruptProcessingException):
            finder.execute(clip, fps=8.0, fov=0.0)
    finally:
        management.interrupt_current_processing(False)


def test_a_chain_of_camera_nodes_through_the_server(server):
    """Preset, a second one appended and shaken, saved, loaded again, previewed with the model it goes beyond."""
    preset = {"frames": 9, "fps": 8.0, "ease": "smooth"}
    chain = {
        "one": node("FullDiTCameraPreset", **{"movement": "pan_right", "movement.amount": 50.0}, **preset),
        "two": node(
            "FullDiTCameraPreset",
            **{"movement": "combination", "movement.text": "dolly_in:0.3@0-0.5 + pan_right:40@0.5-1"},
            **preset,
        ),
        "join": node(
            "FullDiTTransformCamera",
            camera=["one", 0],
            **{"operation": "append", "operation.second": ["two", 0], "operation.continuous": True},
        ),
        "shake": node(
            "FullDiTTransformCamera",
            camera=["join", 0],
            **{
                "operation": "shake",
                "operation.degrees": 0.5,
                "operation.distance": 0.01,
                "operation.take": 3,
                "operation.hertz": 1.0,
            },
        ),
        "save": node("FullDiTSaveCamera", camera=["shake", 0], format="fulldit", filename_prefix="cam/chain"),
        "load": node("FullDiTLoad", checkpoint="embedded", vae="embedded"),
        "look": node("FullDiTCameraPreview", camera=["shake", 0], layout="sheet", height=256, model=["load", 0]),
        "text": node("PreviewAny", source=["look", 3]),
        **{name: node("PreviewImage", images=["look", at]) for at, name in enumerate(("path", "curves", "rays"))},
    }
    history = server.wait(server.queue(chain))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    report = history["outputs"]["look"]["text"][0]
    assert "17 frames" in report and "pans to the right by 90 degrees; the model was trained on at most" in report
    assert history["outputs"]["text"]["text"] == [report]
    said = history["outputs"]["save"]["text"][0]
    assert said.startswith("17 frames in output/cam/chain_00001_.json"), said
    for name in ("path", "curves", "rays"):
        assert len(history["outputs"][name]["images"]) == 1

    shutil.copy(server.output / "cam" / "chain_00001_.json", server.folder / "input" / "chain.json")
    again = {
        "file": node("FullDiTLoadCamera", file="chain.json", frames=0, scale=1.0),
        "look": node("FullDiTCameraPreview", camera=["file", 0], layout="frames", height=128),
        "seen": node("PreviewImage", images=["look", 0]),
    }
    history = server.wait(server.queue(again))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    assert len(history["outputs"]["seen"]["images"]) == 17
    # The same way, in other words: only the lines about the model are missing.
    assert report.startswith(history["outputs"]["look"]["text"][0])


@pytest.fixture(scope="module")
def wan_files(server, host):
    """What core's Wan nodes load: a tiny network of core's Wan Fun Camera class with random weights, our VAE, and a
    first image."""
    import comfy.ops
    from comfy.ldm.wan.model import CameraWanModel
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = CameraWanModel(
        model_type="camera",
        in_dim=32,
        dim=128,
        ffn_dim=256,
        text_dim=128,
        num_heads=1,
        num_layers=2,
        operations=comfy.ops.manual_cast,
        device="cpu",
        dtype=torch.float32,
    )
    weights = {name: torch.randn(value.shape) * 0.08 for name, value in network.state_dict().items()}
    about = {"config": json.dumps({"transformer": {"text_dim": 128}})}
    save_file(weights, server.models / "diffusion_models" / WAN_FILE, about)
    vae = ROOT / "checkpoints" / "fulldit_mini_vae.safetensors"
    shutil.copy(vae, server.models / "vae" / "wan_2.1_vae.safetensors")
    shutil.copy(ROOT / "assets" / "reference.png", server.folder / "input" / "example.png")


def test_cores_wan_fun_camera_node_follows_a_path(server, wan_files):
    """Camera to Plücker says the size for both nodes. Another path gives another video."""
    state = {"format": "fulldit-camera", "version": 1, "ease": "smooth", "turns": "fluid"}
    keys = [{"time": time, "position": [0.5 * time, 0, 0], "target": [0, 0, 1], "fov": 50} for time in (0, 1)]
    size = {name: ["rays", at] for at, name in enumerate(("width", "height", "length"), start=1)}
    prompt = {
        "own": node("FullDiTLoad", checkpoint="embedded", vae="embedded"),
        "unet": node("UNETLoader", unet_name=WAN_FILE, weight_dtype="default"),
        "vae": node("VAELoader", vae_name="wan_2.1_vae.safetensors"),
        "model": node("ModelSamplingSD3", model=["unet", 0], shift=8.0),
        "first": node("LoadImage", image="example.png"),
        "text": node("CLIPTextEncode", clip=["own", 1], text="a village"),
        "path": node("FullDiTCameraPath", path="", frames=17, fps=8.0, aspect=1.5),
        "rays": node("FullDiTCameraToPlucker", camera=["path", 0], width=96, height=64, length=17, scale=1.0),
        "video": node(
            "WanCameraImageToVideo",
            positive=["text", 0],
            negative=["text", 0],
            vae=["vae", 0],
            start_image=["first", 0],
            camera_conditions=["rays", 0],
            batch_size=1,
            **size,
        ),
        "sample": node(
            "KSampler",
            model=["model", 0],
            positive=["video", 0],
            negative=["video", 1],
            latent_image=["video", 2],
            seed=7,
            steps=3,
            cfg=6.0,
            sampler_name="uni_pc",
            scheduler="simple",
            denoise=1.0,
        ),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["vae", 0]),
        "seen": node("SaveImage", images=["decode", 0], filename_prefix="wan_fun"),
    }

    def video(move: float) -> np.ndarray:
        keys[-1]["position"] = [move, -move / 2, 0.1]
        prompt["path"]["inputs"]["path"] = json.dumps({**state, "keys": keys})
        history = server.wait(server.queue(prompt))
        assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
        from PIL import Image

        files = [server.output / one["subfolder"] / one["filename"] for one in history["outputs"]["seen"]["images"]]
        return np.stack([np.asarray(Image.open(file)) for file in files]) / 255

    first, other = video(0.34), video(-0.9)
    assert first.shape == (17, 64, 96, 3)
    # The first frames stand at the same place; the later ones do not.
    assert np.abs(first[-1] - other[-1]).mean() > 2 * np.abs(first[0] - other[0]).mean()
    assert np.abs(first[-1] - other[-1]).mean() > 0.005


def test_the_converters_work_with_cores_own_nodes(server):
    """Core's camera_info and embedding come in, its tracks go out and are drawn, and a list of views has a camera per
    frame."""
    orbit = {
        "mode": "orbit",
        "mode.pitch": 10.0,
        "mode.distance": 4.0,
        "target_x": 0.0,
        "target_y": 0.0,
        "target_z": 0.0,
        "roll": 0.0,
        "fov": 40.0,
        "zoom": 1.0,
        "camera_type": "perspective",
    }
    prompt = {
        "left": node("CreateCameraInfo", **orbit, **{"mode.yaw": -20.0}),
        "right": node("CreateCameraInfo", **orbit, **{"mode.yaw": 20.0}),
        "views": node(
            "FullDiTCameraFromLoad3D",
            **{"views.view0": ["left", 0], "views.view1": ["right", 0]},
            frames=9,
            fps=8.0,
            ease="linear",
            aspect=1.5,
        ),
        "way": node("FullDiTCameraPreview", camera=["views", 0], layout="sheet", height=128),
        "back": node("FullDiTCameraToLoad3D", camera=["views", 0], start=["left", 0], scale=1.0),
        "each": node("PreviewAny", source=["back", 0]),
        "tracks": node(
            "FullDiTCameraToTracks", camera=["views", 0], width=96, height=64, length=9, columns=4, rows=3, depth=1.0
        ),
        "paper": node("EmptyImage", width=96, height=64, batch_size=9, color=0),
        "drawn": node(
            "WanMoveVisualizeTracks",
            images=["paper", 0],
            tracks=["tracks", 0],
            line_resolution=24,
            circle_size=2,
            opacity=1.0,
            line_width=2,
        ),
        "seen": node("PreviewImage", images=["drawn", 0]),
        "core": node("WanCameraEmbedding", camera_pose="Pan Right", width=96, height=64, length=17, speed=1.0),
        "inside": node("FullDiTCameraFromPlucker", camera_embedding=["core", 0], fps=8.0),
        "told": node("FullDiTCameraPreview", camera=["inside", 0], layout="sheet", height=128),
        "rows": node("FullDiTCameraToPoses", camera=["views", 0], frames=5, scale=1.0),
        "again": node("FullDiTCameraFromPoses", poses=["rows", 0], fps=8.0),
        "short": node("FullDiTCameraPreview", camera=["again", 0], layout="sheet", height=128),
    }
    history = server.wait(server.queue(prompt))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    said = {name: "\n".join(out.get("text", [])) for name, out in history["outputs"].items()}
    # A chord of 40 degrees at the distance 1, level but for the pitch of 10 degrees.
    chord = 2 * np.sin(np.radians(20)) * np.cos(np.radians(10))
    assert f"travels {chord:.3g}," in said["way"] and "9 frames" in said["way"]
    assert said["each"].count("position") == 9 and said["each"].count('"perspective"') == 9
    assert len(history["outputs"]["seen"]["images"]) == 9
    # Core's ramp ends one step before its end: 16/17 of 1.5 units, sideways, and it calls that a pan.
    assert f"travels {1.5 * 16 / 17:.3g}," in said["told"] and "turns by up to 0 degrees" in said["told"]
    assert "5 frames" in said["short"]


def test_cores_renderer_sees_a_point_where_our_camera_projects_it(host):
    """One small splat, rendered by core's Render Splat with the cameras of Camera to 3D Views."""
    splats = pytest.importorskip("comfy_extras.nodes_gaussian_splat")
    trajectory = module("control.camera.trajectory")
    path = module("control.camera.sequence").sequence("arc_right:30 + roll_cw:20 + zoom_in:1.5@0.5-1", frames=5)
    views = module("nodes.camera_to").FullDiTCameraToLoad3D.execute(camera=path).args[0]
    point, width, height = np.array([[0.06, -0.04, 1.1]]), 144, 96
    expected = trajectory.project(point, path.w2c(), path.intrinsics)[:, 0] * (width, height)
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    for view, spot in zip(views, expected, strict=True):
        _, cover = splats._render_gaussian(
            point, [[1.0, 1.0, 1.0]], [0.99], [[0.02] * 3], [[1.0, 0, 0, 0]], width, height, 1.0, (0.0, 0.0, 0.0), view
        )
        cover = cover.float()
        found = [float((cover * places).sum() / cover.sum()) for places in (columns, rows)]
        assert found == pytest.approx(spot.tolist(), abs=0.6)
