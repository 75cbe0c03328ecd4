"""Tags as words: a category's name as a tag that every server keeps."""

from __future__ import annotations

import re
import unicodedata

KEYWORD = re.compile(r'[^\x00-\x20\x7f-\U0010ffff(){%*"\\\]]+')
"""What every IMAP server takes for a keyword: an atom (RFC 9051 section 9, flag-keyword)."""


def keyword(name: str) -> str:
    """A category's name as a tag that every server can keep: letters, digits and "-._"."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-.") or "category"


OURS = "$postroom"
"""Keywords that begin so are Postroom's own marks."""
SET_BY_PROGRAMS = frozenset(
    {
        "seen",
        "answered",
        "flagged",
        "deleted",
        "draft",
        "recent",
        "junk",
        "nonjunk",
        "notjunk",
        "forwarded",
        "redirected",
    }
    | {"$junk", "$notjunk", "$nonjunk", "$phishing", "$forwarded", "$mdnsent", "$submitpending", "$submitted"}
)
"""What mail programs and servers set by themselves, or could take for a flag, in small letters (RFC 9051 section 2.3.2;
https://www.iana.org/assignments/imap-jmap-keywords)."""


def taken(word: str) -> str | None:
    """Why this keyword can be no category's tag, in words; None: it can."""
    small = word.lower()
    if small.startswith(OURS):
        return "is Postroom's own mark"
    return "is set by mail programs themselves, so it is nobody's word" if small in SET_BY_PROGRAMS else None
