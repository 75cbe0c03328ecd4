"""How much each term of a mail tells about its category: what the linear model weighs words by.

The weight comes from the entropy of the shares of each category's texts that hold the term.

A term's rarity (IDF) knows nothing of the categories: a name that stands in every folder is rare as well. Weighing by
the categories as well was worth four points of a hundred on a real mailbox (docs/experiments.md). Categories count
alike, however many texts they have: "balanced distributional concentration" of Wang, Cai, Leung, Lau and Min, "Entropy-
Based Term Weighting Schemes for Text Categorization in VSM" (ICTAI 2015), smoothed and squared.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

from daemon.model.engines.engine import Floats
from trainer.folds import Labels
from trainer.recipe import Linear


def telling(counts: sparse.csr_matrix, labels: Labels, classes: int, recipe: Linear) -> Floats:
    """One weight a column, from (least / (1 + least))² for what tells nothing to nearly 1, where `recipe` says `least`.

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
    for start in range(0, len(weights), recipe.columns_at_once):
        part = slice(start, start + recipe.columns_at_once)
        shares = holds[:, part].toarray()[seen] / present[seen, None] + recipe.smoothing
        shares /= shares.sum(axis=0)
        entropy = -(shares * np.log(shares)).sum(axis=0) / np.log(len(seen))
        weights[part] = ((np.maximum(1 - entropy, 0) + recipe.least) / (1 + recipe.least)) ** 2
    return weights
