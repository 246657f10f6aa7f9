"""Clips that were made, kept while the objects that made them live: what did not change is not made again."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

MOST_BYTES = 2**30


class ClipCache:
    """The latest clips by what they were made from, as many as fit into `most` bytes.

    owners: the objects behind a clip (MODEL, CLIP, VAE). Equal ones cannot be told from changed ones by their content,
    so it is the objects themselves that count: the host gives the same ones again where nothing before them changed.
    """

    def __init__(self, most: int = MOST_BYTES):
        self.most = most
        self._clips: OrderedDict[Hashable, tuple[list[weakref.ref[Any]], np.ndarray]] = OrderedDict()

    def get(self, owners: Sequence[Any], key: Hashable) -> np.ndarray | None:
        """Return the clip of these owners and this key, or None."""
        self._forget_dead()
        found = self._clips.get(_key(owners, key))
        if found is None:
            return None
        self._clips.move_to_end(_key(owners, key))
        return found[1]

    def put(self, owners: Sequence[Any], key: Hashable, clip: np.ndarray) -> None:
        """Keep a clip, and drop the oldest until all fit; one that is too large by itself is not kept."""
        self._forget_dead()
        if clip.nbytes > self.most:
            return
        self._clips[_key(owners, key)] = ([weakref.ref(owner) for owner in owners], clip)
        while sum(kept.nbytes for _, kept in self._clips.values()) > self.most:
            self._clips.popitem(last=False)

    def _forget_dead(self) -> None:
        """Drop the clips of owners that are gone: their place in memory may be another object's."""
        for key, (owners, _) in list(self._clips.items()):
            if any(owner() is None for owner in owners):
                del self._clips[key]


def _key(owners: Sequence[Any], key: Hashable) -> Hashable:
    return (*(id(owner) for owner in owners), key)
