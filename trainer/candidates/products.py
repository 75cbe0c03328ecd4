"""Inner products of texts: how much of their words each has in common with each other.

Sparse rows of real mail have two kinds of columns: a few thousand that many texts hold, and a hundred thousand that
hardly any does. The first are dense to a library of dense matrices, which takes a tenth of the time over them.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

from daemon.model.engines.engine import Floats

COMMON = 1 / 16
"""A column that this share of the texts hold is a dense one."""
AT_ONCE = 1000
"""Columns, or rows: bounds the memory."""


def inner_products(rows: sparse.csr_matrix, others: sparse.csr_matrix) -> Floats:
    """Of every row with every one of `others`, in single precision."""
    spread = np.bincount(others.indices, minlength=others.shape[1])
    many = np.flatnonzero(spread > others.shape[0] * COMMON)
    by_column, others_by_column = rows.tocsc(), others.tocsc()
    found = np.zeros((rows.shape[0], others.shape[0]), np.float32)
    for start in range(0, len(many), AT_ONCE):
        part = many[start : start + AT_ONCE]
        found += by_column[:, part].toarray() @ others_by_column[:, part].toarray().T
    few = np.flatnonzero((spread > 0) & (spread <= others.shape[0] * COMMON))
    rare, others_rare = by_column[:, few].tocsr(), others_by_column[:, few].T.tocsr()
    for start in range(0, len(found), AT_ONCE):
        found[start : start + AT_ONCE] += (rare[start : start + AT_ONCE] @ others_rare).toarray()
    return found
