"""What a clip lacks is estimated: camera, depth, masks by estimators, captions by a server that a test runs."""

from __future__ import annotations

import base64
import json
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera.rotations import angle_between
from comfyui_fulldit.control.camera.trajectory import UNIT, CameraTrajectory, invert
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.media import write_video
from comfyui_fulldit.dataset.annotate.annotate_work import AnnotateWork
from comfyui_fulldit.dataset.annotate.camera import median_depth_by_video
from comfyui_fulldit.dataset.annotate.captions import PARTS, caption_clip, parse_caption
from comfyui_fulldit.dataset.annotate.depth import open_depth_estimator
from comfyui_fulldit.dataset.annotate.endpoint import Endpoint
from comfyui_fulldit.dataset.annotate.local_model import open_local_model
from comfyui_fulldit.dataset.clip_files import ClipFiles
from comfyui_fulldit.dataset.engine import run
from comfyui_fulldit.dataset.manifest import Clip, read_manifest, write_manifest
from comfyui_fulldit.scenes import WorldOptions, render

CAPTION = {name: f"About the {name}." for name in PARTS}
FRAMES = [np.full((6, 8, 3), value, np.float32) for value in (0.0, 0.5, 1.0)]


class Server:
    """An endpoint with OpenAI's interface on this machine, which gives prepared answers and keeps what it was asked."""

    def __init__(self, *answers):
        self.asked, self.headers = [], []
        waiting = list(answers)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                server.headers.append((self.path, self.headers.get("Authorization")))
                answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                status = answer if isinstance(answer, int) else 200
                body = json.dumps({"choices": [{"message": {"content": answer}}]} if status == 200 else {}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.endpoint = Endpoint(f"http://127.0.0.1:{self.server.server_port}/v1", "some-vlm", pause=0.01)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


def test_captions_come_from_a_server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with Server(503, f"Here it is:\n```json\n{json.dumps(CAPTION)}\n```") as server:
        caption = caption_clip(server.endpoint, FRAMES, 1.5)
    assert caption == {**CAPTION, "full": CAPTION["dense_caption"], "plain": CAPTION["short_caption"]}
    assert server.headers == [("/v1/chat/completions", "Bearer secret")] * 2  # busy once
    content = server.asked[-1]["messages"][0]["content"]
    assert server.asked[-1]["model"] == "some-vlm" and [part["type"] for part in content] == ["image_url"] * 3 + [
        "text"
    ]
    image = base64.b64decode(content[1]["image_url"]["url"].partition("base64,")[2])
    assert abs(int(cv2.imdecode(np.frombuffer(image, np.uint8), -1)[3, 4, 0]) - 128) < 3
    assert all(name in content[-1]["text"] for name in PARTS) and "1.5 seconds" in content[-1]["text"]


def test_an_answer_that_cannot_be_used_is_asked_for_again():
    without = {name: text for name, text in CAPTION.items() if name != "style_caption"}
    with Server("I cannot.", json.dumps(without), json.dumps(CAPTION)) as server:
        assert caption_clip(server.endpoint, FRAMES, 1.0)["style_caption"]
    prompts = [asked["messages"][0]["content"][-1]["text"] for asked in server.asked]
    assert "could not be used" not in prompts[0] and "'style_caption'" in prompts[2] and len(prompts) == 3
    with Server("no") as server, pytest.raises(UserError, match="in 3 attempts.*JSON object was expected"):
        caption_clip(server.endpoint, FRAMES, 1.0)
    with Server(404) as server, pytest.raises(UserError, match="no answer .404"):
        caption_clip(server.endpoint, FRAMES, 1.0)
    assert len(server.asked) == 1  # not busy, but wrong
    with pytest.raises(UserError, match="no answer"):
        replace(server.endpoint, attempts=2)(FRAMES, "x")  # it is gone


@pytest.mark.parametrize("answer", ["", "[1]", '{"short_caption": 3}', '{"short_caption": " "}', "{" * 3])
def test_what_is_no_caption_is_said(answer):
    with pytest.raises(UserError):
        parse_caption(answer)


def test_a_model_of_transformers_captions_too(monkeypatch):
    seen = {}

    def run_model(text, **options):
        seen["content"] = text[0]["content"]
        return [{"generated_text": json.dumps(CAPTION)}]

    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(pipeline=lambda task, model, device: run_model))
    pytest.importorskip("PIL")
    caption = caption_clip(open_local_model("some/folder"), FRAMES, 1.0)
    assert caption["full"] == CAPTION["dense_caption"]
    assert [part["type"] for part in seen["content"]] == ["image"] * 3 + ["text"]
    assert seen["content"][0]["image"].size == (8, 6)


# ---- geometry --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene():
    """A scene with two objects, in which the camera moves sideways."""
    return render([3], 17, 64, 96, options=WorldOptions(cameras=("truck",), objects=(1, 1)))


@pytest.fixture(scope="module")
def annotated(scene, tmp_path_factory):
    folder = tmp_path_factory.mktemp("annotated")
    write_video(folder / "a.mp4", scene.video[0].permute(1, 2, 3, 0).numpy(), scene.fps)
    write_video(folder / "short.mp4", np.zeros((1, 32, 48, 3), np.float32), 8)
    clips = [Clip("a", "a.mp4", license="x"), Clip("b", "gone.mp4", license="x"), Clip("c", "short.mp4", license="x")]
    write_manifest(folder / "manifest.jsonl", clips)
    with Server(json.dumps(CAPTION)) as server:
        work = AnnotateWork("sift", "small", "small", server.endpoint, doubtful=1)
        summary = run(read_manifest(folder / "manifest.jsonl"), work, "annotated")
    assert (summary.done, summary.failed) == (2, 1)
    return folder, read_manifest(folder / "annotated.jsonl")


def test_what_is_estimated_is_near_what_was_rendered(scene, annotated):
    folder, manifest = annotated
    files = ClipFiles(manifest.clips[0], folder)
    truth = scene.trajectory(0)
    path = files.camera()
    assert path.unit == UNIT and np.degrees(angle_between(path.c2w[:, :, :3], truth.c2w[:, :, :3])).max() < 3
    values, kind = files.depth()
    assert kind == "disparity"
    true = 1 / np.stack([cv2.resize(frame, values.shape[:0:-1]) for frame in scene.depth[0].numpy()])
    assert np.corrcoef(values.ravel(), true.ravel())[0, 1] > 0.8
    masks = files.masks(files.clip.identities[0].mask_video)
    true_masks = (scene.identity[0] == 0).numpy()
    overlap = (masks * true_masks).sum() / np.maximum(masks, true_masks).sum()
    assert overlap > 0.5 and files.clip.captions["plain"] == CAPTION["short_caption"]
    assert 0 < files.clip.figures["camera_inliers"] <= 1


def test_what_cannot_be_estimated_is_left_out_and_said(annotated):
    folder, manifest = annotated
    assert [clip.id for clip in manifest] == ["a", "c"]
    assert manifest.clips[1].camera is None and manifest.clips[1].captions
    page = (folder / "annotated" / "report.html").read_text()
    assert "No camera: " in page and "gone.mp4" in page and "No masks: no object" in page


def test_a_camera_that_says_to_doubt_it_is_left_out(annotated):
    folder, _ = annotated
    clip = Clip("a", "a.mp4", license="x")
    done = AnnotateWork("sift", doubtful=-1).open(folder, folder / "doubted")(clip)
    assert done.clip.camera is None and done.notes[-1].startswith("No camera: it says to doubt")
    assert 0 <= done.clip.figures["camera_doubtful"] <= 1 and not (folder / "doubted" / "files").exists()


def test_the_unit_of_a_known_camera_is_found(scene):
    """A path in another unit, as COLMAP gives it, compared with the video."""
    truth = scene.trajectory(0)
    unit = 7.5
    path = CameraTrajectory(truth.c2w, truth.intrinsics, fps=8, unit="an unknown").scaled(unit)
    frames = scene.video[0].permute(1, 2, 3, 0).numpy()
    assert median_depth_by_video(path, frames, (scene.identity[0] >= 0).numpy()) == pytest.approx(unit, rel=0.2)
    still = path.replace(c2w=np.repeat(path.c2w[:1], path.frames, 0))
    with pytest.raises(UserError, match="not.*as the video shows"):
        median_depth_by_video(still, frames, None)


def test_installed_models_are_asked_as_their_authors_do(monkeypatch):
    """Stand-ins with the interface of MoGe 2 and Depth Anything 3."""

    class MoGe:
        @classmethod
        def from_pretrained(cls, place):
            assert place == "some/moge"
            return cls()

        def to(self, device):
            return self

        def eval(self):
            return self

        def infer(self, image):
            assert image.shape == (3, 6, 8) and image.min() >= 0 and image.max() <= 1
            mask = torch.ones(6, 8, dtype=torch.bool)
            mask[0] = False
            return {"depth": torch.full((6, 8), 2.0), "mask": mask}

    w2c = np.tile(np.eye(4)[:3], (3, 1, 1))
    w2c[:, 0, 3] = [0, 1, 2]

    class DepthAnything3(MoGe):
        def inference(self, images):
            assert len(images) == 3 and images[0].dtype == np.uint8
            lens = np.tile(np.array([[8.0, 0, 4], [0, 6, 3], [0, 0, 1]]), (3, 1, 1))
            return SimpleNamespace(depth=np.full((3, 6, 8), 3.0), extrinsics=w2c, intrinsics=lens)

    for name in ("moge", "moge.model", "depth_anything_3"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    monkeypatch.setitem(sys.modules, "moge.model.v2", SimpleNamespace(MoGeModel=MoGe))
    monkeypatch.setitem(sys.modules, "depth_anything_3.api", SimpleNamespace(DepthAnything3=DepthAnything3))
    found = open_depth_estimator("moge:some/moge")(np.stack(FRAMES))
    assert found.kind == "depth" and np.isinf(found.values[:, 0]).all() and (found.values[:, 1:] == 2).all()
    found = open_depth_estimator("da3:some/moge")(np.stack(FRAMES))
    assert np.allclose(found.camera.intrinsics, [1, 1, 0.5, 0.5]) and np.allclose(invert(found.camera.c2w), w2c)
    monkeypatch.setitem(sys.modules, "moge.model.v2", None)
    for name, said in (("moge:x", "not installed"), ("da3", "needs its model"), ("x", "unknown")):
        with pytest.raises(UserError, match=said):
            open_depth_estimator(name)
    for options in ({"camera": "x"}, {"masks": "x"}):
        with pytest.raises(UserError, match="is unknown"):
            AnnotateWork(**options)
