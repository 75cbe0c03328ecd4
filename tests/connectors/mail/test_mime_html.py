"""HTML to text: what a reader sees and nothing else."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.mail import html, message_parts
from connectors.mail.headers import INVISIBLE
from connectors.mail.mime import html_to_text, parse


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
    "a frame": "<iframe src=x><p>secret</p></iframe>",
    "beside a tag with a colon": '<o:p></o:p><p style="display:none">secret</p>',
    "no em": '<span style="font-size:0em">secret</span>',
    "a share of nothing": '<div style="font-size:0"><span style="font-size:120%">secret</span></div>',
    "no size in a font": '<span style="font:0/0 a">secret</span>',
    "a rule for a tag": "<style>h6{display:none}</style><h6>secret</h6>",
    "a rule for a class of a tag": "<style>p.pre{display:none}</style><p class=pre>secret</p>",
    "a rule that insists": '<style>.pre{display:none!important}</style><p class=pre style="display:block">secret</p>',
    "white on a rule's white": "<style>p{background:#fff}</style><p style='color:#fff'>secret</p>",
    "a rule that comes later": "<style>.pre{display:block}.pre{display:none}</style><p class=pre>secret</p>",
    "white text beside rules for dark mode": "<style>@media (prefers-color-scheme:dark){p{color:#fff}}"
    "[data-ogsc] p{color:#fff}</style><p style='color:white'>secret</p>",
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
    "a size below one": '<span style="font-size:0.8em">Pay now</span>',
    "a size below one without its zero": '<p style="font-size:.875rem">Pay now</p>',
    "a rule with a size below one": "<style>.body{font-size:0.9em}</style><p class=body>Pay now</p>",
    "a small share": '<p style="font-size:62.5%">Pay now</p>',
    "a font with a size": '<td style="font-size:0"><p style="font:13px/1.4 Arial">Pay now</p></td>',
    "white on a class's colour": "<style>.a{background:#036 repeat}</style><p class=a style='color:#fff'>Pay now</p>",
    "white on a tag's colour": "<style>td{background:#036}</style><table><tr><td><font color=white>Pay now",
    "white on a page that is dark by its attributes": "<body bgcolor=#202020 text=#ffffff><p>Pay now</p></body>",
    "white on a colour that a longer rule sets": "<style>i p{background:#036}</style><p style='color:#fff'>Pay now",
    "white on a colour that some screens get": "<style>@media screen{.a{background:#036}}</style>"
    "<p class=a style='color:#fff'>Pay now</p>",
    "white on a colour that some programs get": "<style>@supports (display:grid){.a{background:#036}}</style>"
    "<p class=a style='color:#fff'>Pay now</p>",
    "white on a colour without a name here": '<p style="background:rebeccapurple;color:#fff">Pay now</p>',
    "white on a variable": '<p style="background:var(--brand);color:#fff">Pay now</p>',
    "white on a gradient": '<p style="background:linear-gradient(#036,#069);color:#fff">Pay now</p>',
    "a link in a white sentence": '<p style="color:#fff"><a href=x>Pay now</a></p>',
    "black in dark mode": "<style>@media (prefers-color-scheme: dark){.a{color:#fff}}</style><p class=a>Pay now</p>",
    "dark mode's hidden twin": "<style>@media (prefers-color-scheme:dark){.a{display:none}}</style><p class=a>Pay now",
    "hidden first, shown by a later rule": "<style>.a{display:none}.a{display:block}</style><p class=a>Pay now</p>",
    "a whole mail in white": '<div style="color:#fff">Pay now</div>',
    "a whole mail hidden by a rule": "<style>.a{display:none}</style><div class=a>Pay now</div>",
    "a picture of 600 kB before it": f'<img src="data:image/png;base64,{"iVBORw0K" * 75_000}"><p>Pay now</p>',
    "a picture in a style before it": f"<p style='background:url(data:image/png;base64,{'A' * 600_000})'>Pay now",
}


@pytest.mark.parametrize("markup", SHOWN.values(), ids=SHOWN)
def test_text_that_people_see_stays(markup):
    assert visible(markup) == "Pay now"


def test_the_tags_of_word_switch_nothing_off():
    markup = """<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style>p.MsoNormal {margin:0cm}</style>
        </head><body><p class=MsoNormal>The lift is stuck<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p>
        <p class=MsoNormal>since <st1:date>Sunday</st1:date>.<v:shape id=x></v:shape><o:p></o:p></p></body></html>"""

    assert html_to_text(markup).strip() == "The lift is stuck\n\nsince Sunday."


def test_an_element_of_hard_spaces_is_an_empty_line():
    for empty in (
        "<div>&nbsp;</div>",
        "<div><br></div>",
        "<p class=MsoNormal>&nbsp;</p>",
        "<div><span>&nbsp;<br></span></div>",
    ):
        assert html_to_text(f"<div>forty</div>{empty}<div>chairs</div>") == "forty\n\nchairs"
    assert html_to_text("<div>forty</div> <div> </div> <div>chairs<br></div><div>now</div>") == "forty\nchairs\nnow"


def test_lines_that_are_kept_stay_lines():
    for style in ("pre-wrap", "pre-line", "pre"):
        assert (
            html_to_text(f'<div style="white-space:{style}">forty\nchairs <b>to\nGhent</b></div>')
            == "forty\nchairs to\nGhent"
        )
    assert html_to_text('<div style="white-space:nowrap">forty\nchairs</div>') == "forty chairs"


def test_numbers_of_a_list_go_on_through_what_stands_between():
    markup = "<ol start=3><font><li>chairs<ul><li>grey</ul></font><li><p>desks</p></ol>"
    assert html_to_text(markup).split("\n") == ["3. chairs", "", "* grey", "", "4. desks"]


def test_letters_of_a_font_of_pictures_are_no_words():
    assert visible('Thanks <span style="font-family:Wingdings">J</span>') == "Thanks :-)"
    assert visible('<font face="Wingdings">\u00a7</font> forty chairs') == "forty chairs"
    assert visible('<p style="font-family:Wingdings">All of it by mistake</p>') == "All of it by mistake"


def test_names_of_picture_files_are_no_words():
    assert (
        visible("<img alt=image001.png><img alt='cid:image001.png@01D'><img alt='Our new chairs'>") == "Our new chairs"
    )


def test_zero_width_characters_cannot_split_a_word():
    assert visible("pay&#8203;pal \u200bnow &#x202e;&#xad;") == "paypal now"


def test_quoted_html_is_marked_like_quoted_text():
    markup = """<div>Forty, please.</div><div class="gmail_quote">On 5 Feb 2024, Ann wrote:<br>
        <blockquote class="gmail_quote">How many?<blockquote type="cite">Chairs?</blockquote></blockquote></div>Bye"""

    lines = [line for line in html_to_text(markup).splitlines() if line.strip(" >")]

    assert lines == ["Forty, please.", "> On 5 Feb 2024, Ann wrote:", "> How many?", "> > Chairs?", "Bye"]


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

    monkeypatch.setattr(html, "read_tree", broken)

    markup = (
        "<p>caf\u00e9 &amp; bar<br>\n\n<b>open<style>p.x {color: red}</style><script>if (a>b) c</script><!-- <b> -->"
    )
    assert html_to_text(markup) == "café & bar\nopen"


CRUDE = ["<!--" * 100_000, "<style>" * 60_000, "<script" * 60_000, "<p>a</p><!-- b --><style>c</style>" * 9_000]


@pytest.mark.parametrize("markup", CRUDE, ids=["comments", "sheets", "open tags", "all of them"])
def test_cutting_tags_out_takes_no_square_of_time(markup):
    started = time.perf_counter()

    text = html.crude_text(markup)

    assert "b" not in text
    # Tenths of a second on an idle machine; an expression that looks for each end takes minutes.
    assert time.perf_counter() - started < 10


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
    "many rules": "<style>" + "".join(f".a{n}{{color:#fff}}" for n in range(9_000)) + "</style>"
    + "<p class=a1>x</p>" * 9_000,
    "many classes": "<style>.a{color:#fff}</style>" + "".join(f"<p class='a {n} b'>x</p>" for n in range(20_000)),
    "one class with many rules": "<style>" + ".a{color:#fff}" * 7_000 + "</style>"
    + "".join(f"<p class='a b{n}'>x" for n in range(9_000)),
    "holders in holders": "<div class=gmail_quote>a<br>" * 15_000,
    "bare blockquotes": "<blockquote>On 2 March 2026 at 9:12 a@b.example wrote:" * 7_000,
    "lines at the side": "<blockquote style='border-left:1px solid'>a: b<br>c: d<br>" * 7_000,
    "many drawn lines": "<hr><b>a:</b> x<br>" * 25_000,
    "many header blocks": "<hr><b>a:</b> 2 March 2026 9:12<br><b>b:</b> x<br><b>c:</b> y<br>" * 7_000,
    "open elements and ends of others": "<div>Ann</o:p>" * 30_000,
    "open data": "<img src='data:a/b;base64," + "A" * 450_000,
    "many data": "<img src='data:a/b;" * 20_000,
    "comments in a sheet": "<style>" + "/*" * 200_000 + "</style>x",
    "open comments in a sheet": "<style>" + "/* " * 150_000 + "</style>x",
    "a long at-rule": "<style>@media screen{" + "a" * 90_000 + "}</style>x",
    "a long line of dashes": "-" * 140_000 + "<hr>" + "- a" * 40_000,
    "a long style": "<p style='" + "border-top" * 40_000 + "'>x",
    "at-rules": "<style>" + "@media screen{" * 30_000 + "</style>x",
    "selectors": "<style>" + "a," * 200_000 + "{color:#fff}</style>x",
    "a wide background": "<p style='background:" + "rgb( 1 , " * 50_000 + "'>x",
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


def test_what_is_html_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []

    def counted(markup: str, *how: Any) -> str:
        rendered.append(markup)
        return html_to_text(markup, *how)

    monkeypatch.setattr(message_parts, "html_to_text", counted)
    raw = b"Subject: lift\nContent-Type: text/html\n\n<html><body><p>The lift is stuck.</p></body></html>"
    assert parse(raw, papers=True).text.body == "The lift is stuck."
    assert len(rendered) == 1
