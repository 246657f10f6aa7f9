"""A Hugging Face hub in memory, at the border of `huggingface_hub`: tests use no network."""

from __future__ import annotations

import hashlib
import io
from types import SimpleNamespace


class FakeHub:
    """One repository. `broken`: an exception that every question and reading raises. `hang_up`: reading ends, once,
    after this byte. `questions` and `reads` (path, first byte, bytes) count what was asked."""

    repository = "someone/Tiny-Depth-hf"
    revision = "c" * 40

    def __init__(self, contents: dict[str, bytes]):
        self.contents = contents
        self.broken: Exception | None = None
        self.hang_up: int | None = None
        self.questions = 0
        self.reads: list[tuple[str, int, int]] = []

    def sha256(self, path: str) -> str:
        return hashlib.sha256(self.contents[path]).hexdigest()

    def git_digest(self, path: str) -> str:
        data = self.contents[path]
        return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()

    def api(self) -> SimpleNamespace:
        """Stands for `HfApi()`."""

        def model_info(repository, files_metadata, timeout):
            assert repository == self.repository or self.broken
            assert files_metadata and timeout
            self.questions += 1
            if self.broken:
                raise self.broken
            siblings = [
                SimpleNamespace(
                    rfilename=path,
                    size=len(data),
                    blob_id=self.git_digest(path),
                    lfs=SimpleNamespace(sha256=self.sha256(path)) if path.endswith(".safetensors") else None,
                )
                for path, data in self.contents.items()
            ]
            return SimpleNamespace(sha=self.revision, siblings=siblings)

        return SimpleNamespace(model_info=model_info)

    def file_system(self) -> SimpleNamespace:
        """Stands for `HfFileSystem()`."""

        def open(source, mode, block_size, cache_type):
            assert (mode, cache_type) == ("rb", "none") and block_size > 0
            if self.broken:
                raise self.broken
            repository, _, rest = source.partition("@")
            revision, _, path = rest.partition("/")
            assert (repository, revision) == (self.repository, self.revision)
            return RemoteReader(self, path)

        return SimpleNamespace(open=open)


class RemoteReader(io.BytesIO):
    """A file of the hub, opened."""

    def __init__(self, hub: FakeHub, path: str):
        super().__init__(hub.contents[path])
        self.hub, self.path = hub, path

    def read(self, size: int = -1) -> bytes:
        first = self.tell()
        data = super().read(size)
        if self.hub.hang_up is not None and self.path.endswith(".safetensors") and first + len(data) > self.hub.hang_up:
            data, self.hub.hang_up = data[: self.hub.hang_up - first], None
            self.seek(0, io.SEEK_END)
        self.hub.reads.append((self.path, first, len(data)))
        return data
