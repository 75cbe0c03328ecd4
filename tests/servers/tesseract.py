"""The tesseract that `make servers` fetched, with English, German and what tells which way a page lies."""

from __future__ import annotations

from tests.servers.private import tree


def environment() -> dict[str, str]:
    """What a process that is to find it must be told. Raises FileNotFoundError with what to do if it is not there."""
    root = tree("tesseract-ocr") / "usr"
    [library] = (root / "lib").glob("*/libtesseract.so.5")
    [languages] = (root / "share" / "tesseract-ocr").glob("*/tessdata")
    return {"LD_LIBRARY_PATH": str(library.parent), "TESSDATA_PREFIX": str(languages)}
