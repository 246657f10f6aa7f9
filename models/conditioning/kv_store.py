"""Keeps the K and V of conditions between the steps of a run: what fits beside the network, the rest in main memory.

Guidance by one scale per condition asks for several in turn, step after step. Where not all fit, forgetting the least
recently used would forget each just before it is asked for again, so those that came first stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from .kv_cache import ConditionKVCache

CacheKey: TypeAlias = tuple[object, ...]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Room:
    """Bytes that may be held in all: on the network's `device`, and in `main` memory beside it."""

    device: int
    main: int = 0


@dataclass(eq=False)
class _Entry:
    cache: ConditionKVCache
    run: int
    on_device: bool


class KVCacheStore:
    """Caches by what they were computed from. `made` counts how often one had to be computed."""

    def __init__(self) -> None:
        self.made = 0
        self._entries: dict[CacheKey, _Entry] = {}  # in the order of their last use
        self._run = 0
        self._has_warned = False

    def start_run(self) -> None:
        """Begin a run: what it does not use makes room for what it does."""
        self._run += 1
        self._has_warned = False

    def get(
        self,
        key: CacheKey,
        make: Callable[[], ConditionKVCache],
        room: Callable[[], Room],
        device: torch.device | str = "cpu",
    ) -> ConditionKVCache:
        """Return what `make()` gave on `device` for `key` before, or gives now.

        `room()` is asked only where something is made.
        """
        entry = self._entries.pop(key, None)
        if entry is None:
            cache = make()
            self.made += 1
            self._keep(key, cache, room())
            return cache
        entry.run = self._run
        self._entries[key] = entry
        return entry.cache if entry.on_device else entry.cache.to(device)

    def _keep(self, key: CacheKey, cache: ConditionKVCache, room: Room) -> None:
        """Keep a new cache where there is room; caches of earlier runs make some."""
        for old in [old for old, entry in self._entries.items() if entry.run != self._run]:
            if self.held(on_device=True) + cache.nbytes <= room.device:
                break
            del self._entries[old]
        if self.held(on_device=True) + cache.nbytes <= room.device:
            self._entries[key] = _Entry(cache, self._run, on_device=True)
        elif self.held(on_device=False) + cache.nbytes <= room.main:
            self._entries[key] = _Entry(cache.in_main_memory(), self._run, on_device=False)
        elif not self._has_warned:
            self._has_warned = True
            megabytes = cache.nbytes / 2**20
            _log.warning(
                "FullDiT: there is no memory to keep the keys and values of all conditions (%.0f MB more are needed);"
                " some are computed again at every step.",
                megabytes,
            )

    def trim(self, limit: int) -> None:
        """Forget the least recently used until no more than `limit` bytes are held."""
        while self._entries and self.nbytes > limit:
            del self._entries[next(iter(self._entries))]

    @property
    def nbytes(self) -> int:
        """Bytes held, wherever they are."""
        return self.held(on_device=True) + self.held(on_device=False)

    def held(self, on_device: bool) -> int:
        """Return the bytes held on the device, or in main memory beside it."""
        return sum(entry.cache.nbytes for entry in self._entries.values() if entry.on_device == on_device)
