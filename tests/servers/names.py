"""A name server of ours: answers what it is told to, or lies, or lets everybody wait."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Self

import dns.message
import dns.resolver
import dns.rrset


class NameServer:
    """`with NameServer({("example.org", "MX"): ["10 mx.example."]}) as names:` then `names.resolver()`.

    A name without an answer does not exist. `silent`: nothing is ever answered. `raw`: these bytes are the answer.
    """

    def __init__(
        self, answers: Mapping[tuple[str, str], Sequence[str]], *, silent: bool = False, raw: bytes | None = None
    ) -> None:
        self.answers, self.silent, self.raw = answers, silent, raw
        self.asked: list[tuple[str, str]] = []

    def resolver(self) -> dns.resolver.Resolver:
        """Asks this server and no other."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], self.socket.getsockname()[1]
        return resolver

    def __enter__(self) -> Self:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.1)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._answer)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self.socket.close()

    def _answer(self) -> None:
        while not self.ended.is_set():
            try:
                packet, sender = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            if self.raw is not None:
                self.socket.sendto(packet[:2] + self.raw, sender)
                continue
            query = dns.message.from_wire(packet)
            (question,) = query.question
            name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
            self.asked.append((name, kind))
            if self.silent:
                continue
            answer = dns.message.make_response(query)
            lines = self.answers.get((name, kind))
            if lines is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            else:
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *lines))
            self.socket.sendto(answer.to_wire(), sender)
