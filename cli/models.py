"""`fulldit models`: which model takes which control, what a file is, and the files to fetch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..control.errors import UserError
from ..models.families.about import CELLS, about_family
from ..models.families.detect import detect_file
from ..models.families.family import FACETS, Family, ModelFile
from ..models.families.matrix import FAMILIES, belonging_files, model_files
from ..models.weights.downloads import RemoteFile, RemoteModel, download_file, resolve
from ..models.weights.shards import shard_paths

Result = dict[str, Any]


def list_families() -> Result:
    """Return the matrix: every family with what it does with each facet."""
    return {"families": {family.id: _row(family) for family in FAMILIES.values()}}


def describe_file(path: str) -> Result:
    """Return what a file of weights is, what it takes, and which files belong to it.

    Raises UserError for files that are missing, pickled, cut short, or no safetensors, and for a FullDiT checkpoint
    whose config cannot be used.
    """
    found = detect_file(path)
    if "fulldit" in found.candidates:
        from ..models.weights.checkpoint import read_config

        read_config(shard_paths(path)[0])
    families = [FAMILIES[found.likely]] if found.likely else [FAMILIES[name] for name in found.candidates]
    belonging = [(family, belonging_files(family, found.dim, Path(path).name)) for family in families]
    return {
        "file": path,
        "detection": asdict(found),
        "families": {family.id: _row(family) for family in families},
        "files": {family.id: [_file_row(file) for file in beside] for family, beside in belonging},
    }


def fetch_file(
    name: str, folder: str | None, confirm: Callable[[str], bool], progress: Callable[[int, str], Any]
) -> Result:
    """Fetch a file of the matrix into ComfyUI's models folder, where `confirm` agrees to what it is told.

    Raises UserError for an unknown name, a folder that does not exist, a refusal, and as `download_file` does.
    """
    file = _named(name)
    models = Path(folder or "").expanduser()
    if not folder or not models.is_dir():
        missing = f"the folder '{folder}' does not exist" if folder else "where to is not said"
        raise UserError(f"{missing}: give ComfyUI's models folder with --to")
    model = resolve(RemoteModel(file.repository, file.license, (RemoteFile(file.path),)))
    path = models / file.folder / file.name
    if not path.exists() and not confirm(f"{model.describe()}\nto '{path}'"):
        raise UserError("nothing was downloaded: answer y, or add --yes")
    download_file(model, path, progress)
    (remote,) = model.files
    return {"path": str(path), "repository": file.repository, "revision": model.revision, "digest": remote.digest}


def ask(text: str) -> bool:
    """Show what would be fetched and return whether the answer is yes; no answer is no."""
    print(f"{text}\nDownload it? [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        return False


def show(args: argparse.Namespace, result: Result) -> None:
    """Print what one of the three returned."""
    if "path" in result:
        print(result["path"])
    elif "detection" in result:
        _show_file(result)
    else:
        _show_matrix()


def _show_matrix() -> None:
    """Print the matrix as a table, and the families that are only recognized below it."""
    driven = [family for family in FAMILIES.values() if family.driven]
    width = max(len(family.name) for family in driven)
    print(f"{'':{width}}  {'  '.join(f'{facet:8}' for facet in FACETS)}")
    for family in driven:
        print(f"{family.name:{width}}  {'  '.join(f'{CELLS[family.support(facet).how]:8}' for facet in FACETS)}")
    others = ", ".join(family.name for family in FAMILIES.values() if not family.driven)
    print(f"\nOnly recognized, not driven: {others}.")
    print("`fulldit models FILE` says what a file is; docs/models.md says more about each model.")


def _show_file(result: Result) -> None:
    """Print what a file is, what it takes, and the files that belong to it."""
    print(result["detection"]["sentence"])
    name = Path(result["file"]).name
    for id in result["families"]:
        print(f"\n{FAMILIES[id].name}")
        for line in about_family(FAMILIES[id], result["detection"]["dim"], name):
            print(f"  {line}")
        for file in result["files"][id]:
            print(f"  {file['url']}")


def _row(family: Family) -> Result:
    """Return a family as JSON has it."""
    return {
        "name": family.name,
        "driven": family.driven,
        "sentence": family.sentence,
        "most_identities": family.most_identities,
        "takes": {facet: asdict(family.support(facet)) for facet in FACETS},
        "variants": [variant.name for variant in family.variants],
    }


def _file_row(file: ModelFile) -> Result:
    """Return a file as JSON has it."""
    return {**asdict(file), "url": file.url}


def _named(name: str) -> ModelFile:
    """Return the file of this name, with or without its ending. Raises UserError where there is none."""
    files = model_files()
    if file := files.get(name) or files.get(f"{name}.safetensors"):
        return file
    if family := FAMILIES.get(name):
        files = {file.name: file for variant in family.variants for file in variant.files}
    if not files:
        raise UserError(f"'{name}' has no files that this pack knows: docs/models.md says more about it")
    raise UserError(f"'{name}' is not a file of the table: choose one of {', '.join(files)}")
