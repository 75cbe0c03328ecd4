"""Does a subject announce a forward? "FW:", "WG:", "転送:", behind whatever gateways and helpdesks put in front.

"[EXTERNAL] *Ticket 88* AW: WG: Drucker" | is_forward | True
"""

from __future__ import annotations

import re

_COLON = r"(?:[\[(]\d{1,3}[\])])?\s{0,3}[:：]"
# What stands in front: tags in brackets or stars, numbers, words of gateways, the prefixes of replies. Each is one
# bounded match, and at most `MOST_TAGS` of them are skipped.
_IN_FRONT = re.compile(
    r"\s*(?:\[[^\[\]]{0,80}\]|\([^()]{0,80}\)|\{[^{}]{0,80}\}|【[^】]{0,80}】|<[^<>]{1,80}>|\*{1,3}[^*]{1,60}\*{1,3}"
    r"|[#№]?\s?\d{1,12}\b\s{0,3}[:\-–|.]?"
    r"|(?:ticket|case|fall|vorgang|ref|spam|suspect(?:ed)?|virus|urgent|wichtig|important)\b[\s#:.-]{1,4}(?:\d{1,12}\b)?"
    r"|(?:ext(?:ern(?:al|e[rs]?|o|í|ally|t)?)?|external sender|externer absender|zewnętrzn[ay]|esterno|eksternt?)\b"
    r"\s{0,3}[:\-–|]?"
    r"|(?:re|aw|sv|antwo?r?t?|res?p?|r[ée]p|ha|rif|odp|ynt|ref|tr|vs|回复|回覆|答复|返信|답장|回信)"
    + _COLON
    + r"|[:\-–—|/>*!~]{1,3})",
    re.IGNORECASE,
)
_FORWARD = re.compile(
    r"\s*(?:fwd?|wg|weiterl\w{0,12}|tr|rv|i|inoltr\w{0,8}|doorst(?:uur|uren)?|pd|podaj dalej|enc|encaminh\w{0,6}|vs"
    r"|vb|vl|vidarebef\w{0,8}|videresendt?|välitet\w{0,3}|ilt|i̇lt|İlt|yön|yönl?\w{0,6}|továbbítás|továbbított|tov[áa]b?"
    r"|přep\w{0,8}|prepos\w{0,8}|πρθ|προώθ\w{0,4}|пересл\w{0,8}|fs"
    r"|转发|轉寄|轉發|转寄|転送|전달|הועבר|إعادة توجيه)" + _COLON,
    re.IGNORECASE,
)
_AT_END = re.compile(r"\((?:fwd|forwarded message)\)\s*$", re.IGNORECASE)
MOST_TAGS = 20


def is_forward(subject: str) -> bool:
    """Whether the subject says that what the mail carries is its content."""
    position = 0
    for _ in range(MOST_TAGS):
        if _FORWARD.match(subject, position):
            return True
        tag = _IN_FRONT.match(subject, position)
        if not tag or tag.end() == position:
            break
        position = tag.end()
    return bool(_AT_END.search(subject[-60:]))
