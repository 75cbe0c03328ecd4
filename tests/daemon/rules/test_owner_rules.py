"""The owner's rules: which mail one is for, and what it decides."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.base import Identity, MailText, Message, MessageRef, Sighting
from connectors.mailbox_settings import RuleSettings
from daemon.rules.decision import Policy, by_rule, hands_off
from daemon.rules.owner_rules import OwnerRule, first_that_fits
from daemon.settings import SortingSettings
from daemon.store.records import Category

CATEGORIES = {
    "c1": Category("c1", "Invoices", "In/Invoices"),
    "c2": Category("c2", "Orders", "Orders", paused="its folder is gone"),
}


def message(flags: frozenset[str] = frozenset(), marks: frozenset[Any] = frozenset()) -> Message:
    text = MailText(sender="Ann <ann@shop.example>", subject="Your INVOICE 4711", list_id="<news.shop.example>")
    sighting = Sighting(MessageRef("INBOX", 1, 1), Identity(None, None, "d"), flags)
    senders, recipients = frozenset({"ann@shop.example"}), frozenset({"office@example.org", "jobs@example.org"})
    return Message(sighting, text, marks, senders, recipients)


def rule(category: str = "Invoices", **conditions: Any) -> RuleSettings:
    return RuleSettings(category=category, **conditions)


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        ({"from": ["@shop.example"]}, True),
        ({"from": ["@other.example", "Ann@Shop.example"]}, True),
        ({"from": ["@hop.example"]}, False),
        ({"to": ["jobs@example.org"]}, True),
        ({"to": ["@elsewhere.example"]}, False),
        ({"list_id": "NEWS.shop"}, True),
        ({"subject": "invoice"}, True),
        ({"subject": "rechnung"}, False),
        ({"from": ["@shop.example"], "subject": "invoice"}, True),
        ({"from": ["@shop.example"], "subject": "rechnung"}, False),
    ],
)
def test_all_that_a_rule_says_has_to_fit(conditions: dict[str, Any], fits: bool) -> None:
    assert (first_that_fits(message(), [rule(**conditions)]) is not None) is fits


def test_the_first_rule_that_fits_decides_and_is_named_by_what_it_looks_at() -> None:
    rules = [rule(subject="rechnung"), rule(**{"from": ["@shop.example"]}, subject="invoice"), rule(list_id="news")]
    found = first_that_fits(message(), rules)
    assert found == OwnerRule(2, rules[1])
    assert found.called == "your rule 2 (from, subject)"


@pytest.mark.parametrize(
    ("category", "decided", "reason"),
    [
        ("Invoices", "c1", "Invoices: your rule 1 (subject) says so"),
        ("In/Invoices", "c1", "Invoices: your rule 1 (subject) says so"),
        ("", None, "left: your rule 1 (subject) says so"),
        ("Orders", None, "left: your rule 1 (subject) says Orders, which is paused (its folder is gone)"),
        ("Travel", None, "left: your rule 1 (subject) says Travel, and there is no such category"),
    ],
)
def test_a_rule_decides_without_a_model(category: str, decided: str | None, reason: str) -> None:
    made = by_rule(OwnerRule(1, rule(category, subject="x")), Policy(CATEGORIES, {}))
    assert (made.category, made.source, made.reason) == (decided, "owner", reason)


@pytest.mark.parametrize(
    ("wanted", "decided"),
    [("Meyer", None), ("Clients/Meyer", "c1"), ("Orders", "c4"), ("Jobs", "c6"), ("Staff", "c7"), ("Press", "c8")],
)
def test_a_rule_names_one_folder_and_of_several_with_that_name_none_is_guessed(
    wanted: str, decided: str | None
) -> None:
    known = (
        Category("c1", "Meyer", "Clients/Meyer"),
        Category("c2", "Meyer", "Sales/Meyer"),
        Category("c3", "Orders", "Archive/Orders"),
        Category("c4", "Orders", "Orders"),
        Category("c5", "Jobs", "Old/Jobs", paused="its folder is gone"),
        Category("c6", "Jobs", "New/Jobs"),
        Category("c7", "People", "HR", listed_as="Staff"),
        Category("c8", "Press", "Newspapers", listed_as="Press"),
    )
    policy = Policy({one.uid: one for one in known}, {})
    made = by_rule(OwnerRule(1, rule(wanted, subject="x")), policy)
    assert made.category == decided
    if decided is None:
        assert made.reason == "left: your rule 1 (subject) says Meyer, and several folders are called so"


def test_a_rule_may_be_for_kinds_of_mail_that_are_left_alone_and_never_for_what_people_have_in_hand() -> None:
    bounce, flagged = message(marks=frozenset({"bounce"})), message(flags=frozenset({"\\Flagged"}))
    sorting = SortingSettings()
    assert hands_off(bounce, sorting) == "it is a delivery report"
    assert hands_off(bounce, sorting, ruled=True) is None
    assert hands_off(flagged, sorting, ruled=True) == "somebody flagged it"
    never = SortingSettings(never_senders=("@shop.example",))
    assert hands_off(bounce, never, ruled=True) == "its sender is listed in never_senders"
