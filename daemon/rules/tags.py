"""Tags instead of moves: a category's name as a tag, and where none can be kept."""

from __future__ import annotations

import re
import unicodedata


def keyword(name: str) -> str:
    """A category's name as a tag that every server can keep: letters, digits and "-._" (an atom, RFC 3501)."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-.") or "category"


def no_tags(why: str) -> str:
    """Why `act_by = "tag"` cannot work in a mailbox of a kind that says `why`, and what can."""
    return f'{why}, so nothing can be tagged. Set act_by = "move".'
