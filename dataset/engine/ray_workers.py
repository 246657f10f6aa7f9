"""The work on Ray Data: actors that load their networks once and note what becomes of each clip themselves.

Ray may do a clip twice where a worker dies; since results are named by the clip and written whole, that leaves one.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...control.errors import UserError
from ...control.files import DiskFullError
from ..manifest import Clip, parse_clip
from .records import Records
from .work import Work

OBJECT_STORE = 128 * 2**20  # bytes: what travels are lines of a manifest
_FULL = "disk full: "  # before the message of a worker that found no room


class ClipWorker:
    """An actor's class: lines of clips in, ids and reasons out."""

    def __init__(self, work: Work, root: str, out: str):
        self.records = Records(Path(out))
        self.process = work.open(Path(root), Path(out))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Work on the clips of a batch."""
        return {"reason": [self._reason(parse_clip(json.loads(line))) for line in batch["clip"]]}

    def _reason(self, clip: Clip) -> str:
        try:
            return self.records.process(self.process, clip)
        except DiskFullError as error:
            return f"{_FULL}{error}"


def process_on_ray(
    todo: list[Clip], root: Path, records: Records, work: Work, workers: int, address: str | None
) -> Iterator[str]:
    """Yield the reason of each clip's failure, '' where it did not fail, as they come.

    address: of a cluster, all of whose machines see the folders under the same paths; None starts Ray on this machine,
    for as long as the run takes. Raises UserError where Ray is missing or does not start, and DiskFullError.
    """
    ray, workers = _ray(), max(workers, 1)
    # Short, since the names of sockets are.
    own = None if address else tempfile.mkdtemp(prefix="fd-ray-")
    local = {"num_cpus": workers + 1, "object_store_memory": OBJECT_STORE, "_temp_dir": own}
    shared = {"address": address, "include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        ray.init(**shared, **({} if address else local))
    except Exception as error:  # Ray has no kind of its own for a node that does not come up
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)
        raise UserError(
            f"Ray did not start ({str(error)[:200].rstrip('.')}): check --address, wait until the machine is less "
            f"busy, or take 0 workers, which work in this process"
        ) from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        lines = [{"clip": json.dumps(clip.to_json())} for clip in todo]
        rows = ray.data.from_items(lines, override_num_blocks=min(len(lines), 8 * workers)).map_batches(
            ClipWorker,
            fn_constructor_args=(work, str(root.resolve()), str(records.folder.resolve())),
            compute=ray.data.ActorPoolStrategy(size=workers),
            batch_size=1,
            num_cpus=1,
        )
        for row in rows.iter_rows():
            reason = str(row["reason"])
            if reason.startswith(_FULL):
                raise DiskFullError(reason.removeprefix(_FULL))
            yield reason
    finally:
        ray.shutdown()
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)


def _ray() -> Any:
    """Return the ray module with Ray Data. Raises UserError where it is not installed."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UserError(
            "workers need Ray, which is not installed: pip install 'comfyui-fulldit[dataset]', or take 0 workers, which"
            " work in this process"
        ) from error
    return ray
