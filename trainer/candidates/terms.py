"""How much each term of a mail tells about its category: what the linear model weighs words by.

    counts of terms | in what share of each category's texts | entropy of these shares  ->  a weight a term

A term's rarity (IDF) knows nothing of the categories: a name that stands in every folder is rare as well. Weighing by
the categories as well was worth four points of a hundred on a real mailbox (docs/experiments.md). Categories count
alike, however many texts they have: "balanced distributional concentration" of Wang, Cai, Leung, Lau and Min, "Entropy-
Based Term Weighting Schemes for Text Categorization in VSM" (ICTAI 2015), smoothed and squared.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

from daemon.model.engines.engine import Floats
from trainer.candidates.heads import Labels

# A share that every category gets for nothing: a term of one or two texts is no proof.
SMOOTHING = 0.01
# How much a term that all categories hold alike still counts, before squaring, beside 1 for the most telling one.
LEAST = 0.2
# Bounds the memory: hundreds of categories times a million terms don't fit at once.
COLUMNS_AT_ONCE = 20_000


def telling(counts: sparse.csr_matrix, labels: Labels, classes: int) -> Floats:
    """One weight a column, from (LEAST / (1 + LEAST))² for what tells nothing to nearly 1. Pure.

    `counts` holds a row for each text; of its values only zero or not counts. Of one category alone nothing can be
    told, and all columns weigh the same.
    """
    present = np.bincount(labels, minlength=classes)
    seen = np.flatnonzero(present)
    weights = np.ones(counts.shape[1], np.float32)
    if len(seen) < 2:
        return weights
    rows = np.arange(len(labels))
    members = sparse.csr_matrix((np.ones(len(labels), np.float32), (labels, rows)), (classes, len(labels)))
    holds = (members @ counts.astype(bool).astype(np.float32)).tocsc()
    for start in range(0, len(weights), COLUMNS_AT_ONCE):
        part = slice(start, start + COLUMNS_AT_ONCE)
        shares = holds[:, part].toarray()[seen] / present[seen, None] + SMOOTHING
        shares /= shares.sum(axis=0)
        entropy = -(shares * np.log(shares)).sum(axis=0) / np.log(len(seen))
        weights[part] = ((np.maximum(1 - entropy, 0) + LEAST) / (1 + LEAST)) ** 2
    return weights
