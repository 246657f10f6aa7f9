"""What Depth Anything V2's files on the Hugging Face hub are, and how they come here when the user says so.

Nothing is fetched without being told to. What is fetched is of one revision, goes on where it was broken off, is
compared with the size and SHA-256 that were shown before, and moves into place whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from ...control.errors import UserError
from ...control.files import write_json
from ...control.progress import quiet
from .depth_anything import FILES

CHUNK = 2**18
TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class Part:
    """A file of a repository. digest: 'sha256:...', or 'git:...' (of a blob) for small files; None: not known yet."""

    size: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Published:
    """A model on the hub. revision: the commit that is taken; None: the newest, whose figures the hub is asked for."""

    repository: str
    license: str
    revision: str | None = None
    config: Part = Part()
    weights: Part = Part()

    @property
    def folder(self) -> str:
        """The name of its folder here."""
        return self.repository.split("/")[-1]

    @property
    def known(self) -> bool:
        """Whether size and digest of everything are known."""
        return bool(self.revision and self.config.digest and self.weights.digest)

    def says(self) -> str:
        """What would be fetched, for a person who decides about it."""
        if not self.known:
            return f"{self.repository} (license {self.license}; size and SHA-256 are the hub's to say)"
        digest = self.weights.digest.removeprefix("sha256:")
        return (
            f"{self.repository} at revision {self.revision} ({self.weights.size / 1e6:.1f} MB, license {self.license},"
            f" SHA-256 of {FILES[1]} {digest})"
        )


# Figures of Small are those of the hub's page for this revision. Base and Large are not for commercial use.
MODELS = {
    "Small": Published(
        "depth-anything/Depth-Anything-V2-Small-hf",
        "Apache-2.0",
        "5426e4f0f36572d16453bbda7a8389317b1bef99",
        Part(950, "sha256:c56698d3643dde1f83ea2212759e6b31a22b8f827246a36dd007ee8a22b3ff75"),
        Part(99173660, "sha256:3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70"),
    ),
    "Base": Published("depth-anything/Depth-Anything-V2-Base-hf", "CC-BY-NC-4.0, not for commercial use"),
    "Large": Published("depth-anything/Depth-Anything-V2-Large-hf", "CC-BY-NC-4.0, not for commercial use"),
}


def look_up(model: Published, endpoint: str | None = None, timeout: float = 10) -> Published:
    """The model with its revision, sizes and digests; what is not written here, the hub is asked for. No file is
    fetched. Raises UserError where the hub cannot be reached or has no such files."""
    if model.known:
        return model
    try:
        from huggingface_hub import HfApi

        found = HfApi(endpoint=endpoint).model_info(model.repository, files_metadata=True, timeout=timeout)
    except Exception as error:  # the hub's library raises many kinds
        raise UserError(f"the hub could not be asked about {model.repository} ({_first_line(error)})") from error
    parts = {}
    for file in found.siblings or []:
        if file.rfilename in FILES:
            lfs = getattr(file, "lfs", None)
            sha256 = lfs.get("sha256") if isinstance(lfs, dict) else getattr(lfs, "sha256", None)
            digest = f"sha256:{sha256}" if sha256 else f"git:{file.blob_id}" if file.blob_id else None
            parts[file.rfilename] = Part(file.size, digest)
    if set(parts) != set(FILES) or not found.sha or None in {part.digest for part in parts.values()}:
        raise UserError(f"the hub does not list {' and '.join(FILES)} of {model.repository} with their digests")
    return replace(model, revision=found.sha, config=parts[FILES[0]], weights=parts[FILES[1]])


def offer(model: Published, place: Path, ask: bool, endpoint: str | None = None) -> UserError:
    """The error for a model that is not here: what it is, and how it comes here. ask: the hub may be asked for what is
    not written here; otherwise the network is left alone."""
    doubt = ""
    if ask:
        try:
            model = look_up(model, endpoint, timeout=5)
        except UserError as error:
            doubt = f" What it is cannot be shown now: {error.clause}."
    elif not model.known:
        doubt = " Set download to 'ask' to see its size and SHA-256."
    return UserError(
        f"Depth Anything V2 is not in '{place}'. Set download to 'yes' to fetch {model.says()}, or put"
        f" {' and '.join(FILES)} of that repository there.{doubt}"
    )


def download(
    model: Published, place: str | Path, progress: Callable[..., object] = quiet, endpoint: str | None = None
) -> Path:
    """Fetch a model into the folder `place` / its name, and say which that is. One that is there already stays.

    progress(total, title) is entered once; its step is called for every percent, and may raise to break off: the next
    call goes on from there. Raises UserError where the hub cannot be reached, the disk is full, or what came is not
    what was announced; then nothing is left in the place of the model.
    """
    place = Path(place)
    folder = place / model.folder
    if all((folder / name).is_file() for name in FILES):
        return folder
    if folder.exists():
        raise UserError(f"'{folder}' is there but has no whole model: move it away and try again")
    model = look_up(model, endpoint)
    parts = dict(zip(FILES, (model.config, model.weights), strict=True))
    waiting = place / f".{model.folder}.{model.revision[:8]}"  # the same each time, so that it can go on
    whole = sum(part.size or 0 for part in parts.values())
    try:
        waiting.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(waiting).free
    except OSError as error:
        raise UserError(f"the folder '{place}' cannot be written ({error.strerror}): choose another") from error
    there = sum(file.stat().st_size for file in waiting.iterdir())
    if free < (whole - there) * 1.05:
        raise UserError(f"{model.says()} needs more room than the {free / 1e6:.0f} MB that are free at '{place}'")
    with progress(100, f"fetching {model.repository}") as step:
        percents, before = 0, 0
        for name, part in parts.items():
            for had in _fetch(model, name, part, waiting / name, endpoint):
                while percents < min(100, (before + had) * 100 // max(whole, 1)):
                    percents += 1
                    step()
            before += part.size or 0
    for name, part in parts.items():
        wrong = mismatch(waiting / name, part)
        if wrong:
            shutil.rmtree(waiting, ignore_errors=True)
            raise UserError(f"{name} of {model.repository} is not what was announced: {wrong}. Nothing was kept of it.")
    write_json(
        waiting / "source.json",
        {
            "repository": model.repository,
            "revision": model.revision,
            "license": model.license,
            "files": {name: {"size": part.size, "digest": part.digest} for name, part in parts.items()},
        },
    )
    os.replace(waiting, folder)
    return folder


def mismatch(path: Path, part: Part) -> str | None:
    """What is wrong with a file, or None."""
    size = path.stat().st_size if path.is_file() else 0
    if part.size is not None and size != part.size:
        return f"it has {size} bytes, {part.size} were expected"
    if part.digest is None:
        return None
    kind, _, expected = part.digest.partition(":")
    sums = hashlib.sha256() if kind == "sha256" else hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            sums.update(data)
    if sums.hexdigest() != expected:
        return f"its {'SHA-256' if kind == 'sha256' else 'git digest'} is {sums.hexdigest()}, {expected} was expected"
    return None


def _fetch(model: Published, name: str, part: Part, path: Path, endpoint: str | None) -> Iterator[int]:
    """Append to a file what it lacks; gives how many bytes it has, after every piece."""
    try:
        from huggingface_hub import constants, hf_hub_url
    except ImportError as error:
        raise UserError("downloading needs the library 'huggingface_hub': pip install huggingface_hub") from error
    if constants.HF_HUB_OFFLINE:
        raise UserError(f"{name} of {model.repository} was not fetched: HF_HUB_OFFLINE is set in the environment")
    had = path.stat().st_size if path.is_file() else 0
    if part.size is not None and had > part.size:
        path.unlink()
        had = 0
    yield had
    if had == part.size:
        return
    address = hf_hub_url(model.repository, name, revision=model.revision, endpoint=endpoint)
    asked = Request(address, headers={"User-Agent": "comfyui-fulldit", **({"Range": f"bytes={had}-"} if had else {})})
    try:
        with urlopen(asked, timeout=TIMEOUT) as answer:
            if had and answer.status != 206:  # it does not go on where it stopped: anew
                had = 0
            with path.open("ab" if had else "wb") as file:
                while data := answer.read(CHUNK):
                    had += len(data)
                    if had > (part.size or had):
                        break
                    file.write(data)
                    yield had
            if had > (part.size or had):
                path.unlink()
                raise UserError(f"{name} of {model.repository} is not what was announced: more than {part.size} bytes")
            if had < (part.size or had):
                raise ConnectionError(f"it broke off after {had} of {part.size} bytes")
    except (OSError, HTTPException) as error:
        raise UserError(
            f"{name} of {model.repository} could not be fetched ({_first_line(error)}): try again, it goes on where it"
            " stopped"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
