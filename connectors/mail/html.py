"""HTML of a mail to plain text, without what a reader cannot see.

    html | parse (lxml) | own tree | hide what nobody sees | lines | marks of history | text

Whatever a person does not see may be there for a filter or a model only: display:none, zero size, text in the colour
of its background. Everything is one walk over a bounded tree, so the time is linear in the mail.
"""

from __future__ import annotations

import re

from lxml.etree import LxmlError  # type: ignore[import-untyped]

from connectors.mail.headers import INVISIBLE
from connectors.mail.html_lines import LONGEST_TEXT
from connectors.mail.html_style import hide
from connectors.mail.html_tree import DROPPED, LONGEST_HTML, read_tree
from connectors.mail.html_walk import write

_TAG = re.compile(r"<[^<>]{0,2000}>")
_UNREAD = re.compile(rf"<!--|-->|<(/?)({'|'.join(sorted(DROPPED))})\b[^<>]{{0,2000}}>", re.IGNORECASE)


def html_to_text(html: str, forwarded: bool = False, is_first: bool = False, subject: str = "") -> str:
    """The visible text of an HTML mail. Bounded, never raises.

    Quotes are marked with "> ", and a line "-----Original Message-----" stands where a program says that all below
    is history. `forwarded` says that the subject announces a forward ("WG:", "Fwd:"): the first mail in it is content
    then, and "---------- Forwarded message ----------" stands above it. So it is with `is_first`, a mail that answers
    none; and fields below a drawn line are a form there, no header. Elsewhere they are a header if one of them is alike
    to the mail's `subject`, where that is known. If lxml fails, the tags are cut out crudely.
    """
    html = html.replace("\r", "\n").replace("\x0c", " ").replace("\x00", "")
    if not html.strip():
        return ""
    try:
        root, sheets = read_tree(html)
        hide(root, sheets)
        return write(root, forwarded or is_first, is_first, subject)
    except (LxmlError, ValueError, RecursionError):
        return crude_text(html[:LONGEST_HTML])


def crude_text(html: str) -> str:
    """Tags, scripts and style sheets cut out, nothing else understood. For HTML on which the library fails."""
    html = INVISIBLE.sub("", html)
    text = _TAG.sub(" ", _without_unread(html)) or _TAG.sub(" ", html)
    for entity, character in (("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(entity, character)
    return "\n".join(line for line in (" ".join(line.split()) for line in text[:LONGEST_TEXT].split("\n")) if line)


def _without_unread(html: str) -> str:
    """Without comments and elements whose text is none; one that never ends goes on to the end, as in browsers."""
    kept: list[str] = []
    start, wanted = 0, ""
    for token in _UNREAD.finditer(html):
        name = (token[2] or "").lower()
        if wanted and (token[0] == wanted or (token[1] and name == wanted)):
            start, wanted = token.end(), ""
        elif not wanted and token[0] != "-->" and not token[1]:
            kept.append(html[start : token.start()])
            wanted = name or "-->"
    return " ".join([*kept, "" if wanted else html[start:]]).strip()
