"""The page with pictures: well formed, self-contained, and its numbers are those of the store."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree

import numpy as np

from daemon.model.prediction import Point
from daemon.report.page import page, weeks
from daemon.report.story import who_filed
from daemon.store.records import Correction, StoredDecision
from tests.fakes import START


def decision(number: int, category: str | None) -> StoredDecision:
    at = START + timedelta(days=number // 4)
    return StoredDecision(number, number, at, category, "a", 0.9, None, None, "model", "Invoices 0.90", "m1", "live")


def test_page_says_who_filed_and_how_much_of_it_people_moved() -> None:
    made = [replace(decision(number, "a"), source="memory" if number % 2 else "model") for number in range(40)]
    made += [replace(decision(40, "a"), source="thread"), replace(decision(0, None), source="newcomer")]
    said = [correction(1, "b"), correction(2, "a"), replace(correction(3, "b"), voided=START)]
    filers = who_filed(made, said)
    assert [(filer.source, filer.filed, filer.overridden) for filer in filers] == [
        ("model", 19, 0),  # of 20 one was decided about again, and left
        ("thread", 1, 0),
        ("memory", 20, 1),
        ("copy", 0, 0),
        ("owner", 0, 0),
    ]
    text = page("Info", START, weeks(made, said), [], {}, 0.95, None, filers=filers)
    rows = [["".join(cell.itertext()) for cell in row] for row in drawn(text).iter("tr")]
    assert ["near copy", "20", "1", "95.0% (76.4% to 99.1%)"] in rows
    assert ["other copy", "0", "0", ""] in rows
    assert "People moved 1 of 40 elsewhere: they let 97.5% be, which stands for 87.1% to 99.6%." in text
    assert "Who filed" not in page("Info", START, [], [], {}, 0.95, None, filers=who_filed([], []))


def correction(number: int, to: str | None) -> Correction:
    return Correction(number, number, START, "correction", "a", to, "Invoices", "Orders", None, None)


def drawn(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text.removeprefix("<!doctype html>\n"))


def test_weeks_count_the_last_decision_of_each_message_and_leave_no_gap() -> None:
    decisions = [decision(number, "a" if number % 2 else None) for number in range(8)]
    far = decision(8, "a")
    later = StoredDecision(**{**far.__dict__, "at": START + timedelta(days=21)})
    found = weeks([*decisions, later, later], [correction(1, "b"), correction(3, "a"), correction(0, "b")])
    assert [(week.decided, week.filed, week.overridden) for week in found] == [
        (8, 4, 1),
        (0, 0, 0),
        (0, 0, 0),
        (1, 1, 0),
    ]
    assert weeks([], []) == []


def test_page_is_whole_needs_nothing_else_and_says_its_numbers() -> None:
    random = np.random.default_rng(1)
    points = [
        Point(f"c{n % 5}", f"c{n % 5 if random.random() < p else 0}", float(p), True)
        for n, p in enumerate(random.beta(5, 1, 300))
    ]
    points = [point._replace(correct=point.category == point.predicted) for point in points]
    found = weeks([decision(number, "a") for number in range(80)], [correction(1, "b")])
    text = page("Info <desk>", START, found, points, {"c0": 'Bills & "more"'}, 0.95, "2026-03-01a")
    tree = drawn(text)
    assert len(tree.findall(".//svg")) == 3
    assert "People moved 1 of 80 elsewhere" in text
    assert "Info &lt;desk&gt;" in text
    assert not re.search(r"(?:src|href|url|@import)\s*[=(]", text)
    for line in tree.iter("polyline"):
        numbers = [float(each) for each in re.split(r"[ ,]", line.attrib["points"])]
        assert all(0 <= x <= 640 for x in numbers[::2])
        assert all(0 <= y <= 220 for y in numbers[1::2])


def test_page_of_a_new_mailbox_says_that_there_is_nothing_yet() -> None:
    text = page("office", START, [], [], {}, 0.95, None)
    assert drawn(text).findall(".//svg") == []
    assert "Nothing has been filed yet" in text


def test_nothing_in_a_name_turns_what_is_read() -> None:
    """In the title of a mailbox, a folder's question, and a category's name."""
    steers = "a\u202eb\u009bc"
    points = [Point(f"c{number % 2}", "c0", 0.9, number % 2 == 0) for number in range(40)]
    text = page(steers, START, weeks([decision(1, "a")], []), points, {"c0": steers}, 0.9, "v1", [f"B1: {steers}"])
    assert not any(mark in text for mark in "\u202e\u009b")
    assert text.count(r"a\u202eb\u009bc") >= 4
    assert "\n<body>\n" in text
