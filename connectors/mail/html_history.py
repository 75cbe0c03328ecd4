"""The marks that mail programs leave in HTML where they put the mail that is answered or forwarded.

They are the same in every language. Sources: what the programs send, and the lists of other programs that fold
quotes away (Proton's and Infomaniak's web mail, Mozilla's Conversations, talon, quotequail).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from connectors.mail.html_tree import Element
from connectors.mail.quote_words import OPENERS

Mark = Literal["quote", "holder", "rest", "forward", "attribution", "signature", "rule"]
"""quote: all of it is quoted. holder: an attribution, and quotes among which answers may stand. rest: from here on all
is history. forward: a forwarded mail. attribution: "On ... wrote:". rule: a line that may end the sender's words."""

# Outlook on the web, Gmail, Yahoo and Hotmail put a prefix before the names of what they quote.
_PREFIX = re.compile(r"^(?:x_|m_-?\d{1,30}|ydp[0-9a-f]{6,9}(?=[yx])|yiv\d{4,12}_?|ecx)+")

_IDS: dict[str, Mark] = {
    "divrplyfwdmsg": "rest",  # Outlook on the web, new Outlook
    "olk_src_body_section": "rest",  # Outlook for Mac
    "zwchr": "rest",  # Zimbra
    "stopspelling": "rest",  # Hotmail
    "replysplit": "rest",
    "divneteasemailcard": "rule",  # 163.com
    "isreplycontent": "quote",
    "isforwardcontent": "forward",
    "orimsghtmlseperator": "quote",
    "reply139content": "quote",
    "origbody": "quote",
    "iosymail": "quote",
    "tutanota_quote": "quote",
    "blockquote_zmail": "quote",
    "zmail_extra": "holder",  # Zoho
    "reply-intro": "attribution",  # Roundcube
    "appendonsend": "rule",
    "mail-editor-reference-message-container": "rule",
    "lotusmailquote": "rule",
    "ms-outlook-mobile-signature": "signature",
}
_CLASSES: dict[str, Mark] = {
    "outlookmessageheader": "rest",  # Outlook Express
    "ms-outlook-mobile-reference-message": "rest",
    "gmail_quote": "holder",
    "gmail_quote_container": "holder",
    "gmail_attr": "attribution",
    "gmail_quote_attribution": "attribution",  # Mailspring
    "airmail_on": "attribution",
    "ik_mail_quote": "holder",  # Infomaniak
    "ik_mail_forward": "forward",
    "missive_quote": "holder",
    "moz-cite-prefix": "attribution",
    "moz-forward-container": "forward",
    "yahoo_quoted": "quote",
    "protonmail_quote": "holder",
    "tutanota_quote": "quote",
    "skiff_quote": "quote",
    "zmail_extra": "holder",
    "ntes-mailmaster-quote": "quote",  # 163.com
    "gmail_signature": "signature",
    "moz-signature": "signature",
    "protonmail_signature_block": "signature",
    "ms-outlook-mobile-signature": "signature",
    "ntes-signature": "signature",
}
_NAMES: dict[str, Mark] = {
    "quote": "quote",  # GMX, web.de
    "messagereplysection": "quote",  # Spark
    "messagesignaturesection": "signature",
}
_MARKERS: dict[str, Mark] = {"__divider__": "rest", "__headers__": "rest"}  # Zimbra
_CITE_CLASSES = {
    "clean_bq",
    "front-blockquote",
    "gmail_quote",
    "protonmail_quote",
    "iosymail",
    "tutanota_quote",
    "cite",
    "quote",
    "qt",
}

_LINE_STYLES = ("solid", "double", "dashed", "dotted", "inset", "outset", "groove", "ridge")
_BORDER = re.compile(r"border-(top|left)(?:-style|-width)?\s*:\s*([^;]{1,80})")
_BORDER_STYLES = re.compile(r"border-style\s*:\s*([^;]{1,80})")

# Chinese and Japanese write them wider.
COLONS = ":\uff1a\ufe13\ufe55"
_ADDRESS = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,64}\.|\[mailto:")
_CLOCK = re.compile(r"(?<!\d)\d{1,2}\s?[:.h時时시点點]\s?\d{2}(?!\d)|\b\d{1,2} ?(?:[ap]m|uhr)\b", re.IGNORECASE)
_FULL_DATE = r"\b(?:19|20|25)\d\d(?!\d)|\b\d{1,2}[./-]\d{1,2}[./-]\d{2}|\d{1,4}\s?[年月日년월일]"
_DATE = re.compile(rf"{_FULL_DATE}|\b\d{{1,2}}\.? ?[^\W\d_]{{3,12}}\b")
_HEADER_DATE = re.compile(_FULL_DATE)
_ENDS_LIKE_ATTRIBUTION = re.compile(rf"[{COLONS}]\s*[*_]?$|(?:[-‐-―]{{3,}})$")
_LABEL = re.compile(rf"[^\W\d_][^{COLONS}\n]{{0,30}}\s?[{COLONS}]")
DASHED = re.compile(r"\s*[-=_‐-―─]{3,}\s?[^-=_‐-―─].{0,80}[-=_‐-―─]{3,}\s*$|\s*[-_=‐-―─]{10,}\s*$")
LONGEST_ATTRIBUTION = 300


def mark_of(element: Element) -> Mark | None:
    """What the program that wrote this element says of it, or None."""
    if element.tag == "blockquote":
        return "quote" if _is_cited(element) else None
    if not element.attributes:
        return "rule" if element.tag == "hr" else None
    found = (
        _IDS.get(_bare(element.get("id")))
        or _MARKERS.get(element.get("data-marker").lower())
        or (_NAMES.get(element.get("name").lower()) if element.tag == "div" else None)
    )
    if element.tag == "a" and element.get("name") == "_____replyseparator":  # Outlook
        found = "rest"
    for name in element.get("class").split()[:10]:
        found = found or _CLASSES.get(_bare(name))
    if found is None and _bare(element.get("id")).startswith("yahoo_quoted"):
        found = "quote"
    if found is None and (element.tag == "hr" or has_border(element, "top")):
        found = "rule"
    return found


def _bare(name: str) -> str:
    return _PREFIX.sub("", name.lower())


def _is_cited(element: Element) -> bool:
    return (
        element.get("type").lower() == "cite"
        or element.get("cite").lower().startswith("mid:")
        or _IDS.get(_bare(element.get("id"))) == "quote"
        or any(_bare(name).rstrip("0123456789") in _CITE_CLASSES for name in element.get("class").split()[:10])
    )


def has_border(element: Element, side: Literal["top", "left"]) -> bool:
    """Does its own style draw a line at that side, and not around all of it?"""
    style = element.get("style").lower()
    if "border" not in style:
        return False
    for match in _BORDER.finditer(style):
        if match[1] == side:
            words = match[2].split()
            if any(word in _LINE_STYLES for word in words):
                return True
    if styles := _BORDER_STYLES.search(style):
        # top right bottom left, as the new Outlook writes it: "solid none none"
        sides = styles[1].split()
        if len(sides) >= 3:
            wanted = sides[0] if side == "top" else sides[-1] if len(sides) == 4 else sides[1]
            return wanted in _LINE_STYLES and "none" in sides
    return False


def holds_blockquote(element: Element) -> tuple[bool, int]:
    """Does a holder hold a block of quoted text, and how many letters stand before it?"""
    letters = 0
    waiting: list[Element | str] = list(reversed(element.children))
    for _ in range(400):
        if not waiting:
            break
        node = waiting.pop()
        if isinstance(node, str):
            letters += len(node.strip())
        elif node.tag == "blockquote":
            return True, letters
        elif not node.is_gone:
            waiting.extend(reversed(node.children))
    return False, letters


def first_lines(element: Element, most: int = 8) -> list[str]:
    """About the first lines of text in it, for a look at what it begins with."""
    lines: list[str] = [""]
    for node in _nodes(element):
        if isinstance(node, str):
            lines[-1] = f"{lines[-1]}{' '.join(node[:400].split())} "[:400]
        elif node.tag in ("br", "div", "p", "tr", "blockquote", "li", "table") and lines[-1].strip():
            lines.append("")
            if len(lines) > most:
                break
    return [line.strip() for line in lines if line.strip()][:most]


def _nodes(element: Element) -> Iterator[Element | str]:
    waiting: list[Element | str] = list(reversed(element.children))
    for _ in range(300):
        if not waiting:
            return
        node = waiting.pop()
        yield node
        if not isinstance(node, str) and not node.is_gone:
            waiting.extend(reversed(node.children))


def is_attribution(line: str) -> bool:
    """Is it "On 2 March 2026 at 9:12, Ann <ann@example.org> wrote:", in any language?"""
    if len(line) > LONGEST_ATTRIBUTION or not _ENDS_LIKE_ATTRIBUTION.search(line):
        return False
    has_date = bool(_DATE.search(line))
    return bool((_ADDRESS.search(line) and any(map(str.isdigit, line))) or (has_date and _CLOCK.search(line)))


def is_wrapped_attribution(above: str, line: str) -> bool:
    """Is `line` the second half of an attribution that the program broke after date and name?"""
    if len(above) > 150 or "@" not in line or _has_time(line):
        return False
    return _has_time(above) and is_attribution(f"{above} {line}")


def _has_time(line: str) -> bool:
    return bool(_HEADER_DATE.search(line) or _CLOCK.search(line))


def might_be_attribution(line: str, is_expected: bool = False) -> bool:
    """The same where what follows is set off as quoted, or where a program says that one comes: less is enough."""
    if len(line) > LONGEST_ATTRIBUTION or not _ENDS_LIKE_ATTRIBUTION.search(line):
        return False
    return is_expected or bool(_ADDRESS.search(line) or _DATE.search(line))


def is_label(line: str) -> bool:
    """Does it begin like a field of a header: "Från:"?"""
    return bool(_LABEL.match(line)) and "://" not in line[:40]


def begins_with_header(lines: list[str]) -> bool:
    """Does a mail that is shown with its header begin so: three fields, one with a time of day or an address?"""
    fields = [line for line in lines[:6] if is_label(line)]
    return len(fields) >= 3 and any(_ADDRESS.search(line) or _CLOCK.search(line) for line in fields)


def is_header(lines: list[str], are_bold: bool) -> bool:
    """Three to eight fields of a mail's header: one a date with its time of day, and an address if nothing is bold."""
    is_dated = any(_HEADER_DATE.search(line) and _CLOCK.search(line) for line in lines)
    return 3 <= len(lines) <= 8 and is_dated and (are_bold or any(map(_ADDRESS.search, lines)))


_OWN_BEFORE = re.compile(rf"^(.{{3,}}[.!?…])\s+((?:{OPENERS.pattern}).*)$")


def split_attribution(line: str) -> tuple[str, str]:
    """What the sender wrote before an attribution on the same line, and the attribution."""
    match = _OWN_BEFORE.match(line)
    return (match[1], match[2]) if match else ("", line)
