"""Tags instead of moves: a category's name as a tag, and where none can be kept."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Provider = Literal["microsoft", "google"]


def keyword(name: str) -> str:
    """A category's name as a tag that every server can keep: letters, digits and "-._" (an atom, RFC 3501)."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-.") or "category"


def no_tags(provider: Provider | None) -> str:
    """Why `act_by = "tag"` cannot work on this provider's server, and what can."""
    why = "this server keeps no keywords"
    if provider == "microsoft":
        why = "Microsoft 365 keeps no keywords over IMAP (Outlook's categories are something else)"
    elif provider == "google":
        why = "Gmail shows no keywords to people; it files by label"
    return f'{why}, so nothing can be tagged. Set act_by = "move".'
