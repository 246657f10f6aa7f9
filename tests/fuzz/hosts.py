"""The doors of the host: requests of the page, and the values of nodes' inputs. The host is the fake of the tests."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import json
import sys
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from comfyui_fulldit.control.camera.formats import FORMATS, write_camera
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity import paint, runs

from .door import READ, REFUSED, Door, attempt
from .mutations import mutate_value, mutated, odd_value

FRAMES, HEIGHT, WIDTH = 5, 32, 48
SIZES = ("frames", "length", "width", "height", "resolution", "max_side")  # what results take memory by
CAMERA_ROUTE = "/fulldit/camera"
ODD_NAMES = (
    "", ".", "..", "/", "../../etc/passwd", "C:\\x\\path.json", "a" * 300 + ".json", "a\0b.json", "\ud800.txt",
    "é€.csv", "path.fbx", "path.usdz", "path", ".json", "a/b/", "con.json", " ", "x.npy", "x.npz", "x.exe", "\n.txt",
)  # fmt: skip
ODD_NUMBERS = (
    "", "0", "-1", "nan", "inf", "-inf", "1e308", "1e-308", "x", "1,5", "1_5", "9" * 400, "\0", "½", "１.５", "True"
)  # fmt: skip
FAKE = Path(__file__).parents[1] / "nodes" / "fake_host.py"


def nodes_of_a_fake_host(folder: Path) -> dict[str, Any]:
    """Return the nodes by id, imported with a fake in the place of ComfyUI; the fake stays for good."""
    spec = importlib.util.spec_from_file_location("fulldit_fake_host", FAKE)
    assert spec is not None and spec.loader is not None
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    for name in ("input", "temp", "output", "models"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_camera(preset("arc_left", FRAMES), folder / "input" / "path.json")
    fake.forget_nodes()
    sys.modules.update(fake.modules(folder))
    import comfyui_fulldit

    extension = asyncio.run(comfyui_fulldit.comfy_entrypoint())
    return {cls.define_schema().node_id: cls for cls in asyncio.run(extension.get_node_list())}


class Request:
    """An aiohttp request with a body and what stands behind the question mark. transport: of an open page."""

    transport = SimpleNamespace(is_closing=lambda: False)

    def __init__(self, body: bytes, query: dict[str, str] | None = None):
        self.body, self.query = body, query or {}

    async def json(self) -> Any:
        return json.loads(self.body)

    async def read(self) -> bytes:
        return self.body


class RouteDoor(Door):
    """Requests to every route that the pack adds to the server."""

    name = "routes"

    def __init__(self, folder: Path):
        super().__init__(folder)
        nodes_of_a_fake_host(folder / "host")
        from comfyui_fulldit.nodes.page import routes, stage

        images = torch.rand(FRAMES, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(0))
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[8:20, 10:30] = True
        entry = {"frame": 1, "size": [WIDTH, HEIGHT], "runs": runs.encode(mask)}
        name = stage.save_stage(images)["stage"]
        ask = {"id": "7", "stage": name, "masks": [entry], "first": 0, "last": 3, "accuracy": 0.9, "client": "abc"}
        loader = {"class_type": "LoadImage", "inputs": {"image": "a.png"}}
        self.requests: dict[str, list[Any]] = {
            "/fulldit/propagate": [ask],
            "/fulldit/propagate/stop": [{"id": "7"}],
            "/fulldit/stage": [
                {"stage": name, "source": None},
                {"stage": None, "source": {"nodes": {"3": loader}, "output": ["3", 0]}},
            ],
            "/fulldit/preview": [{"node": "7", "on": True}, {"node": 7, "on": False}],
        }
        self.files = self._camera_files(folder / "cameras")
        self.handlers = self._register(routes)
        assert set(self.handlers) == {*self.requests, CAMERA_ROUTE}, "a route without a request to damage"

    def _camera_files(self, folder: Path) -> dict[str, bytes]:
        """Camera files by name, as they are dropped on the editor; those of other processes have a door of their own.

        Their formats' own door is in cameras.py: here is what the page adds, a name and the image's proportions.
        """
        folder.mkdir()
        found = {}
        for name, entry in FORMATS.items():
            if entry.writable and not entry.requires:
                file = folder / f"{name}{entry.extensions[0]}"
                write_camera(preset("arc_left", FRAMES), file, name)
                if file.is_file():  # no folder can be dropped
                    found[file.name] = file.read_bytes()
        return found

    def _register(self, routes: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def post(path: str) -> Any:
            return lambda handler: found.setdefault(path, handler)

        def send(event: str, message: Any, client: Any) -> None:
            # The host puts it into a queue and looks the client up: what is no key ends its loop.
            assert isinstance(event, str) and (client is None or isinstance(client, str)), repr(client)
            json.dumps(message)

        server = SimpleNamespace(routes=SimpleNamespace(post=post), send_sync=send)
        sys.modules["server"] = SimpleNamespace(PromptServer=SimpleNamespace(instance=server))  # type: ignore[assignment]
        answer = SimpleNamespace(json_response=lambda data, status=200: (status, json.dumps(data, allow_nan=False)))
        sys.modules["aiohttp"] = SimpleNamespace(web=answer)  # type: ignore[assignment]
        routes.register()
        return found

    def attack(self, chance: Random) -> str:
        path = chance.choice(list(self.handlers))
        if path == CAMERA_ROUTE:
            return self._answer(path, self._dropped(chance))
        body: Any = copy.deepcopy(chance.choice(self.requests[path]))
        try:
            for _ in range(chance.choice((1, 1, 2, 3))):
                body = mutate_value(body, chance)
            data = json.dumps(body).encode()
        except (ValueError, RecursionError):  # a part within itself, which no request can have
            return REFUSED
        if chance.random() < 0.1:
            data = data[: chance.randrange(len(data) + 1)]
        return self._answer(path, Request(data))

    def _dropped(self, chance: Random) -> Request:
        """A file as it is dropped on the editor, with its content, name or proportions damaged."""
        name = chance.choice(list(self.files))
        data, query = self.files[name], {"name": name, "aspect": "1.5"}
        if chance.random() < 0.6:
            data = mutated(data, chance, self.files[chance.choice(list(self.files))])
        for key, odd in (("name", ODD_NAMES), ("aspect", ODD_NUMBERS)):
            if chance.random() < 0.4:
                query[key] = chance.choice(odd)
        if chance.random() < 0.1:
            del query[chance.choice(list(query))]
        return Request(data, query)

    def _answer(self, path: str, request: Request) -> str:
        with np.errstate(all="ignore"):
            status, text = asyncio.run(self.handlers[path](request))
        if status == 200:
            return READ
        assert 400 <= status < 500 and 15 < len(json.loads(text)["error"]) < 3000, (status, text)
        return REFUSED


class NodeDoor(Door):
    """Every node that runs in the fake host, with inputs as a prompt or other nodes may bring them."""

    name = "nodes"
    seconds = 30.0

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.nodes = nodes_of_a_fake_host(folder / "host")
        self.values = self._values()
        self.whole_inputs: dict[str, dict[str, Any]] = {}
        self.left_out: dict[str, str] = {}
        for name, cls in self.nodes.items():
            try:
                given = self._inputs(cls.define_schema().inputs, Random(0))
                cls.execute(**given)
            except UserError:
                pass
            except Exception as error:  # it needs the real host
                self.left_out[name] = repr(error)[:100]
                continue
            self.whole_inputs[name] = given

    def _values(self) -> dict[str, Any]:
        """Whole values by the type of their sockets."""
        from comfyui_fulldit.control.conditions import CameraCondition, Conditions, VideoSize
        from comfyui_fulldit.control.depth import DepthClip
        from comfyui_fulldit.control.identity import Identity

        random = np.random.default_rng(0)
        image = random.random((20, 20, 3)).astype(np.float32)
        clip = torch.from_numpy(random.random((FRAMES, HEIGHT, WIDTH, 3)).astype(np.float32))
        mask = torch.zeros(FRAMES, HEIGHT, WIDTH)
        mask[:, 8:24, 10:30] = 1
        path = preset("arc_left", FRAMES)
        depth = DepthClip(
            np.repeat(np.linspace(0, 1, WIDTH, dtype=np.float32)[None, None], HEIGHT, 1).repeat(FRAMES, 0)
        )
        condition = CameraCondition(trajectory=path)
        video = VideoSize(FRAMES, HEIGHT, WIDTH, 8.0)
        eye, point = {"x": 0.0, "y": 0.0, "z": 0.0}, {"x": 1.0, "y": 0.5, "z": 4.0}
        w2c = torch.from_numpy(path.w2c()[None].astype(np.float32))
        pinhole = torch.tensor([[40.0, 0, 24], [0, 40, 16], [0, 0, 1]]).expand(1, FRAMES, 3, 3)
        geometry = {
            "depth": 1 + torch.rand(FRAMES, HEIGHT, WIDTH),
            "extrinsics": w2c,
            "intrinsics": pinhole,
            "image": clip,
        }
        track = {"packed_masks": torch.zeros(FRAMES, 2, HEIGHT, WIDTH // 8, dtype=torch.uint8), "scores": [0.5, 0.6]}
        row = [0.0, 0.9, 1.4, 0.5, 0.5, 0, 0, *np.eye(3, 4).ravel().tolist()]
        return {
            "IMAGE": clip,
            "MASK": mask,
            "FULLDIT_CAMERA": path,
            "FULLDIT_IDENTITY": Identity("a", (image,)),
            "FULLDIT_DEPTH": depth,
            "FULLDIT_CONDITION": condition,
            "FULLDIT_CONDITIONS": Conditions(video, (condition,)),
            "LOAD3D_CAMERA": {
                "position": point, "target": eye, "zoom": 1, "fov": 40, "aspect": 1, "cameraType": "perspective"
            },
            "WAN_CAMERA_EMBEDDING": torch.rand(1, 24, 2, 4, 6),
            "DA3_GEOMETRY": geometry,
            "DA3_GEOMETRY,MOGE_GEOMETRY": geometry,
            "TRACKS": {"track_path": torch.rand(FRAMES, 4, 2), "track_visibility": torch.ones(FRAMES, 4)},
            "AUDIO": {"waveform": torch.rand(1, 2, 8000), "sample_rate": 8000},
            "CAMERACTRL_POSES": [list(row) for _ in range(FRAMES)],
            "SAM3_TRACK_DATA": {**track, "orig_size": (HEIGHT, WIDTH), "n_frames": FRAMES},
        }  # fmt: skip

    def _inputs(self, listed: Any, chance: Random, optional: float = 0.5) -> dict[str, Any]:
        """Values of a node's inputs; an optional one is there with this probability."""
        given = {}
        for entry in listed:
            if entry.optional and chance.random() > optional:
                continue
            value = self._value(entry, chance)
            if value is not None:
                given[entry.id] = value
        return given

    def _value(self, entry: Any, chance: Random) -> Any:
        kind = entry.io_type
        if kind == "COMFY_DYNAMICCOMBO_V3":
            option = chance.choice(entry.options)
            return {entry.id: option.key, **self._inputs(option.inputs, chance)}
        if kind == "COMFY_AUTOGROW_V3":
            prefix = entry.template.prefix
            return {f"{prefix}{i}": self._value(entry.template.input, chance) for i in range(entry.template.min or 1)}
        if kind == "COMBO":
            options = list(entry.options or [])
            return chance.choice(options) if options else "path.json"
        if kind in ("INT", "FLOAT"):
            value = entry.default if entry.default is not None else entry.min or 0
            return max(entry.min or 0, min(value, 64)) if entry.id in SIZES else value
        if kind == "BOOLEAN":
            return bool(entry.default)
        if kind == "STRING":
            if entry.id == "masks":
                return paint.empty_state(WIDTH, HEIGHT, FRAMES)
            return entry.default or ""
        return copy.deepcopy(self.values.get(kind))

    def _odd(self, entry: Any, value: Any, chance: Random) -> Any:
        """A value that the host lets through: numbers within their bounds, anything on a socket."""
        kind = entry.io_type
        if kind in ("INT", "FLOAT"):
            low, high = entry.min or 0, entry.max if entry.max is not None else 2**31
            most = max(low, min(high, 64)) if entry.id in SIZES else high
            number = chance.choice((low, most, low + (most - low) / 7, value))
            return int(number) if kind == "INT" else float(number)
        if kind == "BOOLEAN":
            return chance.random() < 0.5
        if kind == "COMBO":
            return chance.choice(list(entry.options or ["x"]))
        if kind == "STRING":
            if value[:1] in "{[" and value and chance.random() < 0.8:
                return json.dumps(mutate_value(json.loads(value), chance))
            return chance.choice(("", "0", "-1, 5", "a" * 400, "\0", "#2", "../x", "1e400", "{}", "[[", "é€", value))
        if isinstance(value, torch.Tensor):
            return odd_tensor(value, chance)
        if isinstance(value, dict) and value and kind not in ("COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3"):
            key = chance.choice(list(value))
            if isinstance(value[key], torch.Tensor) and chance.random() < 0.7:
                return {**value, key: odd_tensor(value[key], chance)}
            return {**value, key: odd_value(chance)} if chance.random() < 0.8 else odd_value(chance)
        if isinstance(value, list):
            return mutate_value(value, chance)
        if kind == "COMFY_DYNAMICCOMBO_V3" and isinstance(value, dict):
            listed = next(option.inputs for option in entry.options if option.key == value[entry.id])
            present = [inner for inner in listed if inner.id in value]
            if not present or chance.random() < 0.2:
                return {**value, entry.id: odd_value(chance)}
            inner = chance.choice(present)
            return {**value, inner.id: self._odd(inner, value[inner.id], chance)}
        if kind == "COMFY_AUTOGROW_V3" and isinstance(value, dict) and value:
            key = chance.choice(list(value))
            return {**value, key: self._odd(entry.template.input, value[key], chance)}
        return odd_value(chance)

    def attack(self, chance: Random) -> str:
        name = chance.choice(list(self.whole_inputs))
        cls = self.nodes[name]
        listed = cls.define_schema().inputs
        given = self._inputs(listed, chance)
        for entry in chance.sample(listed, min(len(listed), chance.choice((1, 1, 2)))):
            if entry.id in given:
                given[entry.id] = self._odd(entry, given[entry.id], chance)
        self.last = f"{name}({', '.join(f'{key}={short(value)}' for key, value in given.items())})"
        with np.errstate(all="ignore"):
            return attempt(lambda: cls.execute(**given))


def short(value: object) -> str:
    """Return a value in a few words."""
    shape = f"{tuple(value.shape)} {value.dtype}" if isinstance(value, torch.Tensor) else repr(value)
    return shape[:120]


def odd_tensor(tensor: torch.Tensor, chance: Random) -> Any:
    """A tensor of another shape, kind or content, as other nodes bring them."""
    kinds = (
        lambda t: t[:0],
        lambda t: t[:1],
        lambda t: t[0],
        lambda t: t[None],
        lambda t: t[..., :1],
        lambda t: t[..., :0],
        lambda t: torch.cat([t, t], -1),
        lambda t: torch.cat([t, t[:1]]),
        lambda t: t * float("nan"),
        lambda t: t / 0,
        lambda t: t * 255,
        lambda t: -t,
        lambda t: t * 0,
        lambda t: t * 0 + 1,
        lambda t: t.half() if t.is_floating_point() else t,
        lambda t: t.double(),
        lambda t: t.to(torch.bfloat16),
        lambda t: (t.clamp(0, 1) * 255).to(torch.uint8),
        lambda t: t > 0.5,
        lambda t: t.to(torch.complex64),
        lambda t: t.flatten(),
        lambda t: t.mean(),
        lambda t: t[:, :1],
        lambda t: t[:, : max(1, t.shape[1] // 3)] if t.ndim > 1 else t,
        lambda t: t.transpose(-1, -2) if t.ndim > 1 else t,
        lambda t: t.numpy(),
        lambda t: t.tolist(),
        lambda t: t.requires_grad_() if t.is_floating_point() else t,
        lambda t: t.expand(3, *t.shape),
        lambda t: odd_value(chance),
    )
    return chance.choice(kinds)(tensor.clone() if tensor.ndim else tensor[None].clone())
