"""A category's name as a tag."""

from __future__ import annotations

import re
import unicodedata


def keyword(name: str) -> str:
    """A category's name as a tag that every server can keep: letters, digits and "-._" (an atom, RFC 3501)."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-.") or "category"
