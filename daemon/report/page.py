"""The report with pictures: one HTML file that needs nothing else, and holds no subject, address or text.

    decisions, corrections, held-out answers  ->  numbers a week  ->  inline SVG  ->  one page

What each picture shows is said in a sentence above it, so that the page also reads without looking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import escape

from connectors.printable import printable
from daemon.model.prediction import Point
from daemon.report.story import Filer
from daemon.rules.thresholds import calibration_error, filed, interval, risk_coverage, thresholds
from daemon.store.records import Correction, StoredDecision

WIDTH, HEIGHT, EDGE, RIGHT = 640, 220, 44, 20
MOST_ROWS = 14
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}svg{width:100%;height:auto;font:12px system-ui,sans-serif}
table{border-collapse:collapse;font-size:.85rem}td,th{padding:.25rem .5rem;text-align:right}
th:first-child{text-align:left}
.note{color:#666;font-size:.9rem}.scroll{overflow-x:auto}
"""


@dataclass(frozen=True)
class Week:
    """What happened in one week, by its Monday."""

    monday: date
    decided: int
    filed: int
    overridden: int


def weeks(decisions: Sequence[StoredDecision], corrections: Sequence[Correction]) -> list[Week]:
    """Numbers a week, oldest first, weeks without mail included. The last decision about a message counts."""
    last = {decision.message: decision for decision in decisions}
    words = {correction.message: correction for correction in corrections if correction.voided is None}
    decided: Counter[date] = Counter()
    took: Counter[date] = Counter()
    wrong: Counter[date] = Counter()
    for message, decision in last.items():
        monday = _monday(decision.at)
        decided[monday] += 1
        if decision.category is not None:
            took[monday] += 1
            word = words.get(message)
            wrong[monday] += word is not None and word.to_category != decision.category
    if not decided:
        return []
    first, end = min(decided), max(decided)
    mondays = [first + timedelta(weeks=number) for number in range((end - first).days // 7 + 1)]
    return [Week(monday, decided[monday], took[monday], wrong[monday]) for monday in mondays]


def _monday(moment: datetime) -> date:
    day = moment.astimezone().date()
    return day - timedelta(days=day.weekday())


def page(
    mailbox: str,
    made: datetime,
    by_week: Sequence[Week],
    points: Sequence[Point],
    names: Mapping[str, str],
    wanted: float,
    version: str | None,
    questions: Sequence[str] = (),
    filers: Sequence[Filer] = (),
) -> str:
    """The whole page. `points`: held-out answers of the model in use, `version` its name. `questions`: what waits for a
    person's word, in sentences. `filers`: who filed."""
    decided, took = sum(week.decided for week in by_week), sum(week.filed for week in by_week)
    wrong = sum(week.overridden for week in by_week)
    parts = [
        f"<h1>Postroom: {escape(mailbox)}</h1>",
        _nothing(f"Made on {made.astimezone():%d %B %Y, %H:%M}. Numbers only: no subject, no address, no text."),
        "<h2>Mail a week</h2>",
        f"<p>{decided} messages decided, {took} filed or, in shadow, would have been.</p>",
        _bars(by_week) if by_week else _nothing("No mail has been decided yet."),
        "<h2>Agreement</h2>",
        f"<p>People moved {wrong} of {took} elsewhere{_let_be(took, wrong)}. "
        f"{wanted:.0%} right is wanted (dashed line).</p>",
        _agreement(by_week, wanted) if took else _nothing("Nothing has been filed yet."),
    ]
    if took and filers:
        parts += ["<h2>Who filed</h2>", *_who_filed(filers)]
    if questions:
        parts.append("<h2>What waits for an answer</h2>")
        parts += [f"<p>{escape(asked)}</p>" for asked in questions]
        parts.append(
            _nothing("`postroom corrections --batches` and `postroom folders --twins` show more, and how to answer.")
        )
    if version is not None and points:
        limits = filed(points, thresholds(points, wanted))
        right = sum(point.correct for point in limits)
        share = f"{right / len(limits):.1%} of it rightly" if limits else "nothing yet"
        error = calibration_error([point.probability for point in points], [point.correct for point in points])
        parts += [
            f"<h2>How much, and how rightly: model {escape(version)}</h2>",
            f"<p>Of {len(points)} lessons that it had not learnt from, it would file {len(limits) / len(points):.0%}, "
            f"{share}. How sure it says it is, is off by {100 * error:.1f} points on average.</p>",
            _risk_coverage(points, wanted),
            "<h2>What is taken for what</h2>",
            "<p>Rows: where people keep it. Columns: what the model said.</p>",
            _confusion(points, names),
        ]
    body = "\n".join(parts)
    whole = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>Postroom: {escape(mailbox)}</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )
    return printable(whole)  # names of folders and people are in it


def _nothing(sentence: str) -> str:
    return f'<p class="note">{sentence}</p>'


def _let_be(filed: int, moved: int) -> str:
    """The share that stayed, with 95 %; nothing where nothing was filed."""
    if not filed:
        return ""
    low, high = interval(filed - moved, filed)
    return f": they let {1 - moved / filed:.1%} be, which stands for {low:.1%} to {high:.1%}"


def _who_filed(filers: Sequence[Filer]) -> list[str]:
    rows = []
    for filer in filers:
        low, high = interval(filer.filed - filer.overridden, filer.filed)
        share = f"{1 - filer.overridden / filer.filed:.1%} ({low:.1%} to {high:.1%})" if filer.filed else ""
        cells = "".join(f"<td>{cell}</td>" for cell in (filer.filed, filer.overridden, share))
        rows.append(f"<tr><th>{filer.name}</th>{cells}</tr>")
    heads = "".join(f"<th>{head}</th>" for head in ("", "filed", "people moved", "let be"))
    return [
        f'<div class="scroll"><table><tr>{heads}</tr>{"".join(rows)}</table></div>',
        _nothing("Thread: where people had put an earlier mail of it. Near copy: a mail of nearly the same words."),
    ]


def _svg(label: str, inside: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(inside)}</svg>'


def _x(share: float) -> float:
    return round(EDGE + share * (WIDTH - EDGE - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - 26 - share * (HEIGHT - 40), 1)


def _grid(marks: Sequence[tuple[float, str]]) -> list[str]:
    """Horizontal lines with their names."""
    return [
        f'<line x1="{EDGE}" x2="{WIDTH - RIGHT}" y1="{_y(share)}" y2="{_y(share)}" stroke="#ddd"/>'
        f'<text x="{EDGE - 6}" y="{_y(share) + 4}" text-anchor="end" fill="#666">{name}</text>'
        for share, name in marks
    ]


def _dates(by_week: Sequence[Week]) -> list[str]:
    step = -(-len(by_week) // 8)
    return [
        f'<text x="{_x((number + 0.5) / len(by_week))}" y="{HEIGHT - 8}" text-anchor="middle" fill="#666">'
        f"{week.monday:%d %b}</text>"
        for number, week in enumerate(by_week)
        if number % step == 0
    ]


def _bars(by_week: Sequence[Week]) -> str:
    most = max(week.decided for week in by_week)
    drawn = _grid([(0, "0"), (1, str(most))])
    wide = max(1.0, 0.7 * (WIDTH - EDGE - RIGHT) / len(by_week))
    for number, week in enumerate(by_week):
        left = _x((number + 0.15) / len(by_week))
        for count, colour in ((week.decided, "#c9d6e8"), (week.filed, "#2f6db5")):
            top = _y(count / most)
            drawn.append(f'<rect x="{left}" y="{top}" width="{wide:.1f}" height="{_y(0) - top:.1f}" fill="{colour}"/>')
    return _svg("Messages a week; dark: filed", [*drawn, *_dates(by_week)]) + _nothing("Light: decided. Dark: filed.")


def _agreement(by_week: Sequence[Week], wanted: float) -> str:
    shares = [(number, 1 - week.overridden / week.filed) for number, week in enumerate(by_week) if week.filed]
    low = min(0.5, *(share for _, share in shares))

    def height(share: float) -> float:
        return _y((share - low) / (1 - low))

    at = [(_x((number + 0.5) / len(by_week)), height(share)) for number, share in shares]
    drawn = _grid([(0, f"{low:.0%}"), (1, "100%")])
    drawn.append(_dashed(height(wanted)))
    drawn.append(_line(at))
    drawn += [f'<circle cx="{x}" cy="{y}" r="3" fill="#2f6db5"/>' for x, y in at]
    return _svg("Share of filed mail that people let be, a week", [*drawn, *_dates(by_week)])


def _risk_coverage(points: Sequence[Point], wanted: float) -> str:
    curve = risk_coverage(points)
    low = min(0.8, *(point.precision for point in curve if point.coverage >= 0.1))

    def height(share: float) -> float:
        return _y(max(0.0, (share - low) / (1 - low)))

    drawn = _grid([(0, f"{low:.0%}"), (1, "100%")])
    drawn += [
        f'<text x="{_x(share)}" y="{HEIGHT - 8}" text-anchor="middle" fill="#666">{share:.0%}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    drawn += [_dashed(height(wanted)), _line([(_x(point.coverage), height(point.precision)) for point in curve])]
    return _svg("Precision by the share of mail filed", drawn) + _nothing(
        "To the right: more is filed. Up: more of it is right."
    )


def _dashed(y: float) -> str:
    return f'<line x1="{EDGE}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#c0392b" stroke-dasharray="5 4"/>'


def _line(at: Sequence[tuple[float, float]]) -> str:
    path = " ".join(f"{x},{y}" for x, y in at)
    return f'<polyline points="{path}" fill="none" stroke="#2f6db5" stroke-width="2"/>'


def _confusion(points: Sequence[Point], names: Mapping[str, str]) -> str:
    counts = Counter((point.category, point.predicted) for point in points)
    sizes = Counter(point.category for point in points)
    shown = [category for category, _ in sizes.most_common(MOST_ROWS)]
    titles = [_name(names, category) for category in shown]
    heads = "".join(f'<th title="{escape(title)}">{escape(title[:9])}</th>' for title in titles)
    rows = []
    for row in shown:
        cells = []
        for column in shown:
            count = counts[row, column]
            share = count / sizes[row]
            colour = f"rgba({'47,109,181' if row == column else '192,57,43'},{share:.2f})"
            cells.append(f'<td style="background:{colour}">{count or ""}</td>')
        rows.append(f"<tr><th>{escape(_name(names, row))}</th>{''.join(cells)}</tr>")
    more = len(sizes) - len(shown)
    note = _nothing(f"{more} smaller categories are not shown.") if more else ""
    return f'<div class="scroll"><table><tr><th></th>{heads}</tr>{"".join(rows)}</table></div>{note}'


def _name(names: Mapping[str, str], uid: str) -> str:
    return names.get(uid, "a removed category")
