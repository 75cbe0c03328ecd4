"""HTML to text: what a reader sees and nothing else."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.mail import html
from connectors.mail.headers import INVISIBLE
from connectors.mail.mime import html_to_text


def visible(markup: str) -> str:
    return " ".join(html_to_text(f"<html><body>{markup}</body></html>").split())


def test_paragraphs_lists_tables_and_entities_read_like_the_mail():
    markup = """<html><head><title>no</title></head><body><p>Dear&nbsp;Ann,</p><p>we <b>need</b>:</p>
        <ul><li>chairs<li>desks</ul><table><tr><th>Item</th><th>Quantity</th></tr>
        <tr><td>Chair</td><td>40 &lt; 50</td></tr></table>caf&eacute;</body>"""

    lines = [line.strip() for line in html_to_text(markup).splitlines() if line.strip()]

    assert lines == ["Dear Ann,", "we need:", "* chairs", "* desks", "Item Quantity", "Chair 40 < 50", "café"]


HIDDEN = {
    "display none": '<div style="display:none">secret</div>',
    "display none, shouted": '<div STYLE="color:red; DISPLAY : none !important">secret</div>',
    "a visible child of a hidden element": '<div style="display:none"><p style="display:block">secret</p></div>',
    "visibility hidden": '<span style="visibility:hidden">secret</span>',
    "hidden attribute": "<p hidden>secret</p>",
    "font size zero": '<span style="font-size:0px">secret</span>',
    "font size one pixel": '<span style="font-size: 1px">secret</span>',
    "no opacity": '<span style="opacity:0">secret</span>',
    "no height": '<div style="max-height:0;overflow:hidden">secret</div>',
    "Outlook's hidden": '<div style="mso-hide:all">secret</div>',
    "white on white": '<font color="#FFFFFF">secret</font>',
    "white on white by style": '<p style="color: white">secret</p>',
    "nearly white": '<p style="color:#fefefe">secret</p>',
    "white by rgb()": '<p style="color: rgb(255, 255, 255)">secret</p>',
    "black on black": '<table bgcolor="black"><tr><td style="color:#000">secret</td></tr></table>',
    "a class of the style sheet": "<style>/* x */ .pre, #y {display:none}</style><p class='a pre'>secret</p>",
    "an id of the style sheet": "<style>p#y{font-size:0}</style><p id=y>secret</p>",
    "script": "<script>secret</script><style>secret</style><noscript>secret</noscript>",
    "comment": "<!-- secret --><!--[if mso]>secret<![endif]-->",
    "select": "<select><option>secret</option></select>",
}


@pytest.mark.parametrize("markup", HIDDEN.values(), ids=HIDDEN)
def test_text_that_nobody_sees_is_removed(markup):
    assert visible(f"<p>before</p>{markup}<p>after</p>") == "before after"


SHOWN = {
    "white on a dark button": '<td bgcolor="#336699"><a style="color:#ffffff">Pay now</a></td>',
    "white on a dark parent": '<div style="background-color:#000"><p style="color:#fff">Pay now</p></div>',
    "white on a picture": '<div style="background:url(x.png)"><p style="color:#fff">Pay now</p></div>',
    "a zero-size wrapper": '<td style="font-size:0px"> <div style="font-size:13px">Pay now</div></td>',
    "hidden on telephones only": "<style>@media screen{.m{display:none}}</style><p class=m>Pay now</p>",
    "a picture's description": "<img src=x alt='Pay now'>",
    "small print": '<span style="font-size:10px">Pay now</span>',
}


@pytest.mark.parametrize("markup", SHOWN.values(), ids=SHOWN)
def test_text_that_people_see_stays(markup):
    assert visible(markup) == "Pay now"


def test_zero_width_characters_cannot_split_a_word():
    assert visible("pay&#8203;pal \u200bnow &#x202e;&#xad;") == "paypal now"


def test_quoted_html_is_marked_like_quoted_text():
    markup = """<div>Forty, please.</div><div class="gmail_quote">On 5 Feb 2024, Ann wrote:<br>
        <blockquote class="gmail_quote">How many?<blockquote type="cite">Chairs?</blockquote></blockquote></div>Bye"""

    lines = [line for line in html_to_text(markup).splitlines() if line.strip(" >")]

    assert lines == ["Forty, please.", "On 5 Feb 2024, Ann wrote:", "> How many?", "> > Chairs?", "Bye"]


def test_text_after_the_end_of_the_document_does_not_hide_the_document():
    assert html_to_text("<html><body><p>Hello</p></body></html>\n<img src=pixel><p>there</p>").split() == [
        "Hello",
        "there",
    ]


def test_an_indented_paragraph_is_no_quote():
    assert visible("<blockquote>Our offer</blockquote>") == "Our offer"


def test_when_the_library_fails_the_tags_are_cut_out(monkeypatch):
    def broken(*_: object) -> None:
        raise ValueError("bad tree")

    monkeypatch.setattr(html, "Inscriptis", broken)

    assert html_to_text("<p>caf\u00e9 &amp; bar<br>\n\n<b>open") == "café & bar\nopen"


@pytest.mark.parametrize("markup", ["", "  ", "<", "<>", "<!-- x", "<?xml a='b'?>", "<!DOCTYPE html>", "\x00"])
def test_hardly_any_html_is_no_problem(markup):
    assert html_to_text(markup) in ("", "<", "<>")


BOMBS = {
    "nested blocks": "<div>" * 50_000 + "x",
    "nested inline": "<b>" * 50_000 + "x",
    "nested tables": "<table><tr><td>" * 20_000 + "x",
    "nested quotes": "<blockquote type=cite>" * 20_000 + "x",
    "nested lists": "<ul><li>" * 40_000,
    "a wide cell": f"<table><tr><td>{'a' * 100_000}</td></tr>" + "<tr><td>b</td><td>c</td></tr>" * 9_000,
    "a huge padding": '<p style="padding-left:99999999em;margin-top:99999999em">x</p>' * 100,
    "a huge span": '<table><tr><td colspan=99999999 rowspan=99999999>x</td></tr></table>' * 100,
    "many inline elements": "<b>x</b>" * 70_000,
    "many paragraphs": "<p>word</p>" * 50_000,
    "many attributes": "<p " + " ".join(f"a{number}=1" for number in range(60_000)) + ">x",
    "open comments": "<!--" * 100_000,
    "open brackets": "<" * 500_000,
    "style without end": "<style>" + "a{" * 200_000 + "</style>x",
}  # fmt: skip


@pytest.mark.parametrize("markup", BOMBS.values(), ids=BOMBS)
def test_no_html_takes_long_or_grows(markup):
    started = time.perf_counter()

    text = html_to_text(markup)

    assert len(text) <= 2 * html.LONGEST_HTML
    # A second on an idle machine; rendered as it is, the worst of these takes gigabytes.
    assert time.perf_counter() - started < 10


OPENING = [
    "<div>",
    "<table>",
    "<tr>",
    "<td style='color:#fff'>",
    "<li>",
    "<ol start=-5>",
    "<blockquote type=cite>",
    "<pre>",
]
CLOSING = ["</div>", "</td>", "</blockquote>", "<br/>", "}</style>", "-->"]
STRANGE = ["<style>p{", "<a href='x", "<img alt=a>", "&#8203;", "&#xd800;", "<![CDATA[", "<!--", "</", "\ue000"]
TAGS = st.sampled_from([*OPENING, *CLOSING, *STRANGE])


@settings(max_examples=300, deadline=None)
@given(st.lists(TAGS | st.text(max_size=20), max_size=30).map("".join))
def test_any_html_gives_visible_text(markup):
    assert not INVISIBLE.search(html_to_text(markup))
