"""The Depth Anything V2 models that can be fetched from the Hugging Face hub, and how a missing one is announced."""

from __future__ import annotations

from pathlib import Path

from ...control.errors import UserError
from ..weights.downloads import RemoteFile, RemoteModel, resolve
from .depth_anything import FILES

CONFIG, WEIGHTS = FILES
_UNPINNED = (RemoteFile(CONFIG), RemoteFile(WEIGHTS))

# Small's figures are those of the hub's page for this revision. Those of Base and Large, which are not for commercial
# use, are not known here: they are read where a user has them, but not downloaded.
MODELS = {
    "Small": RemoteModel(
        "depth-anything/Depth-Anything-V2-Small-hf",
        "Apache-2.0",
        (
            RemoteFile(CONFIG, 950, "sha256:c56698d3643dde1f83ea2212759e6b31a22b8f827246a36dd007ee8a22b3ff75"),
            RemoteFile(WEIGHTS, 99173660, "sha256:3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70"),
        ),
        "5426e4f0f36572d16453bbda7a8389317b1bef99",
    ),
    "Base": RemoteModel("depth-anything/Depth-Anything-V2-Base-hf", "CC-BY-NC-4.0, not for commercial use", _UNPINNED),
    "Large": RemoteModel(
        "depth-anything/Depth-Anything-V2-Large-hf", "CC-BY-NC-4.0, not for commercial use", _UNPINNED
    ),
}


def check_pinned(model: RemoteModel, parent: Path) -> None:
    """Raise UserError for a model whose revision and checksums this version does not know: it is not downloaded.

    What the hub says of a file beside the file itself shows that it came over whole, not that it is the right one.
    """
    if not model.is_resolved:
        raise UserError(f"{model.repository} is not pinned, so it is not downloaded: {_by_hand(model, parent)}")


def missing_model(model: RemoteModel, parent: Path, ask_hub: bool) -> UserError:
    """Return the error for a model that is not in `parent`: what it is, and how to get it.

    ask_hub: the hub may be asked for the figures that are not pinned; otherwise the network is left alone.
    """
    if model.is_resolved:
        return UserError(
            f"Depth Anything V2 is not in '{parent}'. Set download to 'yes' to fetch {model.describe()}, or put"
            f" {CONFIG} and {WEIGHTS} of that repository there."
        )
    said = " Set download to 'ask' to see what the hub says of its size and SHA-256."
    if ask_hub:
        try:
            said = f" The hub lists now: {resolve(model, timeout=5).describe()}."
        except UserError as error:
            said = f" What it is cannot be shown now: {error.clause}."
    return UserError(
        f"Depth Anything V2 is not in '{parent}', and {model.describe()} is not pinned:"
        f" {_by_hand(model, parent)}.{said}"
    )


def _by_hand(model: RemoteModel, parent: Path) -> str:
    return (
        "this version knows no revision and SHA-256 of it to check a download against. Fetch"
        f" {CONFIG} and {WEIGHTS} from https://huggingface.co/{model.repository} yourself, and put them into"
        f" '{parent / model.folder}'"
    )
