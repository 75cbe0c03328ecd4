"""java_trust.py FILE: this machine's certificate authorities as Java reads them (a key store of the type JKS)."""

from __future__ import annotations

import hashlib
import ssl
import struct
import sys
from pathlib import Path

PASSWORD = "changeit"
"""What everybody's list of authorities is sealed with: it keeps nothing secret."""


def key_store(certificates: list[bytes]) -> bytes:
    """Certificates in DER as trusted entries: sun.security.provider.JavaKeyStore, version 2."""
    store = struct.pack(">III", 0xFEEDFEED, 2, len(certificates))
    for number, certificate in enumerate(certificates):
        alias = str(number).encode()
        store += struct.pack(">IH", 2, len(alias)) + alias + struct.pack(">Q", 0)
        store += struct.pack(">H", 5) + b"X.509" + struct.pack(">I", len(certificate)) + certificate
    seal = hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + store, usedforsecurity=False)
    return store + seal.digest()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(key_store(ssl.create_default_context().get_ca_certs(binary_form=True)))
