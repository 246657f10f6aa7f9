"""Tensors of which each process has a share, as a folder of safetensors files: torch's distributed checkpoint (DCP).

Every process writes its share to a file of its own; any number of processes reads them again, each what is its share
then. The files are plain safetensors: nothing is pickled.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save, save

from ...control.errors import UserError
from ...control.files import room_for
from .distributed import is_main

Tensors: TypeAlias = dict[str, torch.Tensor]
Saved: TypeAlias = tuple[tuple[int, ...], torch.dtype]  # size and format of a tensor in the files


def write_sharded(folder: Path, tensors: Tensors) -> None:
    """Write `tensors` (DTensors, or the same in every process) to a new folder; all processes call this.

    Raises DiskFullError where there is no room; nothing is left of the folder then.
    """
    with nothing_left(folder):
        save(contiguous(tensors), storage_writer=_writer(folder), no_dist=not dist.is_initialized())


def begin_sharded(folder: Path, tensors: Tensors, group: dist.ProcessGroup | None) -> Future[Any]:
    """Write as `write_sharded` does, but in the background: return once the tensors are copied.

    group: that of all processes which the writing alone uses (`background_group`). Whoever waits for the result does so
    within `nothing_left`.
    """
    with nothing_left(folder):
        writing = async_save(
            contiguous(tensors), storage_writer=_writer(folder), process_group=group, no_dist=group is None
        )
    assert isinstance(writing, Future)
    return writing


def background_group() -> dist.ProcessGroup | None:
    """Return a new group of all processes, over the CPU: in that of the training, what is said in the background would
    be taken for what the training says at the same time. All processes call this."""
    return dist.new_group(backend="gloo") if dist.is_initialized() else None


def contiguous(tensors: Tensors) -> Tensors:
    """Return the tensors as files hold them; the weights of convolutions may lie otherwise in memory."""
    return {name: value.contiguous() for name, value in tensors.items()}


def _writer(folder: Path) -> HuggingFaceStorageWriter:
    return HuggingFaceStorageWriter(str(folder), save_distributed=True)


@contextmanager
def nothing_left(folder: Path) -> Iterator[None]:
    """Remove the folder where the block, which writes it, fails; raise what the system said, and DiskFullError."""
    try:
        with room_for(folder):
            try:
                with one_process_is_meant():
                    yield
            except CheckpointException as error:  # no Exception: it would pass by whoever handles those
                cause = next(failure for failure, _ in error.failures.values())
                raise cause if isinstance(cause, OSError) else RuntimeError(str(error)) from error
    except BaseException:
        if is_main():
            shutil.rmtree(folder, ignore_errors=True)
        raise


def saved_tensors(folder: Path) -> dict[str, Saved]:
    """Return what is in a folder by name. Raises UserError where it is missing or a file of it is damaged."""
    with readable(folder):
        entries = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
        if not entries:
            raise FileNotFoundError("it holds no tensors")
    tensors = {name: entry for name, entry in entries.items() if isinstance(entry, TensorStorageMetadata)}
    return {name: (tuple(entry.size), entry.properties.dtype) for name, entry in tensors.items()}


def read_sharded(folder: Path, tensors: Tensors, saved: Mapping[str, Saved]) -> None:
    """Read a folder into `tensors`, whose names and sizes must be those that are `saved`; all processes call this.

    Raises UserError where they are not, or where a file is damaged.
    """
    sizes = {name: tuple(value.shape) for name, value in tensors.items()}
    other = sorted(name for name in sizes.keys() | saved.keys() if sizes.get(name) != saved.get(name, (None,))[0])
    if other:
        raise UserError(
            f"The state in '{folder}' is of another network: {len(other)} of its tensors do not fit, such as "
            f"'{other[0]}'. Go on with the config that it was trained with, or choose another folder."
        )
    with readable(folder):
        reader = HuggingFaceStorageReader(str(folder))
        load(tensors, storage_reader=reader, no_dist=not dist.is_initialized())


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Raise UserError where the block cannot read the folder's files."""
    try:
        with one_process_is_meant():
            yield
    except (Exception, CheckpointException) as error:
        reason = str(error).strip().splitlines()[-1]
        raise UserError(
            f"'{folder}' is a damaged training state ({reason}). Delete it, and the file that names it, to begin anew."
        ) from error


@contextmanager
def one_process_is_meant() -> Iterator[None]:
    """Keep DCP from warning that there is only one process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable or uninitialized")
        yield
