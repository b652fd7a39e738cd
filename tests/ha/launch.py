"""Starts three PostgreSQL under Patroni and one etcd, as the user that PostgreSQL wants.

``make test-ha`` installs Patroni; etcd is a package of the system's (Debian: ``etcd-server``).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.ha.cluster import Cluster, Node
from tests.postgres import Account, NoPostgresError, account, binaries, free_port, readable

NODES = 3
SETTINGS = {
    "ttl": 20,
    "loop_wait": 1,
    "retry_timeout": 3,
    "primary_start_timeout": 0,
    "synchronous_mode": True,
    "postgresql": {"use_pg_rewind": True, "parameters": {"max_connections": 100}},
}
# The system's Python, for which make installed it: the one of the tests may lie below /root,
# where PostgreSQL's user can't enter. For the same reason the packages are copied.
PYTHON = Path("/usr/bin/python3")
PACKAGES = Path(sys.prefix) / "ha"

STOP = """while read pid; do pids="$pids -$pid"; done
kill -9 $pids
for data in '{home}'/*/data; do '{binaries}/pg_ctl' stop -s -m immediate -D "$data"; done
rm -rf '{home}'
"""


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a cluster of our own, of which nothing is left when the block ends."""
    etcd, folder = _needed()
    home = Path(tempfile.mkdtemp(prefix="theater_sql_ha_", dir="/tmp"))
    try:
        with _Launch(home, folder).kept() as launch:
            yield launch.cluster(etcd)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _needed() -> tuple[str, Path]:
    etcd = shutil.which("etcd")
    if etcd is None:
        raise NoPostgresError("a cluster needs etcd: install your system's etcd-server")
    if not (PYTHON.exists() and PACKAGES.exists()):
        raise NoPostgresError(f"a cluster needs {PYTHON}, and Patroni for it: run make test-ha")
    return etcd, binaries("pg_basebackup", "pg_controldata", "pg_rewind")


class _Launch:
    """What runs below ``home``, and how it ends."""

    def __init__(self, home: Path, folder: Path) -> None:
        self._home = home
        self._account: Account = account()
        self._folder = readable(folder, home, self._account)
        shutil.copytree(PACKAGES, home / "packages")
        self._own(home)
        self._keeper: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def kept(self) -> Iterator[_Launch]:
        """Have a shell end everything, when the block ends and after kill -9 of this process."""
        stop = STOP.format(home=self._home, binaries=self._folder)
        self._keeper = self._popen(["/bin/sh", "-c", stop], "keeper.log", subprocess.PIPE)
        try:
            with self._keeper:  # its input ends, and so it begins
                yield self
        finally:
            for process in self._started:
                process.wait()

    def cluster(self, etcd: str) -> Cluster:
        passwords = {name: secrets.token_urlsafe(12) for name in ("postgres", "replicator", "app")}
        port = free_port()
        self._run(_etcd(etcd, self._home, port), "etcd.log")
        nodes = [Node(f"node{n}", self._home / f"node{n}") for n in range(NODES)]
        for node in nodes:
            node.home.mkdir()
            config = node.home / "patroni.json"  # which is YAML as well
            config.write_text(json.dumps(_patroni(node, port, self._folder, passwords)))
            self._own(node.home)
            node.patroni = self._run([PYTHON, "-m", "patroni", config], f"{node.name}/log")
        return Cluster(nodes, passwords)

    def _own(self, folder: Path) -> None:
        """Give a folder to the server's user, who has to be able to remove it."""
        if user := self._account:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, user["user"], user["group"], follow_symlinks=False)

    def _run(self, command: list[Any], log: str) -> int:
        process = self._popen(command, log, subprocess.DEVNULL)
        self._started.append(process)
        assert self._keeper is not None and self._keeper.stdin is not None
        self._keeper.stdin.write(b"%d\n" % process.pid)
        self._keeper.stdin.flush()
        return process.pid

    def _popen(self, command: list[Any], log: str, stdin: int) -> subprocess.Popen[bytes]:
        """Start a program as the server's user, deaf to the caller's Python and PG variables."""
        deaf = ("PG", "PYTHON", "PATRONI", "ETCD")
        clean = {name: text for name, text in os.environ.items() if not name.startswith(deaf)}
        with (self._home / log).open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self._home,
                env=clean | {"LC_ALL": "C", "PYTHONPATH": str(self._home / "packages")},
                stdin=stdin,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **self._account,
            )


def _etcd(program: str, home: Path, port: int) -> list[str]:
    clients, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
    return [
        program,
        "--name=one",
        f"--data-dir={home}/etcd",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=one={peers}",
    ]


def _patroni(node: Node, etcd: int, folder: Path, passwords: dict[str, str]) -> dict[str, Any]:
    rest, postgres = (f"127.0.0.1:{port}" for port in (node.rest, node.port))
    roles = {"superuser": "postgres", "replication": "replicator"}
    return {
        "scope": "theater",
        "name": node.name,
        "restapi": {"listen": rest, "connect_address": rest},
        "etcd3": {"host": f"127.0.0.1:{etcd}"},
        "bootstrap": {"dcs": SETTINGS, "initdb": [{"encoding": "UTF8"}, "no-locale", "no-sync"]},
        "postgresql": {
            "listen": postgres,
            "connect_address": postgres,
            "data_dir": str(node.data),
            "bin_dir": str(folder),
            "pgpass": str(node.home / "pgpass"),
            "basebackup": {"checkpoint": "fast"},  # else two clones wait 95 s for a checkpoint
            "authentication": {
                role: {"username": name, "password": passwords[name]}
                for role, name in roles.items()
            },
            "pg_hba": [
                f"host {name} all 127.0.0.1/32 scram-sha-256" for name in ("all", "replication")
            ],
            "parameters": {"unix_socket_directories": ""},
        },
    }
