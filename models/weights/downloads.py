"""Models from the Hugging Face hub: fetched when the user says so, checked against known figures, whole or not at all.

The bytes are read in pieces through `huggingface_hub.HfFileSystem`. `hf_hub_download` would be shorter, but it throws
away what it has of a file when it is broken off, and cannot be broken off at all where Xet sends the file.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...control.errors import UserError
from ...control.files import publish, size_text, write_json
from ...control.progress import Progress, quiet

PIECE = 2**23  # bytes of one request; a download can be canceled after each


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository. size: in bytes. digest: 'sha256:...', or 'git:...' (of a git blob), which is all that the
    hub knows of small files. None: only the hub knows (`resolve`)."""

    path: str
    size: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class RemoteModel:
    """A model on the hub. revision: the commit that is fetched; None: the newest, which `resolve` asks the hub for."""

    repository: str
    license: str
    files: tuple[RemoteFile, ...]
    revision: str | None = None

    @property
    def folder(self) -> str:
        """Return the name of its folder on this machine."""
        return self.repository.split("/")[-1]

    @property
    def size(self) -> int:
        """Return the bytes of all files whose size is known."""
        return sum(file.size or 0 for file in self.files)

    @property
    def is_resolved(self) -> bool:
        """Return whether the revision and the size and digest of every file are known."""
        return bool(self.revision and all(file.size and file.digest for file in self.files))

    def describe(self) -> str:
        """Return what would be fetched, for the person who decides about it."""
        if not self.is_resolved:
            return f"{self.repository} (license {self.license}; only the hub knows its size and SHA-256)"
        weights = max(self.files, key=lambda file: file.size or 0)
        digest = (weights.digest or "").removeprefix("sha256:")
        return (
            f"{self.repository} at revision {self.revision} ({size_text(self.size)}, license {self.license}, SHA-256"
            f" of {weights.path} {digest})"
        )


def resolve(model: RemoteModel, timeout: float = 10) -> RemoteModel:
    """Return the model with its revision, sizes and digests, asking the hub for what is not pinned; fetches no file.

    Raises UserError where the hub cannot be reached or does not list these files, and offline.
    """
    if model.is_resolved:
        return model
    _check_online(f"asking the hub about {model.repository}")
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(model.repository, files_metadata=True, timeout=timeout)
    except Exception as error:  # the hub's library raises many kinds
        raise UserError(f"the hub could not be asked about {model.repository} ({_first_line(error)})") from error
    listed = {sibling.rfilename: sibling for sibling in info.siblings or []}
    files = [_resolved_file(listed.get(file.path), file) for file in model.files]
    resolved = replace(model, revision=info.sha, files=tuple(files))
    if not resolved.is_resolved:
        names = " and ".join(file.path for file in model.files)
        raise UserError(f"the hub does not list {names} of {model.repository} with their sizes and digests")
    return resolved


def _resolved_file(sibling: Any, file: RemoteFile) -> RemoteFile:
    """Return a file with what the hub lists about it."""
    if sibling is None:
        return file
    sha256 = sibling.lfs.sha256 if sibling.lfs else None
    digest = f"sha256:{sha256}" if sha256 else f"git:{sibling.blob_id}" if sibling.blob_id else None
    return replace(file, size=sibling.size, digest=digest)


def download(model: RemoteModel, parent: str | Path, progress: Progress = quiet) -> Path:
    """Fetch a model into its folder in `parent` and return the folder; one that is there already stays as it is.

    progress(total, title) is entered once; its step is called for every percent, and may raise to cancel: the next
    call continues from there. Raises UserError where the hub cannot be reached, the disk is full, or the files are not
    the announced ones; then the model's folder does not exist.
    """
    parent = Path(parent)
    folder = parent / model.folder
    if all((folder / file.path).is_file() for file in model.files):
        return folder
    if folder.exists():
        raise UserError(f"'{folder}' exists but does not hold the whole model: move it away and try again")
    model = resolve(model)
    partial = _partial(model, folder)
    _receive_all(model, partial, progress)
    write_json(partial / "source.json", _provenance(model))
    publish(partial, folder)
    return folder


def download_file(model: RemoteModel, path: str | Path, progress: Progress = quiet) -> Path:
    """Fetch the only file of a model to `path` and return it; the announced file stays as it is where it is there.

    progress, canceling and continuing are as in `download`. Raises UserError as that does, and for another file at
    `path`.
    """
    path, model = Path(path), resolve(model)
    (file,) = model.files
    if path.exists():
        if problem := mismatch(path, file):
            raise UserError(f"'{path}' exists but is not the announced file ({problem}): move it away and try again")
        return path
    partial = _partial(model, path)
    _receive_all(model, partial, progress)
    publish(partial / file.path, path)
    shutil.rmtree(partial, ignore_errors=True)
    return path


def _partial(model: RemoteModel, target: Path) -> Path:
    """Return the folder in which a download grows: the same each time, so that it can continue."""
    return target.parent / f".{target.name}.{(model.revision or '')[:8]}"


def _receive_all(model: RemoteModel, partial: Path, progress: Progress) -> None:
    """Fetch a resolved model into the folder `partial` and check it. Raises UserError as `download` does."""
    _make_room(model, partial)
    # Closed at once where a step cancels, so that what has been received is on the disk.
    with progress(100, f"downloading {model.repository}") as step, closing(_receive(model, partial)) as pieces:
        percent = 0
        for received in pieces:
            for _ in range(percent, min(100, received * 100 // max(model.size, 1))):
                percent += 1
                step()
    for file in model.files:
        if problem := mismatch(partial / file.path, file):
            shutil.rmtree(partial, ignore_errors=True)
            raise UserError(
                f"{file.path} of {model.repository} is not what was announced: {problem}. Nothing of it was kept."
            )


def mismatch(path: Path, file: RemoteFile) -> str | None:
    """Return in which way the file at `path` differs from the announced size and digest, or None."""
    size = path.stat().st_size if path.is_file() else 0
    if file.size is not None and size != file.size:
        return f"it has {size} bytes, {file.size} were expected"
    if file.digest is None:
        return None
    kind, _, expected = file.digest.partition(":")
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while data := stream.read(PIECE):
            digest.update(data)
    if digest.hexdigest() != expected:
        return f"its {'SHA-256' if kind == 'sha256' else 'git digest'} is {digest.hexdigest()}, not {expected}"
    return None


def _provenance(model: RemoteModel) -> dict[str, Any]:
    """Return the content of `source.json` beside the files: where they are from."""
    return {
        "repository": model.repository,
        "revision": model.revision,
        "license": model.license,
        "files": {file.path: {"size": file.size, "digest": file.digest} for file in model.files},
    }


def _make_room(model: RemoteModel, partial: Path) -> None:
    """Make the folder of a partial download. Raises UserError where it cannot be made or the rest does not fit."""
    try:
        partial.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(partial).free
    except OSError as error:
        raise UserError(
            f"the folder '{partial.parent}' cannot be written ({error.strerror}): choose another"
        ) from error
    received = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
    if free < (model.size - received) * 1.05:
        raise UserError(
            f"{model.describe()} needs more room than the {free / 1e6:.0f} MB that are free at '{partial.parent}':"
            " free some, or choose another folder"
        )


def _receive(model: RemoteModel, partial: Path) -> Generator[int, None, None]:
    """Fetch into `partial` what it lacks of the model; yield how many bytes of the model it has, after each piece."""
    complete = 0
    for file in model.files:
        path = partial / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        for size in _receive_file(model, file, path):
            yield complete + size
        complete += file.size or 0


def _receive_file(model: RemoteModel, file: RemoteFile, path: Path) -> Generator[int, None, None]:
    """Append to a file what it lacks; yield its size, after each piece."""
    expected = file.size or 0
    size = path.stat().st_size if path.is_file() else 0
    if size > expected:
        path.unlink()
        size = 0
    yield size
    if size == expected:
        return
    _check_online(f"downloading {file.path} of {model.repository}")
    from huggingface_hub import HfFileSystem

    source = f"{model.repository}@{model.revision}/{file.path}"
    try:
        with (
            HfFileSystem().open(source, "rb", block_size=PIECE, cache_type="none") as remote,
            path.open("ab") as local,
        ):
            remote.seek(size)
            while size < expected:
                data = remote.read(min(PIECE, expected - size))
                if not data:
                    raise ConnectionError(f"it broke off after {size} of {expected} bytes")
                local.write(data)
                size += len(data)
                yield size
    except Exception as error:  # the hub's library raises many kinds
        raise UserError(
            f"{file.path} of {model.repository} could not be fetched ({_first_line(error)}): try again, it continues"
            " where it stopped"
        ) from error


def _check_online(purpose: str) -> None:
    """Raise UserError where huggingface_hub is missing, or where the user told it to stay offline."""
    try:
        from huggingface_hub import constants
    except ImportError as error:
        raise UserError(f"{purpose} needs the library 'huggingface_hub': pip install huggingface_hub") from error
    if constants.HF_HUB_OFFLINE:
        raise UserError(f"{purpose} needs the network, but HF_HUB_OFFLINE is set in the environment: unset it first")


def _first_line(error: Exception) -> str:
    """Return the first line of an error, or its kind where it has no text."""
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
