"""Who may come in, and who may not."""

import socket

import httpx
import openai
import pytest

from bridge.openai_api.server import HttpServer
from npc_engine.errors import OperatorError
from tests.bridge.openai_api.conftest import Serve

PATHS = ("/v1/models", "/v1/completions", "/metrics")


async def get(server: HttpServer, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.url.removesuffix("/v1")) as client:
        return await client.get(path, headers=headers)


async def test_without_a_token_any_key_will_do(server: HttpServer) -> None:
    assert (await get(server, "/v1/models")).status_code == 200
    assert (await get(server, "/v1/models", Authorization="Bearer sk-anything")).status_code == 200


async def test_a_token_is_asked_for_everywhere_but_at_the_health_check(serve: Serve) -> None:
    async with serve(token="sesame") as server:
        for path in PATHS:
            for wrong in ({}, {"Authorization": "Bearer sesam"}, {"Authorization": "Basic sesame"}):
                answer = await get(server, path, **wrong)
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
                assert answer.headers["www-authenticate"] == "Bearer"
        assert (await get(server, "/metrics", Authorization="bearer sesame")).status_code == 200
        assert (await get(server, "/healthz")).json() == {"status": "ok"}
        async with openai.AsyncOpenAI(base_url=server.url, api_key="sesame") as client:
            assert [model.id async for model in client.models.list()] == ["tiny"]
        async with openai.AsyncOpenAI(base_url=server.url, api_key="open") as client:
            with pytest.raises(openai.AuthenticationError):
                await client.models.list()


async def test_a_token_of_any_characters_is_compared(serve: Serve) -> None:
    async with serve(token="sésame") as server, httpx.AsyncClient() as client:
        key = "Bearer sésame".encode()
        assert (await client.get(f"{server.url}/models", headers={b"authorization": key})).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
async def test_web_pages_are_refused(server: HttpServer, origin: str, caplog: pytest.LogCaptureFixture) -> None:
    for path in (*PATHS, "/healthz"):
        answer = await get(server, path, Origin=origin)
        assert answer.status_code == 403
        assert origin in answer.json()["error"]["message"]
        assert "access-control-allow-origin" not in answer.headers
    assert origin in caplog.text


async def test_pages_on_the_list_may_come_in(serve: Serve) -> None:
    async with serve(origins=["https://Game.example/"]) as server:
        answer = await get(server, "/v1/models", Origin="https://game.example")
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://game.example")
        assert (await get(server, "/v1/models", Origin="https://evil.example")).status_code == 403
        asking = {"Origin": "https://game.example", "Access-Control-Request-Method": "POST"}
        async with httpx.AsyncClient() as client:
            assert (await client.options(f"{server.url}/chat/completions", headers=asking)).status_code == 200


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "127.0.0.1:8766", "[::1]:8766"])
async def test_this_machine_is_called_by_its_own_names(server: HttpServer, host: str) -> None:
    assert (await get(server, "/v1/models", Host=host)).status_code == 200


@pytest.mark.parametrize("host", ["evil.example:8766", "10.0.0.1", "[::1", "localhost.evil.example", ""])
async def test_a_name_that_leads_here_from_elsewhere_is_refused(serve: Serve, host: str) -> None:
    async with serve() as server:
        answer = await get(server, "/healthz", Host=host)
        assert answer.status_code == 403
        assert "127.0.0.1" in answer.json()["error"]["message"]
    async with serve(token="sesame") as server:
        assert (await get(server, "/v1/models", Host=host, Authorization="Bearer sesame")).status_code == 200


async def test_strangers_are_let_in_only_with_a_token(serve: Serve) -> None:
    with pytest.raises(OperatorError, match="--token"):
        async with serve(host="0.0.0.0"):
            pass
    async with serve(host="0.0.0.0", token="sesame") as server:
        assert server.url == f"http://0.0.0.0:{server.port}/v1"


async def test_every_address_of_a_name_is_listened_on(serve: Serve) -> None:
    async with serve(host="localhost") as server:
        assert (await get(server, "/healthz")).status_code == 200
        with socket.create_connection(("127.0.0.1", server.port), timeout=5):
            pass


async def test_a_port_in_use_is_said_to_be(serve: Serve, server: HttpServer) -> None:
    second = HttpServer(server._api._served, port=server.port)
    with pytest.raises(OperatorError, match=rf"{server.port}.*--http-port 0 does without HTTP"):
        await second.start()
    await second.close()


async def test_an_address_of_another_machine_is_said_to_be(serve: Serve) -> None:
    with pytest.raises(OperatorError, match="no address"):
        async with serve(host="192.0.2.1", token="sesame"):
            pass
