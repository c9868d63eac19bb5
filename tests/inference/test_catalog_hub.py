"""The hub is asked when the user names it, told so, and its refusals are explained. The hub here is a local one."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from npc_engine.errors import OperatorError
from npc_engine.inference.model.catalog import resolve
from npc_engine.inference.model.folder import CHAT_TEMPLATE, check_folder
from npc_engine.inference.model.hub import is_hub_id
from npc_engine.inference.model.progress import Silent
from tests.tiny import make_tiny

SHA = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(ThreadingHTTPServer):
    """Serves one model, ``org/tiny``, out of a folder; everything else is not found, ``org/gated`` is refused."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0]
        if "gated" in path:
            self._answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif path == "/api/models/org/tiny" or path.startswith("/api/models/org/tiny/revision/"):
            self._answer(200, json.dumps(self._info()).encode())
        elif path.startswith("/api/models/org/tiny/tree/"):
            self._answer(200, json.dumps(self._tree()).encode())
        elif path.startswith(f"/org/tiny/resolve/{SHA}/"):
            content = (self.server.folder / path.rpartition("/")[2]).read_bytes()
            etag = f'"{hashlib.sha1(content).hexdigest()}"'
            self._answer(200, content, {"X-Repo-Commit": SHA, "ETag": etag})
        else:
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None: ...

    def _info(self) -> dict[str, object]:
        files = [{"rfilename": f.name, "size": f.stat().st_size, "blobId": SHA} for f in self.server.folder.iterdir()]
        return {"id": "org/tiny", "modelId": "org/tiny", "sha": SHA, "siblings": files, "tags": []}

    def _tree(self) -> list[dict[str, object]]:
        return [
            {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": SHA} for f in self.server.folder.iterdir()
        ]

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


class Heard(Silent):
    def __init__(self) -> None:
        self.steps: list[str] = []

    def begin(self, step: str, total: int | None = None, unit: str = "bytes") -> None:
        self.steps.append(step)


@pytest.fixture
def fake_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub(make_tiny(tmp_path / "served")) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield server
        server.shutdown()
        thread.join()


def test_a_model_is_fetched_once_and_the_user_is_told_from_where(fake_hub: FakeHub, tmp_path: Path) -> None:
    (fake_hub.folder / "training_log.bin").write_bytes(b"not wanted")
    # As older repositories have it.
    template = (fake_hub.folder / CHAT_TEMPLATE).read_text()
    (fake_hub.folder / CHAT_TEMPLATE).unlink()
    config = json.loads((fake_hub.folder / "tokenizer_config.json").read_text())
    (fake_hub.folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": template}))
    told = Heard()
    folder = resolve("org/tiny", cache=tmp_path, report=told)
    check_folder(folder)
    assert (folder / CHAT_TEMPLATE).read_text() == template
    assert not {path.name for path in folder.iterdir()} & {"training_log.bin", ".cache"}
    assert all("Hugging Face hub" in step for step in told.steps)
    asked = len(fake_hub.asked)
    assert resolve("org/tiny", cache=tmp_path) == folder
    assert len(fake_hub.asked) == asked


def test_refusals_are_explained(fake_hub: FakeHub, tmp_path: Path) -> None:
    for spec, words in {"org/none": "has no model", "org/gated": "accept its terms"}.items():
        with pytest.raises(OperatorError, match=words) as caught:
            resolve(spec, cache=tmp_path)
        assert caught.value.remedy


def test_a_repository_without_usable_weights_is_refused(fake_hub: FakeHub, tmp_path: Path) -> None:
    (fake_hub.folder / "model.safetensors").unlink()
    with pytest.raises(OperatorError, match="no weights"):
        resolve("org/tiny", cache=tmp_path)
    (fake_hub.folder / "tiny-q4.gguf").write_bytes(b"")
    with pytest.raises(OperatorError, match="GGUF"):
        resolve("org/tiny", cache=tmp_path)


def test_a_hub_that_can_not_be_reached_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OperatorError, match=r"org/tiny can't be had from the Hugging Face hub"):
        resolve("org/tiny", cache=tmp_path)


def test_offline_mode_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OperatorError, match="HF_HUB_OFFLINE"):
        resolve("org/tiny", cache=tmp_path)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("org/name", True),
        ("HuggingFaceTB/SmolLM2-135M", True),
        ("name", False),
        ("a/b/c", False),
        ("./name", False),
        ("/abs/x", False),
        ("org/", False),
    ],
)
def test_what_is_spelt_like_a_hub_id(spec: str, expected: bool) -> None:
    assert is_hub_id(spec) is expected
