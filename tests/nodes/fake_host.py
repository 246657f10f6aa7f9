"""A fake of ComfyUI, as much as the nodes need to be imported, describe themselves and run without a model.

The nodes themselves run unchanged; nodes that need the real host are tested in `tests/comfyui`.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class Socket:
    """An input or output with its settings as attributes; a setting that it lacks is None."""

    def __init__(self, io_type: str, id: str | None = None, **given: Any):
        self.io_type, self.id, self.given = io_type, id, given

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["given"].get(name)


def socket_type(io_type: str) -> Any:
    """Return a type such as io.Image, with `.Input(id, ...)` and `.Output(...)`."""

    class Type:
        @staticmethod
        def Input(id: str, **given: Any) -> Socket:
            return Socket(io_type, id, **given)

        @staticmethod
        def Output(id: str | None = None, **given: Any) -> Socket:
            return Socket(io_type, id, **given)

    return Type


class Schema(SimpleNamespace):
    """io.Schema: its arguments as attributes."""


class NodeOutput:
    """io.NodeOutput: the values, in order."""

    def __init__(self, *args: Any, **kwargs: Any):
        self.args, self.kwargs = args, kwargs


class ComfyNode:
    """io.ComfyNode."""


def build_io() -> types.ModuleType:
    """Return the module comfy_api.latest.io."""
    io = types.ModuleType("comfy_api.latest.io")
    plain = ["Image", "Mask", "String", "Int", "Float", "Boolean", "Combo"]
    for name in [*plain, "Model", "Clip", "Vae", "Conditioning", "Latent", "Audio"]:
        setattr(io, name, socket_type(name.upper()))
    io.ClipVisionOutput = socket_type("CLIP_VISION_OUTPUT")
    io.Custom = socket_type
    dynamic = socket_type("COMFY_DYNAMICCOMBO_V3")
    dynamic.Option = lambda key, inputs: SimpleNamespace(key=key, inputs=inputs)
    io.DynamicCombo = dynamic
    grow = socket_type("COMFY_AUTOGROW_V3")
    grow.TemplatePrefix = lambda input, prefix, min=1, max=10: SimpleNamespace(
        input=input, prefix=prefix, min=min, max=max
    )
    io.Autogrow = grow
    io.Hidden = SimpleNamespace(unique_id="UNIQUE_ID", prompt="PROMPT")
    io.Schema, io.NodeOutput, io.ComfyNode = Schema, NodeOutput, ComfyNode
    return io


def save_path(prefix: str, base: str) -> tuple[str, str, int, str, str]:
    """folder_paths.get_save_image_path: return folder, name, next free number, subfolder and prefix."""
    place = Path(base) / Path(prefix).parent
    place.mkdir(parents=True, exist_ok=True)
    name = Path(prefix).name
    ends = [
        p.name[len(name) + 1 :].split("_")[0].split(".")[0] for p in place.iterdir() if p.name.startswith(f"{name}_")
    ]
    taken = [int(end) for end in ends if end.isdecimal()]
    return str(place), name, max(taken, default=0) + 1, str(Path(prefix).parent), prefix


def shown_images(image: Any, cls: Any = None) -> SimpleNamespace:
    """UI.PreviewImage: the page's message, here the shapes of the images."""
    return SimpleNamespace(as_dict=lambda: {"images": [{"shape": tuple(one.shape)} for one in image]})


def modules(folder: Path) -> dict[str, types.ModuleType]:
    """Return the modules for sys.modules; `folder` stands for ComfyUI's, with input/, output/, temp/ and models/."""
    io = build_io()
    api, latest = types.ModuleType("comfy_api"), types.ModuleType("comfy_api.latest")
    latest.io, latest.ComfyExtension = io, type("ComfyExtension", (), {})
    latest.UI = SimpleNamespace(PreviewImage=shown_images)
    api.latest = latest
    comfy, samplers = types.ModuleType("comfy"), types.ModuleType("comfy.samplers")
    samplers.SAMPLER_NAMES, samplers.SCHEDULER_NAMES = ["euler", "heun"], ["simple", "normal"]
    comfy.samplers = samplers
    comfy.model_management = types.ModuleType("comfy.model_management")
    comfy.model_management.intermediate_device = lambda: "cpu"
    comfy.model_management.get_torch_device = lambda: "cpu"
    comfy.model_management.throw_exception_if_processing_interrupted = lambda: None
    comfy.utils = types.ModuleType("comfy.utils")
    comfy.utils.ProgressBar = lambda total: SimpleNamespace(update=lambda steps: None)
    paths = types.ModuleType("folder_paths")
    paths.folder_names_and_paths = {}
    paths.models_dir = str(folder / "models")
    paths.get_input_directory = lambda: str(folder / "input")
    paths.get_output_directory = lambda: str(folder / "output")
    paths.get_temp_directory = lambda: str(folder / "temp")
    paths.get_save_image_path = save_path
    paths.get_filename_list = lambda name: []
    paths.get_full_path = lambda name, file: None
    paths.get_folder_paths = lambda name: [str(folder / "models" / name)]
    return {
        "comfy_api": api,
        "comfy_api.latest": latest,
        "comfy": comfy,
        "comfy.samplers": samplers,
        "comfy.model_management": comfy.model_management,
        "comfy.utils": comfy.utils,
        "folder_paths": paths,
    }


def forget_nodes() -> None:
    """Drop the node modules, which hold on to the fake."""
    for name in [n for n in sys.modules if n.startswith("comfyui_fulldit.nodes")]:
        del sys.modules[name]
