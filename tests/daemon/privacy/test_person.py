"""An address is found in whatever dress mail has put it, and nobody else's with it."""

from __future__ import annotations

import pytest

from daemon.privacy.person import BadAddress, Person


@pytest.mark.parametrize(
    ("person", "words"),
    [
        ("ann@x.org.", "ann@x.org"),
        ("'ann@x.org'", "ann@x.org"),
        (" <ann@x.org>", "ann@x.org"),
        ("mailto:ann@x.org", "ann@x.org"),
        ("ANN@X.org,", "ann@x.org"),
        ("ann@m\u00fcnchen.example", "ann@xn--mnchen-3ya.example"),
        ("ann@xn--mnchen-3ya.example", "Ann <ann@M\u00fcnchen.example>"),
        ("@m\u00fcnchen.example", "ann@mail.xn--mnchen-3ya.example"),
        ("ann@m\u00fcnchen.example", "ann@mu\u0308nchen.example"),
        ("ann@stra\u00dfe.example", "ann@xn--strae-oqa.example"),
        ("ann@x.org", "u=3Dann=40x.org&v"),
        ("ann@x.org", "soft ann@x=\n.org"),
        ("ann@x.org", "https://y.example/?who%3Dann%40x.org"),
        ("ann@x.org", "https://y.example/?go=https%3A%2F%2Fz.example%2F%3Fwho%3Dann%2540x.org"),
        ("ann@x.org", "mailto:%20ann@x.org"),
        ("ann@x.org", "ann&#64;x.org"),
        ("ann@x.org", "ann&#x40;x.org"),
        ("ann@x.org", "\uff41\uff4e\uff4e\uff20x.org"),
        ("ann@x.org", "_ann@x.org_ and __ann@x.org__"),
        ("ann@x.org", "__ann@x.org__"),
        ("ann@x.org", "*ann@x.org*"),
        ("ann@x.org", "'ann@x.org'"),
        ("ann@x.org", "Write to ann@x.org.Next comes the order."),
        ("ann@x.org", "Schreiben Sie an ann@x.org.Über alles Weitere"),
        ("ann@x.org", "ann@x.org--Ann"),
        ("ann@x.org", "ann@x.org..."),
        ("ann@x.org", "ann@x.org- and others"),
        ("o'brien@x.org", "O'Brien@x.org"),
        ("MAILTO:O'Brien@X.org", "o'brien@x.org"),
        ("\u0130nn@x.org", "\u0130nn@x.org"),
        ("ann@[10.0.0.1]", "ann@[10.0.0.1]"),
        ("ann@intranet", "ann@intranet"),
    ],
)
def test_it_is_found(person: str, words: str) -> None:
    assert Person(person).in_words(words)


@pytest.mark.parametrize(
    ("person", "words"),
    [
        ("brien@x.org", "o'brien@x.org"),
        ("ann@x.org", "jo_ann@x.org"),
        ("ann@x.org", "jo__ann@x.org"),
        ("ann@x.org", "jo.ann@x.org"),
        ("ann@x.org", "jo%2Bann%40x.org"),
        ("ann@x.org", "joann@x.org"),
        ("ann@x.org", "ann@x.org.evil.example"),
        ("ann@x.org", "ann@x.org.Evil.example"),
        ("ann@x.org", "Ann@X.Org.Uk"),
        ("ann@x.org", "ANN@X.ORG.UK"),
        ("ann@x.org", "ann@x.org-foo.example"),
        ("ann@x.org", "ann@x.organic"),
        ("@x.org", "bob@max.org"),
    ],
)
def test_nobody_else_is(person: str, words: str) -> None:
    assert not Person(person).in_words(words)


@pytest.mark.parametrize("words", ["@com", "@example", "@.", "@*", "*@x.org", "@x..org", "@-", "ann@*", "a@b@c d.org"])
def test_what_would_find_nothing_or_everybody_is_refused(words: str) -> None:
    with pytest.raises(BadAddress, match="is not an address"):
        Person(words)
