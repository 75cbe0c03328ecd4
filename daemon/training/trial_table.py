"""The table of `postroom try`: one row a way, 80 columns at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daemon.training.trial_order import Share, TrialResult, Way

NAMES: Mapping[Way, str] = {
    "majority": "always the largest category",
    "words": "words alone (linear model)",
    "base_free": "untrained base, free answer",
    "base_closed": "untrained base, closed set",
    "names": "fine-tuned on names",
    "codes": "fine-tuned on codes",
    "pooled": "pooled language model (the default)",
    "served": "what would serve",
}


def table(result: TrialResult) -> str:
    """The rows with their 95 % intervals (Wilson), in percent."""
    lines = [f"{'':<37} {'right':>6}  {'95 % interval':>13}  {'of':>6}  {'took':>7}"]
    for row in result.rows:
        if row.found is None:
            lines.append(f"{NAMES[row.way]:<37} {'-':>6}  not tried, see below")
        else:
            lines.append(_line(NAMES[row.way], row.found, f"{row.seconds:,.0f} s" if row.seconds >= 1 else ""))
    lines += _filed(result)
    return "\n".join(lines)


def _filed(result: TrialResult) -> Iterator[str]:
    if result.filed is None:
        return
    yield _line(f"  would file, at {result.filed.wanted:g} wanted", result.filed.share)
    if result.filed.right.n:
        yield _line("  of that, rightly", result.filed.right)


def _line(name: str, found: Share, took: str = "") -> str:
    span = f"{100 * found.low:.1f} - {100 * found.high:.1f}"
    return f"{name:<37} {100 * found.share:>6.1f}  {span:>13}  {found.n:>6,}  {took:>7}".rstrip()


def parts(name: str, result: TrialResult) -> str:
    """How many texts were learnt and judged, in a sentence."""
    counts = result.counts
    if counts is None:
        return name
    judged = "the newest" if counts.by_time else "by lot"
    return (
        f"{name}: {counts.categories:,} categories; {counts.learnt:,} texts learnt, {counts.stop:,} say when to stop, "
        f"{counts.judged:,} judge ({judged})."
    )
