"""What nobody sees in a PDF does not count, and what somebody sees does."""

from __future__ import annotations

import pytest

from daemon.papers.pdf_text import Pdf, is_garbage
from daemon.papers.read_any import read_in_turn
from tests.hostile_papers import ORDER, hidden_text
from tests.paper_samples import one_page, open_document, pdf, pptx, shown, stream

HIDDEN = {
    "render mode 3": shown(ORDER, before="3 Tr"),
    "render mode 7": shown(ORDER, before="7 Tr"),
    "white": shown(ORDER, before="1 1 1 rg"),
    "nearly white": shown(ORDER, before="0.97 0.98 0.99 rg"),
    "of the colour of its box": b"0.2 0.4 0.6 rg 60 690 400 30 re f " + shown(ORDER, before="0.2 0.4 0.6 rg"),
    "tiny": shown(ORDER, size=0.5),
    "tiny by its matrix": b"0.01 0 0 0.01 0 0 cm " + shown(ORDER, x=7000, y=70000, size=50),
    "off the page": shown(ORDER, x=5000, y=5000),
    "left of the page": shown(ORDER, x=-900),
    "under a box": shown(ORDER) + b"0.9 0.9 0.9 rg 0 600 595 200 re f ",
    "under a picture": shown(ORDER) + b"q 400 0 0 40 60 690 cm /I Do Q ",
    "in a form, white": b"/X Do ",
}
SEEN = {
    "white on a dark box": b"0 0 0.4 rg 60 690 400 30 re f " + shown("Kopf", before="1 1 1 rg"),
    "white on a picture": b"q 400 0 0 40 60 690 cm /I Do Q " + shown("Kopf", before="1 1 1 rg"),
    "on a white box": b"1 1 1 rg 0 0 595 842 re f " + shown("Kopf", before="0 g"),
    "beside a box": shown("Kopf") + b"1 1 1 rg 0 0 595 600 re f ",
    "under a box that is clipped away": shown("Kopf") + b"q 0 0 50 50 re W n 1 1 1 rg 0 0 595 842 re f Q ",
    "under a veil": shown("Kopf") + b"/G gs 1 1 0 rg 0 600 595 200 re f ",
    "under a line": shown("Kopf") + b"0 g 0 703 595 1 re f ",
    "outlined": shown("Kopf", before="1 Tr 1 1 1 rg"),
    "small print": shown("Kopf", size=5),
    "turned": b"BT /F1 12 Tf 0 1 -1 0 300 300 Tm (Kopf) Tj ET ",
    "in a form": b"/Y Do ",
}
_IMAGE = stream(b"\x80" * 4, b"/Type/XObject/Subtype/Image/Width 2/Height 2/BitsPerComponent 8/ColorSpace/DeviceGray")
_FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Matrix[1 0 0 1 10 10]/Resources<</Font<</F1 5 0 R>>>>"
_RESOURCES = b"/XObject<</I 6 0 R/X 7 0 R/Y 8 0 R>>/ExtGState<</G 9 0 R>>"
_MORE = [
    (6, _IMAGE),
    (7, stream(shown(ORDER, before="1 1 1 rg"), _FORM)),
    (8, stream(shown("Kopf"), _FORM)),
    (9, b"<</ca 0.3>>"),
]


def text_of(content: bytes) -> str:
    whole = b"q " + content + b"Q " + shown("Lieferschein", y=100)
    return Pdf(pdf([*one_page(whole, resources=_RESOURCES), *_MORE])).text().text


@pytest.mark.parametrize("how", HIDDEN)
def test_text_that_nobody_sees_does_not_count(how: str) -> None:
    assert text_of(HIDDEN[how]) == "Lieferschein"


@pytest.mark.parametrize("how", SEEN)
def test_text_that_somebody_sees_counts(how: str) -> None:
    assert sorted(text_of(SEEN[how]).split("\n")) == ["Kopf", "Lieferschein"]


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_text_of_a_scan_is_kept(order: str) -> None:
    picture, layer = b"q 595 0 0 842 0 0 cm /I Do Q ", shown("Erkannter Text", before="3 Tr")
    content = layer + picture if order == "before" else picture + layer
    found = Pdf(pdf([*one_page(content, resources=_RESOURCES), *_MORE])).text()
    assert found.text == "Erkannter Text"


def test_of_five_tricks_none_is_read_and_the_paper_is() -> None:
    assert Pdf(hidden_text()).text().text == "Lieferschein 99"


def test_signs_without_letters_are_no_text() -> None:
    assert is_garbage(b"Rechnung".decode("utf-16-be") * 3)
    assert is_garbage("\ue001\ue002\ue003 ab")
    assert not is_garbage("请查收附件中的发票，谢谢。我们将在月底付款。")
    assert not is_garbage("Straße 7, 12345 Köln – Zażółć gęślą jaźń – Привет")


_CELL = "<table:table-row><table:table-cell>{}</table:table-cell></table:table-row>"
UNSEEN = {
    "hidden": ('text:display="none"', "{}"),
    "white": ('fo:color="#FFFFFF"', "{}"),
    "tiny": ('fo:font-size="1pt"', "{}"),
    "in a hidden section": ("", '<text:section text:display="none">{}</text:section>'),
    "in a hidden row": ("", '<table:table-row table:visibility="collapse">{}</table:table-row>'),
    "black in a hidden section": ('fo:color="#000000"', '<text:section text:display="none">{}</text:section>'),
}
SHOWING = {
    "bold": ('fo:font-weight="bold"', "{}"),
    "white on a ground": ('fo:color="#ffffff" fo:background-color="#000080"', "{}"),
    "white in a cell": ('fo:color="#ffffff"', _CELL),
    "black in a white paragraph": ('fo:color="#000000"', '<text:p text:style-name="White">{}</text:p>'),
    "small print": ('fo:font-size="5pt"', "{}"),
}


def words_of(look: str, around: str) -> str:
    properties = {"L": look, "White": 'fo:color="#ffffff"'}
    styles = "".join(
        f'<style:style style:name="{name}"><style:text-properties {said}/></style:style>'
        for name, said in properties.items()
    )
    span = '<text:p><text:span text:style-name="L">Kopf</text:span></text:p>'
    data = open_document("text", f"{styles}{around.format(span)}<text:p>Lieferschein</text:p>")
    return [*read_in_turn("a.odt", data, None)][-1].text


@pytest.mark.parametrize("how", UNSEEN)
def test_what_nobody_sees_of_an_open_document_does_not_count(how: str) -> None:
    assert words_of(*UNSEEN[how]) == "Lieferschein"


@pytest.mark.parametrize("how", SHOWING)
def test_what_somebody_sees_of_an_open_document_counts(how: str) -> None:
    assert words_of(*SHOWING[how]) == "Kopf\nLieferschein"


def shape(*, at: tuple[int, int] = (0, 0), hidden: str = "", size: str = "", around: str = "{}") -> str:
    place = f'<spPr><xfrm><off x="{at[0]}" y="{at[1]}"/><ext cx="900000" cy="900000"/></xfrm></spPr>'
    run = f"<r><rPr{size}/><t>Kopf</t></r>"
    return around.format(f"<sp><nvSpPr><cNvPr{hidden}/></nvSpPr>{place}<txBody><p>{run}</p></txBody></sp>")


GROUP = "<grpSp><nvGrpSpPr><cNvPr{}/></nvGrpSpPr><sp><nvSpPr><cNvPr/></nvSpPr></sp>{}</grpSp>"


@pytest.mark.parametrize(
    "unseen",
    [
        shape(hidden=' hidden="1"'),
        shape(around=GROUP.replace("{}", ' hidden="1"', 1)),
        shape(at=(9144000, 0)),
        shape(at=(0, 7000000)),
        shape(at=(-900001, 0)),
        shape(size=' sz="100"'),
    ],
)
def test_what_nobody_sees_of_a_slide_does_not_count(unseen: str) -> None:
    data = pptx("Lieferschein", shapes=unseen)
    assert [*read_in_turn("a.pptx", data, None)][-1].text == "Lieferschein"


@pytest.mark.parametrize(
    "seen",
    [
        shape(),
        shape(at=(-100, 6000000), hidden=' hidden="0"', size=' sz="800"'),
        shape(at=(99999999, 0), around=GROUP.replace("{}", "", 1)),
        shape(hidden=' hidden="1"').replace("Kopf", "") + shape(),
    ],
)
def test_what_somebody_sees_of_a_slide_counts(seen: str) -> None:
    data = pptx("Lieferschein", shapes=seen)
    assert [*read_in_turn("a.pptx", data, None)][-1].text == "Lieferschein\nKopf"
