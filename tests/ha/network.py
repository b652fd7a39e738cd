"""A network of two ends, with a cable that can be cut: a namespace of Linux, which needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """``address`` is ours; what is started behind ``inside`` is at the other end."""

    address: str
    inside: list[str]
    _cable: str

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Lose every packet in both directions, and tell neither end, until the block ends."""
        _ip("link", "set", self._cable, "down")
        try:
            yield
        finally:
            _ip("link", "set", self._cable, "up")


@contextmanager
def network() -> Iterator[Network]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise AssertionError("a network to cut needs root and iproute2: install it, run as root")
    name = f"theater{os.getpid()}"  # an interface's name has 15 bytes
    subnet = f"198.18.{os.getpid() % 256}"  # a range for tests, which nobody routes
    _ip("netns", "add", name)
    try:
        _ip("link", "add", name, "type", "veth", "peer", "name", "far", "netns", name)
        _ip("addr", "add", f"{subnet}.1/24", "dev", name)
        _ip("link", "set", name, "up")
        _ip("-n", name, "addr", "add", f"{subnet}.2/24", "dev", "far")
        _ip("-n", name, "link", "set", "far", "up")
        yield Network(f"{subnet}.1", ["ip", "netns", "exec", name], name)
    finally:
        _ip("netns", "delete", name)  # and the cable with it


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
