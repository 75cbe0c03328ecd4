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
