"""Runs a command in a network of its own and tells whom it spoke to: `python -m tests.own_network REPORT COMMAND ...`.

    namespaces of its own, the network's with nothing but lo | every address of the world leads to lo, where nobody is
    | all packets are read there | COMMAND | REPORT: JSON, each peer that somebody turned to, and packets missed

What counts is what leaves, so it does not matter which process, language or library tries: a first TCP segment or a
UDP datagram to a peer is an attempt, a question to a name server too. /run is empty in there, or names could be asked
for outside through a socket of systemd's or nscd's. Linux; as root, or where user namespaces are allowed.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from tests import ROOT

NAME_SERVER = "192.0.2.53"
"""Of the net for documentation (RFC 5737): a name that is looked up shows as a datagram to it."""

# linux/sockios.h, linux/if.h, linux/route.h, linux/if_packet.h, linux/if_ether.h
SIOCADDRT, SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCGIFINDEX = 0x890B, 0x8913, 0x8914, 0x8933
IFF_UP, RTF_UP = 1, 1
SOL_PACKET, PACKET_STATISTICS, ETH_P_ALL = 263, 6, 3
SO_RCVBUFFORCE = 33

SYN, ACK = 0x02, 0x10


@dataclass
class Watched:
    """How the command ended and everybody it turned to, as "tcp 127.0.0.1 143"."""

    code: int
    peers: set[str] = field(default_factory=set)
    missed: int = 0


def watched(command: Sequence[str], *, timeout: float, **environment: str) -> Watched:
    """Run a command in a network of its own. Raises subprocess.TimeoutExpired, CalledProcessError without one."""
    # A process namespace too: with its first process everything ends that was started in there.
    spaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        spaces += ["--map-current-user", "--keep-caps"]
    with tempfile.TemporaryDirectory(prefix="own-network-") as folder:
        report = Path(folder, "report.json")
        words = [*spaces, sys.executable, "-m", "tests.own_network", str(report), *command]
        subprocess.run(words, cwd=ROOT, env={**os.environ, **environment}, timeout=timeout, check=True)
        found = json.loads(report.read_text())
    return Watched(found["code"], set(found["peers"]), found["missed"])


def main(arguments: Sequence[str]) -> int:
    """Inside the namespaces."""
    report, *command = arguments
    _hide_helpers()
    _everything_leads_to_lo()
    peers: set[str] = set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as wire:
        try:
            wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        except PermissionError:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        wire.settimeout(0.2)
        ended = threading.Event()
        reader = threading.Thread(target=_read, args=(wire, peers, ended))
        reader.start()
        code = subprocess.run(command, check=False).returncode
        ended.set()
        reader.join()
        _packets, missed = struct.unpack("II", wire.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    Path(report).write_text(json.dumps({"code": code, "peers": sorted(peers), "missed": missed}))
    return 0


def _read(wire: socket.socket, peers: set[str], ended: threading.Event) -> None:
    """Until the command has ended and nothing more waits to be read."""
    while True:
        try:
            packet, (_interface, protocol, *_rest) = wire.recvfrom(128)
        except TimeoutError:
            if ended.is_set():
                return
            continue
        if (peer := peer_of(packet, protocol)) is not None:
            peers.add(peer)


def peer_of(packet: bytes, protocol: int) -> str | None:
    """Whom this packet turns to; None for an answer or the next segment of a connection, which had a first."""
    match protocol:
        case 0x0800:
            kind, to, inner = packet[9], str(IPv4Address(packet[16:20])), packet[4 * (packet[0] & 15) :]
        case 0x86DD:
            kind, to, inner = packet[6], str(IPv6Address(packet[24:40])), packet[40:]
        case _:
            return f"protocol {protocol:#06x}"
    match kind:
        case 6:  # TCP
            first = inner[13] & (SYN | ACK) == SYN
            return f"tcp {to} {int.from_bytes(inner[2:4])}" if first else None
        case 17:  # UDP
            return f"udp {to} {int.from_bytes(inner[2:4])}"
        case 1 if inner[0] == 3:  # ICMP: the kernel's "nobody is there", which quotes the packet that it answers
            return peer_of(inner[8:], protocol)
        case 58 if inner[0] == 1:  # ICMPv6: the same; of what leads to lo, IPv6 shows nothing but this
            return peer_of(inner[8:], protocol)
        case 0 | 58 if to.startswith("ff02:"):
            return None  # the kernel's own talk about multicast, as soon as an interface is up
        case _:
            return f"ip-{kind} {to}"


def _everything_leads_to_lo() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        name = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(asked, SIOCGIFFLAGS, name))[1]
        fcntl.ioctl(asked, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
        index = struct.unpack("16si12x", fcntl.ioctl(asked, SIOCGIFINDEX, name))[1]
        device = ctypes.create_string_buffer(b"lo")
        anywhere = struct.pack("H14x", socket.AF_INET)
        # struct rtentry: pad, destination, gateway, mask, flags, pads, metric, device, mtu, window, irtt
        route = struct.pack("L16s16s16sHhLPhPLLH", 0, anywhere, anywhere, anywhere, RTF_UP, 0, 0, 0, 0,
                            ctypes.addressof(device), 0, 0, 0)  # fmt: skip
        fcntl.ioctl(asked, SIOCADDRT, route)
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        return
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asked:
        # struct in6_rtmsg: destination, source, gateway, type, lengths, metric, info, flags, interface
        fcntl.ioctl(asked, SIOCADDRT, struct.pack("16s16s16sIHHILIi", b"", b"", b"", 0, 0, 0, 1, 0, RTF_UP, index))


def _hide_helpers() -> None:
    """Names are asked for over the network or not at all: nobody outside the namespace looks them up for us."""
    _mount("-t", "tmpfs", "none", "/run")
    lines = {"/etc/resolv.conf": f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:1\n"}
    lines["/etc/nsswitch.conf"] = "passwd: files\ngroup: files\nhosts: files dns\n"
    for name, content in lines.items():
        path = Path(name).resolve()  # it may point into /run
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        own = Path("/run", f"own-{path.name}")
        own.write_text(content)
        _mount("--bind", str(own), str(path))


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
