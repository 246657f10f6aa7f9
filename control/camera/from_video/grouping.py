"""Sums and medians of rows that share an index."""

from __future__ import annotations

import numpy as np


def sum_by_index(values: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    """Return the sums (count, ...) of the values (M, ...) with each index, from `index` (M,)."""
    flat = values.reshape(len(values), -1)
    sums = np.stack([np.bincount(index, column, count) for column in flat.T], 1)
    return sums.reshape(count, *values.shape[1:])


def median_by_index(values: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    """Return the (upper) medians (count,) of the values (M,) with each index, from `index` (M,).

    An index without values gets that of another; there must be values at all.
    """
    order = np.lexsort((values, index))
    sizes = np.bincount(index, minlength=count)
    first = np.cumsum(sizes) - sizes
    middle = np.minimum(first + sizes // 2, len(values) - 1)
    medians: np.ndarray = values[order][middle]
    return medians
