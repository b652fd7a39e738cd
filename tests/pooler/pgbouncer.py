"""PgBouncer in transaction mode, in front of the tests' PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tests.postgres import Server, account, free_port

SETTINGS = """
[databases]
* = host={server.host} port={server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
admin_users = {server.user}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
"""


class NoPgBouncerError(Exception):
    """PgBouncer can't be had; the message says why and what to do."""


@contextmanager
def pgbouncer(server: Server, size: int) -> Iterator[Server]:
    """Run a PgBouncer with at most ``size`` sessions for each database of a server."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise NoPgBouncerError("these tests need PgBouncer: apt-get install pgbouncer")
    port, who = free_port(), account()
    # Where the server's user can read: like PostgreSQL, PgBouncer refuses root.
    home = Path(tempfile.mkdtemp(prefix="theater_sql_pgbouncer_", dir="/tmp"))
    try:
        users, settings = home / "users", home / "settings"
        users.write_text(f'"{server.user}" "{server.password or ""}"\n', encoding="utf-8")
        text = SETTINGS.format(server=server, port=port, users=users, size=size)
        settings.write_text(text, encoding="utf-8")
        for path in (home, users, settings):
            os.chown(path, who.get("user", -1), who.get("group", -1))
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                **who,
            )
        with process:
            try:
                _wait_for(port, process, home / "log")
                yield replace(server, host="127.0.0.1", port=port)
            finally:
                process.kill()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise NoPgBouncerError(f"PgBouncer did not start:\n{log.read_text(encoding='utf-8')}")
