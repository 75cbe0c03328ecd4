"""What a part is: its Content-Type as it was meant, however it was written (RFC 2045 section 5).

headers, body | content_of_part | Content(kind, parameters)
"""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.mail.headers import Headers, Parameters, decode_header, parameters_of

MOST_TYPES = 5
_TEXT_NAMES = (".txt", ".text", ".log", ".md", ".eml")
_ALONE = {"text": "text/plain", "plain": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}
# Where programs write a file's name, the right places (RFC 2183, RFC 2046) first.
_NAMED_BY = (
    ("content-disposition", "filename"),
    ("content-type", "name"),
    ("content-disposition", "name"),
    ("content-type", "filename"),
    ("content-type", "file"),
)


@dataclass(frozen=True)
class Content:
    """A part's type in small letters ("text/plain"), and its field's parameters."""

    kind: str
    parameters: Parameters = field(default_factory=Parameters)

    def get(self, name: str) -> str:
        return self.parameters.get(name)


def content_of_part(headers: Headers, body: bytes, default: str = "text/plain") -> Content:
    """Of several Content-Type fields the first multipart whose boundary occurs, else the first that is a type."""
    values = [value for name, value in headers.fields if name == "content-type" and value][:MOST_TYPES]
    found = [parameters_of(value) for value in values]
    if not found:
        return Content(default)
    if len(found) > 1:
        for one in found:
            boundary = one.get("boundary").strip()
            if "multipart" in one.value and boundary and b"--" + boundary.encode("utf-8", "replace") in body:
                return Content(_kind(one, headers), one)
    chosen = next((one for one in found if one.value.count("/") == 1), found[0])
    return Content(_kind(chosen, headers), chosen)


def _kind(one: Parameters, headers: Headers) -> str:
    """RFC 2045 section 5.2: what is no type at all is plain text; but a file's name says that it is a file."""
    main, slash, rest = one.value.partition("/")
    if slash and rest and "/" not in rest and main:
        return one.value
    if main == "multipart" and (one.get("boundary") or rest):
        return f"multipart/{rest.rpartition('/')[2] or 'mixed'}"
    if slash and main and rest:
        return "/".join(one.value.split("/")[:2])
    if one.value in _ALONE:
        return _ALONE[one.value]
    name = file_name(headers)
    return "application/octet-stream" if name and not name.lower().endswith(_TEXT_NAMES) else "text/plain"


def file_name(headers: Headers) -> str:
    """The file name, RFC 2231 and RFC 2047 decoded, one line; empty if there is none."""
    for field_name, parameter in _NAMED_BY:
        if value := headers.parameters(field_name).get(parameter):
            return decode_header(value).replace("/", "_").replace("\\", "_")[-255:].strip()
    return ""
