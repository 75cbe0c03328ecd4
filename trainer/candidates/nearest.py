"""The neighbours of one night: the lessons as rows, and how they would have answered.

lessons | hashed under the key | each judged one asks what was learnt before it, of its own fold too where dates mean
something | the weight beside the trained model that answers best  ->  Neighbours, out-of-fold answers
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

from daemon.model.classifier import blend
from daemon.model.engines.engine import Floats
from daemon.model.neighbours import COLUMNS, Neighbours, Rows, hashed, rarity, unit_rows, votes
from daemon.model.term_key import TermKey
from trainer.calibrate import calibrated_loss, really_more
from trainer.candidates.heads import Fold, Labels
from trainer.dataset import Example

WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8)


def fit_neighbours(
    examples: Sequence[Example],
    labels: Labels,
    categories: Sequence[str],
    parts: Sequence[Fold],
    by_time: bool,
    key: TermKey,
) -> tuple[Neighbours, Floats]:
    """The neighbours of all examples, and each judged example's answer (NaN where no fold judged).

    With dates, a judged lesson also sees the lessons of its own fold that came before it: in service people teach
    between two trainings, and that is what neighbours are for. Deterministic.
    """
    order = np.argsort([example.time for example in examples], kind="stable")
    counts = hashed([examples[index].text for index in order], key)
    answers = np.full((len(examples), len(categories)), np.nan, np.float32)
    place = np.empty(len(examples), np.int64)
    place[order] = np.arange(len(examples))
    for learnt, judged in parts:
        marked = np.zeros(len(examples), bool)
        marked[place[learnt]] = True
        rows = _matrix(unit_rows(counts, rarity(counts.kept(marked))))
        # By place in time from here on.
        seen, asked = np.sort(place[np.concatenate([learnt, judged]) if by_time else learnt]), place[judged]
        likeness = (rows[asked] @ rows[seen].T).toarray()
        for row, at, index in zip(likeness, asked, judged, strict=True):
            before = int(np.searchsorted(seen, at)) if by_time else len(seen)
            answers[index] = votes(row[:before], labels[order[seen[:before]]], len(categories))
    ids = np.array([example.id if isinstance(example.id, int) else -1 for example in examples], np.int64)
    return Neighbours.of(categories, counts, labels[order], ids[order], key), answers


def _matrix(rows: Rows) -> sparse.csr_matrix:
    return sparse.csr_matrix((rows.values, rows.columns, rows.starts), shape=(len(rows), COLUMNS))


def fit_share(trained: Floats, neighbours: Floats, labels: Labels, by_time: bool) -> float:
    """The neighbours' share with which both together answer best; 0 without evidence.

    By right answers to half a point, then by the probability given to them; a smaller share wins a draw. Mail without
    dates shows nothing of the bursts that neighbours are for: there the gain in right answers must be more than luck.
    """
    if len(labels) == 0:
        return 0.0

    both = {share: blend(neighbours, trained, share) for share in WEIGHTS}
    right = {share: (answers.argmax(axis=1) == labels).astype(float) for share, answers in both.items()}

    def worth(share: float) -> tuple[int, float]:
        return round(float(right[share].mean()) * 200), -calibrated_loss(both[share], labels)

    best = max(WEIGHTS, key=lambda share: (*worth(share), -share))
    return best if by_time or really_more(right[best], right[0.0]) else 0.0
