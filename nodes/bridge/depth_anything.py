"""Depth Anything V2 in the host: its models in the host's model folders, and its network on the host's device."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths
import numpy as np

from ...control.errors import UserError
from ..progress import progress, stop_if_canceled

FOLDER = "depthanything"  # in the host's models; other packs for Depth Anything use the same
PUBLISHED_NAMES = ("Small", "Base", "Large")
WORKING_MEMORY = 2**30  # bytes of the GPU for activations, beside the weights


def model_names() -> list[str]:
    """Return Small, Base and Large, present or not, and the other models in the folders: folders in the layout of
    transformers and single files with the authors' names."""
    entries = [entry for folder in model_folders() if folder.is_dir() for entry in folder.iterdir()]
    if not entries:  # so that the host's start does not import what reads them
        return list(PUBLISHED_NAMES)
    from ...models.estimators.depth_anything import is_model
    from ...models.estimators.depth_anything_download import MODELS
    from ...models.estimators.depth_anything_keys import is_original

    published = {model.folder for model in MODELS.values()}
    others = {e.name for e in entries if (is_model(e) and e.name not in published) or is_original(e)}
    return [*PUBLISHED_NAMES, *sorted(others)]


def model_folders() -> list[Path]:
    """Return the host's folders for Depth Anything models, the first for downloads."""
    if FOLDER not in folder_paths.folder_names_and_paths:
        default = os.path.join(folder_paths.models_dir, FOLDER)
        folder_paths.folder_names_and_paths[FOLDER] = ([default], {".safetensors"})
    return [Path(folder) for folder in folder_paths.folder_names_and_paths[FOLDER][0]]


def find_or_download(name: str, download: str) -> tuple[Path, str]:
    """Return the files of a model, a folder or a single file, and its license, "" if that is not known.

    name: as `model_names` lists it. download: what to do for a published model that is missing: "yes" fetches it if
    it is pinned, "ask" looks up its size and license for the error, "no" leaves the network alone. Raises UserError for
    a missing model.
    """
    from ...models.estimators.depth_anything_download import MODELS, check_pinned, missing_model
    from ...models.weights.downloads import download as fetch

    published = MODELS.get(name)
    path = _find(published.folder if published else name)
    if path is None:
        if published is None:
            raise UserError(f"The Depth Anything model '{name}' is gone: press R and choose another.")
        if download != "yes":
            raise missing_model(published, model_folders()[0], ask_hub=download == "ask")
        check_pinned(published, model_folders()[0])
        path = fetch(published, model_folders()[0], progress)
    return path, published.license if published else ""


def estimate_disparity(path: Path, images: np.ndarray) -> np.ndarray:
    """Return the disparity (F, H, W) of images (F, H, W, 3), near is large, on the host's device.

    The network is loaded from `path` and dropped afterwards. Raises UserError for files that are not such a model.
    """
    import comfy.model_management as management

    from ...models.estimators.depth_anything import estimate_depth_anything, load_depth_anything

    device = management.get_torch_device()
    on_cuda = getattr(device, "type", str(device)) == "cuda"
    if on_cuda:
        weights = path if path.is_file() else path / "model.safetensors"
        management.free_memory(weights.stat().st_size + WORKING_MEMORY, device)
    network = load_depth_anything(path, device if on_cuda else "cpu")
    try:
        with progress(len(images)) as step:
            return estimate_depth_anything(network, images, step, stop_if_canceled, batch=4 if on_cuda else 1)
    finally:
        network.to("cpu")
        del network
        if on_cuda:
            management.soft_empty_cache()


def _find(name: str) -> Path | None:
    """Return the model of this file or folder name; None if there is none."""
    from ...models.estimators.depth_anything import is_model
    from ...models.estimators.depth_anything_keys import is_original

    if Path(name).name != name:
        return None
    paths = (folder / name for folder in model_folders())
    return next((path for path in paths if is_model(path) or is_original(path)), None)
