"""Storages for the adapters' tests, and programs in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

if missing := [name for name in ("dapr", "agent_framework", "httpx") if find_spec(name) is None]:
    raise ImportError(f"{', '.join(missing)}: `make test-adapters` installs what is missing")

ROOT = Path(__file__).parent.parent.parent
Start = Callable[..., "subprocess.Popen[str]"]
Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def sidecar(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Listens where Dapr's sidecar would, says yes to everything, and lists what it was asked."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            requests.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(204)
            self.end_headers()

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815  # names of the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as in the base
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv("DAPR_HTTP_PORT", str(server.server_port))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield requests
        server.shutdown()
        thread.join()


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Start:
    """Starts a module of this package with arguments; it is gone when the test ends."""

    def start(module: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"tests.adapters.{module}", *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        request.addfinalizer(process.wait)
        request.addfinalizer(process.kill)
        return process

    return start


def wait_for_start() -> None:
    """Say that this process is ready, and wait for the others or for the end of its input."""
    print("ready", flush=True)
    sys.stdin.readline()


def answer(process: subprocess.Popen[str]) -> Any:
    """Return what the program printed last, as JSON."""
    printed, complaints = process.communicate("\n", timeout=60)
    assert process.returncode == 0, complaints
    return json.loads(printed.splitlines()[-1])


def race(processes: list[subprocess.Popen[str]]) -> list[Any]:
    """Have the programs go on together; return what each printed."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [answer(process) for process in processes]


@pytest.fixture
def run(start: Start) -> Run:
    """Runs a module of this package in a new process and returns what it printed last."""
    return lambda module, *arguments: answer(start(module, *arguments))


def execute(url: str, statement: str) -> list[Any]:
    """Run a statement beside the storage; return its rows."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement))
        rows = list(result) if result.returns_rows else []
    engine.dispose()
    return rows
