"""May the candidate replace the model in use? Answers to the same exam in, a verdict in a plain sentence out.

The model in use is kept if the candidate took no exam or has nothing right, is worse as a whole, on the frozen part,
on what the model in use knows (whatever a new category gains), or clearly worse in one category. Else the candidate is
promoted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer.evaluate import paired_chance
from trainer.recipe import Gate


@dataclass(frozen=True)
class ExamAnswer:
    """One lesson of the exam: its category, and whether each model was right. `current`: None without one in use.

    `new`: the model in use doesn't know this category, so it can't have been right.
    """

    category: str
    frozen: bool
    candidate: bool
    current: bool | None
    new: bool = False


@dataclass(frozen=True)
class Verdict:
    """`sentence` is what `postroom models` shows."""

    promote: bool
    sentence: str


def judge(answers: Sequence[ExamAnswer], categories: int, names: Mapping[str, str], recipe: Gate) -> Verdict:
    """Decide. `categories`: how many there are to choose from, which is what chance is measured by."""
    count = len(answers)
    right = sum(answer.candidate for answer in answers)
    if count == 0:
        return Verdict(False, "Not promoted: there are too few lessons for an exam. Teach a few more of each folder.")
    compared = [answer for answer in answers if answer.current is not None]
    if not compared:
        return _first_model(answers, right, categories, names)
    before = sum(bool(answer.current) for answer in compared)
    score = f"{right} of {count} right in the exam, the model in use {before}"
    if right == 0:
        return Verdict(False, f"Kept the model in use: the new one got nothing right ({score}).")
    chance = paired_chance([answer.candidate for answer in compared], [bool(answer.current) for answer in compared])
    if right < before and (chance < recipe.clearly or right < before - max(1, count // 50)):
        return Verdict(False, f"Kept the model in use: the new one got {score}.")
    frozen = [answer for answer in compared if answer.frozen]
    if _clearly_worse(frozen, recipe):
        return Verdict(False, f"Kept the model in use: the new one is worse on the frozen part of the exam ({score}).")
    known = [answer for answer in compared if not answer.new]
    if len(known) < len(compared) and _clearly_worse(known, recipe):
        kept, had = sum(answer.candidate for answer in known), sum(bool(answer.current) for answer in known)
        return Verdict(
            False,
            "Kept the model in use: the new one knows more folders, but is worse on those that both know "
            f"({kept} of {len(known)} right there, the model in use {had}).",
        )
    by_category: dict[str, list[ExamAnswer]] = defaultdict(list)
    for answer in compared:
        by_category[answer.category].append(answer)
    worse = sorted(category for category, part in by_category.items() if _category_worse(part, recipe))
    if worse:
        listed = ", ".join(names.get(category, category) for category in worse)
        return Verdict(False, f"Kept the model in use: the new one is clearly worse on {listed} ({score}).")
    return Verdict(True, _promotion(by_category, score, names))


def beat_the_withdrawn(verdict: Verdict, candidate: Sequence[bool], withdrawn: Sequence[bool] | None) -> Verdict:
    """People overrode a model so often that it was taken back: one that is no better would be, too."""
    if not verdict.promote or withdrawn is None or sum(candidate) > sum(withdrawn):
        return verdict
    score = f"{sum(candidate)} of {len(candidate)} right in the exam, that one {sum(withdrawn)}"
    return Verdict(
        False, f"Kept the model in use: the new one is no better than the one that was rolled back ({score})."
    )


def _first_model(answers: Sequence[ExamAnswer], right: int, categories: int, names: Mapping[str, str]) -> Verdict:
    count = len(answers)
    if right * max(categories, 1) <= count and categories > 1:
        return Verdict(False, f"Not promoted: {right} of {count} right in the exam is no better than guessing.")
    examined = {answer.category for answer in answers}
    only = f", which held only {names.get(*examined, *examined)}" if len(examined) == 1 and categories > 1 else ""
    return Verdict(
        True, f"First model: {right} of {count} right in the exam{only}, {categories} folders to choose from."
    )


def _clearly_worse(part: Sequence[ExamAnswer], recipe: Gate) -> bool:
    lost = sum(bool(answer.current) and not answer.candidate for answer in part)
    won = sum(answer.candidate and not answer.current for answer in part)
    candidate, current = [answer.candidate for answer in part], [bool(answer.current) for answer in part]
    return lost > won + 1 and paired_chance(candidate, current) < recipe.clearly


def _category_worse(part: Sequence[ExamAnswer], recipe: Gate) -> bool:
    lost = sum(bool(answer.current) and not answer.candidate for answer in part)
    won = sum(answer.candidate and not answer.current for answer in part)
    nearly_all = lost - won >= 3 and sum(answer.candidate for answer in part) * 2 < sum(bool(a.current) for a in part)
    return len(part) >= recipe.least_of_a_category and (nearly_all or _clearly_worse(part, recipe))


def _promotion(by_category: Mapping[str, Sequence[ExamAnswer]], score: str, names: Mapping[str, str]) -> str:
    gain = {
        category: sum(answer.candidate for answer in part) - sum(bool(answer.current) for answer in part)
        for category, part in by_category.items()
    }
    better = sum(change > 0 for change in gain.values())
    down = sorted((names.get(category, category) for category, change in gain.items() if change < 0), key=str.lower)
    sentence = f"Promoted: {score}; better on {better} of {len(gain)} folders"
    if not better and not down:
        sentence = f"Promoted: {score}; as good on all {len(gain)} folders, and it knows the newest lessons"
    if down:
        sentence += f", slightly worse on {', '.join(down)}"
    return f"{sentence}."
