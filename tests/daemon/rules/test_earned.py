"""When a category in shadow has earned to act."""

from __future__ import annotations

import pytest

from daemon.rules.earned import Shown, has_earned, shown
from daemon.store.records import Filed
from tests.fakes import START


@pytest.mark.parametrize(
    ("agreed", "overridden", "wanted", "earned"),
    [
        (29, 0, 0.8, False),
        (30, 0, 0.9, True),
        (31, 0, 0.95, False),
        (32, 0, 0.95, True),
        (63, 1, 0.95, False),
        (64, 1, 0.95, True),
        (200, 60, 0.95, False),
    ],
)
def test_enough_people_must_have_put_it_there_surely_enough(
    agreed: int, overridden: int, wanted: float, earned: bool
) -> None:
    assert has_earned(Shown(1000, agreed, overridden), wanted) is earned


def test_untouched_mail_and_what_waits_for_a_persons_word_say_nothing() -> None:
    def filed(category: str, said: str, *, asked: bool = False) -> Filed:
        return Filed(START, None, said == "elsewhere", asked, category, said == "alike")

    found = shown(
        [
            filed("c1", "alike"),
            filed("c1", "elsewhere"),
            filed("c1", "untouched"),
            filed("c1", "alike", asked=True),
            filed("c2", "untouched"),
        ]
    )
    assert found == {"c1": Shown(3, 1, 1), "c2": Shown(1, 0, 0)}
    assert [one.asked for one in found.values()] == [2, 0]
