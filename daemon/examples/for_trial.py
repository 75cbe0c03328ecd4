"""What must be true of examples before ways to sort them can be tried and judged. Pure: mistakes in sentences."""

from __future__ import annotations

from collections import Counter, defaultdict

from daemon.examples.example_file import Examples
from daemon.examples.row_mistakes import in_rows, listed

MOST_CATEGORIES = 500
"""SmolLM2's vocabulary has codes for 767; long before that a few texts a category are not told apart."""


def not_to_be_tried(examples: Examples) -> list[str]:
    """Why nothing can be learnt and judged with these; each sentence says what to do."""
    counts = Counter(example.label for example in examples.rows)
    if len(counts) == 1:
        [only] = counts
        return [f'all its rows are of one category, "{only}". It takes two at least, to have something to tell apart.']
    if max(counts.values()) == 1:
        return [
            f"each of its {len(counts):,} rows has a category of its own, so nothing can be learnt and judged. Are the "
            "columns of text and category mixed up? Else give each category some dozen texts."
        ]
    if len(counts) > MOST_CATEGORIES:
        largest = listed([f'"{name}"' for name, _ in counts.most_common(4)])
        return [
            f"it has {len(counts):,} categories, and a model answers with {MOST_CATEGORIES} at most. Join some: "
            f"the largest are {largest}."
        ]
    if sum(count > 1 for count in counts.values()) < 2:
        return ["only one category has more than one text. Give each some dozen texts."]
    return []


def not_to_judge_by(test: Examples, examples: Examples) -> list[str]:
    """Why these cannot judge what `examples` teach."""
    known = set(examples.labels)
    unknown: dict[str, list[int]] = defaultdict(list)
    for example in test.rows:
        if example.label not in known:
            unknown[example.label].append(example.row)
    if not unknown:
        return []
    names = listed([f'"{name}"' for name in sorted(unknown)])
    rows = in_rows(row for rows in unknown.values() for row in rows)
    return [f"{rows}: a category that the examples do not teach ({names}). Correct it, or delete these rows."]
