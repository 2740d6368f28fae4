"""No test of this room leaves the machine: a small Hub answers on it where one is needed."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import pytest


@pytest.fixture(autouse=True)
def no_network(monkeypatch) -> None:
    """Whoever connects to another machine gets an error, as without a cable."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address):
        if self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1"):
            return connect(self, address)
        raise OSError(f"a test tried to reach {address}")

    def find_here(host, *arguments, **options):
        if host in ("127.0.0.1", "::1"):
            return find(host, *arguments, **options)
        raise socket.gaierror(f"a test asked where {host} is")

    find = socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setattr(socket, "getaddrinfo", find_here)
    monkeypatch.setattr(
        "time.sleep", lambda seconds: None
    )  # no waiting between attempts to reach what is not there


@dataclass
class FakeHub:
    """What the Hub answers: versions of models, and offers to change them.

    Attributes:
        models: files by name, by version (commit, then "main" or "refs/pr/…" in ``revisions``), by model.
        offers: of ``FakeHub.offer``, by model.
        cut: a file that breaks off in the middle.
        asked: the paths of all requests.
    """

    models: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    revisions: dict[tuple[str, str], str] = field(default_factory=dict)
    offers: dict[str, list[dict]] = field(default_factory=dict)
    cut: str = ""
    asked: list[str] = field(default_factory=list)

    def publish(self, name: str, folder: Path, revision: str = "main") -> str:
        """The files of a folder as a version of a model; its commit."""
        commit = hashlib.sha1(f"{name}{revision}{len(self.revisions)}".encode()).hexdigest()
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.models.setdefault(name, {})[commit] = files
        self.revisions[name, revision] = commit
        return commit

    def offer(self, name: str, number: int, author: str, title: str, status: str = "open") -> None:
        what = {"title": title, "num": number, "author": {"name": author}, "status": status}
        what |= {"createdAt": "2024-01-01T00:00:00.000Z", "repo": {"name": name, "type": "model"}}
        self.offers.setdefault(name, []).append(what | {"isPullRequest": True})

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content for a path."""
        self.asked.append(path)
        path = path.partition("?")[0].replace("%2F", "/")
        for name, versions in self.models.items():
            if path == f"/api/models/{name}/discussions":
                offers = self.offers.get(name, [])
                return self._json({"discussions": offers, "count": len(offers), "start": 0})
            for api in ("revision", "tree"):
                if path.startswith(f"/api/models/{name}/{api}/"):
                    revision = path.removeprefix(f"/api/models/{name}/{api}/")
                    commit = self.revisions.get((name, revision), revision)
                    if commit not in versions:
                        return 404, {"X-Error-Code": "RevisionNotFound"}, b""
                    tree = [
                        {
                            "type": "file",
                            "path": file,
                            "size": len(content),
                            "oid": hashlib.sha1(content).hexdigest(),
                        }
                        for file, content in versions[commit].items()
                    ]
                    return self._json(tree if api == "tree" else {"id": name, "sha": commit, "siblings": []})
            if path.startswith(f"/{name}/resolve/"):
                revision, file = path.removeprefix(f"/{name}/resolve/").rsplit("/", 1)
                commit = self.revisions.get((name, revision), revision)
                content = versions[commit][file]
                headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
                return 200, headers, content
        return 401, {"X-Error-Code": "RepoNotFound"}, b""

    def _json(self, what) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "application/json"}, json.dumps(what).encode()


@pytest.fixture
def hub(monkeypatch, tmp_path_factory) -> Iterator[FakeHub]:
    """A Hub on this machine, and an empty cache for what it serves."""
    fake = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self, content: bool = True) -> None:
            status, headers, body = fake.answer(self.path)
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if content:
                broken = fake.cut and self.path.endswith(f"/{fake.cut}")
                self.wfile.write(body[: len(body) // 2] if broken else body)

        def do_HEAD(self) -> None:
            self.do_GET(content=False)

        def log_message(self, *arguments) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield fake
    server.shutdown()
    server.server_close()
