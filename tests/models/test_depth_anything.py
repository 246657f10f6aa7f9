"""Depth Anything V2: parity with transformers on a tiny random network, and files that come from a hub of our own."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.images import resize_clip
from comfyui_fulldit.models.estimators import depth_anything_download as files
from comfyui_fulldit.models.estimators.depth_anything import (
    estimate_depth_anything,
    is_model,
    load_depth_anything,
    prepare,
)
from comfyui_fulldit.models.estimators.depth_anything_download import MODELS, Part, Published, download, look_up, offer
from comfyui_fulldit.models.estimators.depth_anything_keys import is_original

REPOSITORY = "someone/Tiny-Depth-hf"
CONNECT = socket.socket.connect


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A folder with a tiny random Depth Anything of transformers."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=1,
        image_size=70,
        patch_size=14,
        mlp_ratio=2,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=64,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type="relative",
    )
    network = transformers.DepthAnythingForDepthEstimation(config).eval()
    for weight in network.parameters():  # a fresh head gives zeros
        weight.data += torch.randn_like(weight) * 0.2
    folder = tmp_path_factory.mktemp("models") / "Tiny-Depth-hf"
    network.save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.mark.parametrize("size", [(48, 72), (130, 90)])
def test_it_gives_what_transformers_gives(tiny, size):
    """The same network by transformers' own image processor and afterwork."""
    transformers = pytest.importorskip("transformers")
    # Smooth and away from black and white: theirs is rounded and clipped to bytes between the two passes of a resize.
    frames = resize_clip(np.random.default_rng(1).random((3, 6, 8, 3), np.float32), *size)
    frames = (40 + frames * 170).astype(np.uint8)
    network = load_depth_anything(tiny)
    found = estimate_depth_anything(network, frames, side=70, batch=2)
    processor = transformers.DPTImageProcessor(
        size={"height": 70, "width": 70},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        resample=3,
        do_rescale=True,
        do_normalize=True,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    inputs = processor(images=list(frames), return_tensors="pt")["pixel_values"]
    mine = prepare(torch.from_numpy(frames).permute(0, 3, 1, 2) / 255, 70)
    assert mine.shape == inputs.shape
    assert float((mine - inputs).abs().max()) < 0.03  # a byte is 0.018
    with torch.no_grad():
        outputs = network(pixel_values=mine)  # a random network makes much of a byte
    theirs = processor.post_process_depth_estimation(outputs, target_sizes=[size] * 3)
    theirs = torch.stack([one["predicted_depth"] for one in theirs]).clamp(min=0).numpy()
    assert found.shape == theirs.shape == (3, *size) and np.ptp(theirs) > 0.01
    assert np.abs(found - theirs).max() < 1e-4 * np.ptp(theirs)


def test_frames_come_one_at_a_time_and_work_can_be_stopped(tiny):
    network = load_depth_anything(tiny)
    frames = np.random.default_rng(0).random((3, 28, 42, 3), np.float32)
    steps = []
    whole = estimate_depth_anything(network, frames, lambda: steps.append(1), side=28)
    streamed = estimate_depth_anything(network, iter(frames), side=28, batch=2)
    assert len(steps) == 3 and np.abs(whole - streamed).max() < 1e-4 * max(float(np.ptp(whole)), 1e-3)
    with pytest.raises(UserError, match="stopped at frame 2"):
        estimate_depth_anything(network, frames, cancel=iter([False, False, True]).__next__, side=28)
    for bad, says in ((frames[..., :2], "shape"), (frames[:0], "no frames"), (frames * np.nan, "NaN")):
        with pytest.raises(UserError, match=says):
            estimate_depth_anything(network, bad, side=28)


def test_a_cut_or_foreign_model_is_refused_by_name(tiny, tmp_path):
    assert is_model(tiny) and not is_model(tmp_path)
    with pytest.raises(UserError, match="holds no Depth Anything"):
        load_depth_anything(tmp_path)
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "config.json").write_bytes((tiny / "config.json").read_bytes())
    (cut / "model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read"):
        load_depth_anything(cut)


def test_the_authors_own_files_are_read(tiny, tmp_path):
    """The tiny network's weights under the names of depth_anything_v2_*.safetensors give the same depth."""
    network = load_depth_anything(tiny)
    with safe_open(tiny / "model.safetensors", "pt") as file:
        saved = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    place = tmp_path / "depth_anything_v2_vitx.safetensors"
    save_file(as_the_authors_name_them(saved), place)
    assert is_original(place) and not is_original(tiny / "model.safetensors")
    again = load_depth_anything(place)
    frames = np.random.default_rng(2).random((2, 42, 56, 3), np.float32)
    first, second = (estimate_depth_anything(one, frames, side=42) for one in (network, again))
    assert np.ptp(first) > 1e-3 and np.array_equal(first, second)
    metric = place.rename(tmp_path / "depth_anything_v2_metric_vitx.safetensors")
    assert not is_original(metric), "meters are something else"
    metric.write_bytes(metric.read_bytes()[:5000])
    with pytest.raises(UserError, match="no whole Depth Anything V2"):
        load_depth_anything(metric)


def as_the_authors_name_them(saved: dict) -> dict:
    """Weights of transformers' file as the authors' code names them, written down apart from the reader's table."""
    made = {}
    for key, value in saved.items():
        key = key.replace("backbone.embeddings.patch_embeddings.projection", "pretrained.patch_embed.proj")
        key = key.replace("backbone.embeddings.position_embeddings", "pretrained.pos_embed")
        key = key.replace("backbone.embeddings.", "pretrained.").replace("backbone.layernorm", "pretrained.norm")
        key = key.replace("backbone.encoder.layer.", "pretrained.blocks.")
        key = key.replace("attention.output.dense", "attn.proj")
        key = key.replace("layer_scale1.lambda1", "ls1.gamma").replace("layer_scale2.lambda1", "ls2.gamma")
        key = key.replace("neck.reassemble_stage.layers.", "depth_head.@")
        key = key.replace("head.conv1", "depth_head.scratch.output_conv1")
        key = key.replace("head.conv2", "depth_head.scratch.output_conv2.0")
        key = key.replace("head.conv3", "depth_head.scratch.output_conv2.2")
        if "@" in key:
            part, kind = key.split("@")[1].split(".", 1)
            name = f"projects.{part}" if kind.startswith("projection") else f"resize_layers.{part}"
            key = f"depth_head.{name}.{kind.split('.')[1]}"
        for number in range(4):
            key = key.replace(f"neck.convs.{number}.", f"depth_head.scratch.layer{number + 1}_rn.")
            key = key.replace(f"neck.fusion_stage.layers.{number}.", f"depth_head.scratch.refinenet{4 - number}.")
        if "refinenet" in key:
            key = key.replace("projection", "out_conv").replace("residual_layer", "resConfUnit")
            key = key.replace("convolution", "conv")
        made[key] = value
    for key in [key for key in made if ".attention.attention.query." in key]:
        parts = [made.pop(key.replace("query", name)) for name in ("query", "key", "value")]
        made[key.replace("attention.attention.query", "attn.qkv")] = torch.cat(parts)
    return made


# ---- files from a hub ---------------------------------------------------------------------------------------------


@pytest.fixture
def online(monkeypatch):
    """Requests to servers of this very machine are let through; tests reach no other."""
    from huggingface_hub import constants

    def connect(self, address):
        if address[0] != "127.0.0.1":
            raise OSError(f"tests must not use the network, but one tried to reach {address}")
        return CONNECT(self, address)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", connect)


@contextmanager
def hub(contents: dict[str, bytes], commit: str = "c" * 40):
    """A server that answers as the Hugging Face hub does, for one repository. `hang_up`: it sends no more, once."""
    state = SimpleNamespace(hang_up=None, ranges=[], asked=0)

    def sha(name: str) -> str:
        return hashlib.sha256(contents[name]).hexdigest()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.answer(False)

        def do_GET(self):
            self.answer(True)

        def answer(self, body: bool) -> None:
            path = self.path.split("?")[0]
            if path.startswith("/api/models/"):
                state.asked += 1
                listed = [
                    {"rfilename": name, "size": len(data), "blobId": git_digest(data)}
                    | ({"lfs": {"sha256": sha(name), "size": len(data), "pointerSize": 130}} if name[-1] == "s" else {})
                    for name, data in contents.items()
                ]
                text = json.dumps({"id": REPOSITORY, "sha": commit, "siblings": listed}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                return
            name = path.split("/")[-1]
            if name not in contents:
                self.send_error(404)
                return
            data, begin = contents[name], 0
            if self.headers.get("Range"):
                begin = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
                state.ranges.append(begin)
            self.send_response(206 if begin else 200)
            self.send_header("ETag", f'"{sha(name)}"')
            self.send_header("X-Repo-Commit", commit)
            self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(data) - begin))
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if body:
                end, state.hang_up = (state.hang_up, None) if name[-1] == "s" else (None, state.hang_up)
                self.wfile.write(data[begin:end])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", state
    finally:
        server.shutdown()
        thread.join()


def git_digest(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


@contextmanager
def counted(total, title):
    """Progress that counts; after `stop_after` steps it raises, as a host does when its run is canceled."""
    assert total == 100 and REPOSITORY in title

    def step():
        counted.steps += 1
        if counted.steps == counted.stop_after:
            raise KeyboardInterrupt("canceled")

    yield step


@pytest.fixture
def count(online):
    counted.steps, counted.stop_after = 0, None
    return counted


CONTENTS = {"config.json": b'{"model_type": "depth_anything"}', "model.safetensors": bytes(range(256)) * 120_000}


def test_small_is_pinned_and_the_others_license_is_stated():
    small = MODELS["Small"]
    assert small.known and small.says().startswith("depth-anything/Depth-Anything-V2-Small-hf at revision 5426e4f0")
    assert "99.2 MB" in small.says() and "Apache-2.0" in small.says() and small.weights.digest[7:] in small.says()
    for name in ("Base", "Large"):
        assert not MODELS[name].known and "CC-BY-NC-4.0" in MODELS[name].says()


def test_what_is_not_written_here_the_hub_is_asked_for(tmp_path, online):
    model = Published(REPOSITORY, "MIT")
    with hub(CONTENTS) as (address, state):
        found = look_up(model, address)
        assert found.revision == "c" * 40 and found.weights.size == len(CONTENTS["model.safetensors"])
        assert found.config.digest == f"git:{git_digest(CONTENTS['config.json'])}"
        says = str(offer(model, tmp_path, True, address))
        assert REPOSITORY in says and "30.7 MB" in says and "MIT" in says and found.weights.digest[7:] in says
        assert "download to 'yes'" in says and not any(tmp_path.iterdir())
        asked = state.asked
        says = str(offer(model, tmp_path, False, address))
        assert "download to 'ask'" in says and "30.7 MB" not in says and state.asked == asked
    assert "cannot be shown now" in str(offer(model, tmp_path, True, "http://127.0.0.1:9"))


def test_a_model_comes_whole_and_says_where_it_is_from(tmp_path, count):
    with hub(CONTENTS) as (address, state):
        folder = download(Published(REPOSITORY, "MIT"), tmp_path, count, address)
        assert folder == tmp_path / "Tiny-Depth-hf" and count.steps == 100
        assert {name: (folder / name).read_bytes() for name in CONTENTS} == CONTENTS
        source = json.loads((folder / "source.json").read_text())
        assert source["revision"] == "c" * 40 and source["license"] == "MIT"
        assert [entry.name for entry in tmp_path.iterdir()] == ["Tiny-Depth-hf"]
        asked = state.asked
        assert download(Published(REPOSITORY, "MIT"), tmp_path, count, address) == folder and state.asked == asked


def test_a_download_that_was_canceled_goes_on_where_it_stopped(tmp_path, count):
    with hub(CONTENTS) as (address, state):
        model = look_up(Published(REPOSITORY, "MIT"), address)
        count.stop_after = 40
        with pytest.raises(KeyboardInterrupt):
            download(model, tmp_path, count, address)
        assert not (tmp_path / model.folder).exists()
        count.stop_after, size = None, len(CONTENTS["model.safetensors"])
        state.hang_up = size // 4 * 3
        with pytest.raises(UserError, match="broke off after"):
            download(model, tmp_path, count, address)
        folder = download(model, tmp_path, count, address)
        assert (folder / "model.safetensors").read_bytes() == CONTENTS["model.safetensors"]
        assert len(state.ranges) == 2 and state.ranges[0] == pytest.approx(0.4 * size, rel=0.05)
        assert state.ranges[1] == pytest.approx(0.75 * size, rel=0.05)


def test_what_is_not_what_was_announced_is_not_kept(tmp_path, count, monkeypatch):
    with hub(CONTENTS) as (address, _):
        model = look_up(Published(REPOSITORY, "MIT"), address)
        weights = CONTENTS["model.safetensors"]
        for part, says in (
            (Part(len(weights), "sha256:" + "0" * 64), "SHA-256 is"),
            (Part(len(weights) - 1, model.weights.digest), "more than"),
        ):
            wrong = Published(REPOSITORY, "MIT", model.revision, model.config, part)
            with pytest.raises(UserError, match=f"not what was announced.*{says}"):
                download(wrong, tmp_path, count, address)
            assert not list(tmp_path.rglob("*.safetensors"))
    with pytest.raises(UserError, match="could not be fetched.*refused"):
        download(model, tmp_path, count, "http://127.0.0.1:9")
    assert not (tmp_path / model.folder).exists()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
        download(model, tmp_path, count)


def test_a_full_disk_is_said_before(tmp_path, count, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    with pytest.raises(UserError, match="needs more room"):
        download(MODELS["Small"], tmp_path, count)
