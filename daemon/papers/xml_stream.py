"""XML of strangers, read in a stream: no entity, no depth and no length can make it more than it is.

chunks | expat | Handler.start / text / end, by local names | until Enough, or a limit
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn
from xml.parsers import expat

DEEPEST = 256
LONGEST_XML = 8 << 20
_CHUNK = 1 << 16


class Enough(Exception):
    """Raised by a handler that has all it wants."""


class LimitReached(Exception):
    """A file is more than a file may be: too deep, too long, with entities of its own."""


class Handler:
    """What is made of one document. Names are local; `path` is the open elements, outermost first."""

    path: list[str]
    namespace: str = ""
    """Of the innermost open element."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; it is the last of `path`. Attributes by local names."""

    def end(self, name: str) -> None:
        """An element ends; it is still the last of `path`."""

    def text(self, text: str) -> None:
        """Some of an element's text."""


def read_xml(chunks: Iterable[bytes], handler: Handler) -> bool:
    """Feed a document to a handler. False: it is not well-formed; the handler has what came before the fault.

    Raises LimitReached. An external DTD is not read, and what it declares stays out of the text.
    """
    handler.path = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        handler.namespace, _, local = name.rpartition(" ")
        handler.path.append(local)
        if len(handler.path) > DEEPEST:
            raise LimitReached
        handler.start(local, {key.rpartition(" ")[2]: value for key, value in attributes.items()})

    def end(name: str) -> None:
        handler.end(name.rpartition(" ")[2])
        handler.path.pop()

    def refuse(*_: object) -> NoReturn:
        raise LimitReached

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = handler.text
    parser.EntityDeclHandler = refuse
    left = LONGEST_XML
    try:
        for chunk in chunks:
            if len(chunk) > left:
                raise LimitReached
            left -= len(chunk)
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except Enough:
        return True
    except expat.ExpatError:
        return False
    return True


def in_chunks(data: bytes) -> Iterable[bytes]:
    """A document in memory as `read_xml` wants it."""
    return (data[place : place + _CHUNK] for place in range(0, len(data), _CHUNK))


class Words(Handler):
    """All text of a document, a line for every element that has some."""

    def __init__(self, most: int) -> None:
        self.lines: list[str] = []
        self._left = most

    def text(self, text: str) -> None:
        """Keep it."""
        if text.strip():
            self.lines.append(text.strip())
            self._left -= len(text)
            if self._left < 0:
                raise Enough
