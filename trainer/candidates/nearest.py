"""The neighbours of one night: the lessons as rows, and how they would have answered.

lessons | hashed under the key | each judged one asks what was learnt before it, of its own fold too where dates mean
something | the weight beside the trained model that answers best  ->  Nearby, the trained model and its neighbours
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]

from daemon.model.classifier import blend
from daemon.model.engines.engine import Floats
from daemon.model.model_folder import ModelFolder
from daemon.model.neighbours import CAPACITY, COLUMNS, Near, Neighbours, Rows, hashed, nearest, rarity, unit_rows
from daemon.model.term_key import TermKey
from trainer.calibrate import calibrated_losses, really_more
from trainer.candidates.candidate import Candidate
from trainer.candidates.products import inner_products
from trainer.context import Night
from trainer.folds import Labels, Lessons
from trainer.recipe import Evidence


@dataclass(frozen=True)
class Nearby(Candidate):
    """A trained model, beside which the most similar lessons count `share`. Also with none, for they are the ones that
    know mail of folders that are newer than the model.

    `near`: what the lessons say to each judged lesson (NaN where no fold judged), `exam_near` to each of the exam.
    """

    trained: Candidate
    file: Path
    share: float
    near: Near
    exam_near: Near

    def write(self, folder: Path) -> None:
        self.trained.write(folder)
        self.file.rename(ModelFolder(folder).neighbours)

    def described(self) -> dict[str, Any]:
        return {**self.trained.described(), "neighbours": self.share}

    @property
    def sentence(self) -> str:
        """What the neighbours count; nothing where they don't."""
        return f" What people did with the most similar mails counts {self.share:.0%} beside it." if self.share else ""


def beside(trained: Candidate, judged: npt.NDArray[np.bool_], night: Night, scratch: Path) -> Nearby:
    """The trained model with its neighbours, in the share that answers the `judged` lessons best. Raises OSError."""
    lessons = night.lessons
    neighbours, near = fit_neighbours(lessons, night.key)
    share = fit_share(
        trained.answers[judged], near.logprobs[judged], lessons.labels[judged], lessons.by_time, night.recipe.evidence
    )
    neighbours.save(scratch)
    exam_near = Neighbours.load(scratch, night.key).near(night.exam.texts)
    answers, exam = trained.answers, trained.exam
    if share > 0:
        answers, exam = blend(near.logprobs, answers, share), blend(exam_near.logprobs, exam, share)
    file = ModelFolder(scratch).neighbours
    return Nearby(trained.name, answers, exam, trained.words, trained, file, share, near, exam_near)


def fit_neighbours(lessons: Lessons, key: TermKey) -> tuple[Neighbours, Near]:
    """The neighbours of all lessons, and what these say to each judged lesson (NaN where no fold judged).

    With dates, a judged lesson also sees the lessons of its own fold that came before it: in service people teach
    between two trainings, and that is what neighbours are for. Deterministic.
    """
    examples, labels = lessons.examples, lessons.labels
    order = np.argsort([example.time for example in examples], kind="stable")
    counts = hashed([examples[index].text for index in order], key)
    answers = Near.blank(len(examples), lessons.classes)
    place = np.empty(len(examples), np.int64)
    place[order] = np.arange(len(examples))
    for learnt, judged in lessons.folds:
        marked = np.zeros(len(examples), bool)
        marked[place[learnt]] = True
        rows = _matrix(unit_rows(counts, rarity(counts.kept(marked))))
        # By place in time from here on.
        seen, asked = np.sort(place[np.concatenate([learnt, judged]) if lessons.by_time else learnt]), place[judged]
        behind = np.searchsorted(seen, asked) if lessons.by_time else np.full(len(asked), len(seen))
        first = max(0, int(behind.min()) - CAPACITY)  # as many as the service keeps
        likeness = inner_products(rows[asked], rows[seen[first:]])
        for row, before, index in zip(likeness, behind, judged, strict=True):
            kept = slice(max(0, before - CAPACITY), before)
            near = row[kept.start - first : kept.stop - first]
            answers[[index]] = nearest(near, labels[order[seen[kept]]], lessons.classes)
    ids = np.array([example.id if isinstance(example.id, int) else -1 for example in examples], np.int64)
    return Neighbours.of(lessons.categories, counts, labels[order], ids[order], key), answers


def _matrix(rows: Rows) -> sparse.csr_matrix:
    return sparse.csr_matrix((rows.values, rows.columns, rows.starts), shape=(len(rows), COLUMNS))


def fit_share(trained: Floats, neighbours: Floats, labels: Labels, by_time: bool, evidence: Evidence) -> float:
    """The neighbours' share with which both together answer best; 0 without evidence.

    By right answers to half a point, then by the probability given to them; a smaller share wins a draw. Mail without
    dates shows nothing of the bursts that neighbours are for: there the gain in right answers must be more than luck.
    """
    if len(labels) == 0:
        return 0.0
    both = {share: blend(neighbours, trained, share) for share in evidence.neighbours}
    right = {share: (answers.argmax(axis=1) == labels).astype(float) for share, answers in both.items()}

    def worth(share: float) -> tuple[int, float]:
        loss = float(calibrated_losses(both[share], labels, evidence).mean())
        return round(float(right[share].mean()) * 200), -loss

    best = max(evidence.neighbours, key=lambda share: (*worth(share), -share))
    return best if by_time or really_more(right[best], right[0.0], evidence.beyond_luck) else 0.0
