"""An engine that says one word over and over through the OpenAI API. Usage: ``python -m tests.cli.fake_peer PORT``."""

import asyncio
import json
import sys
from typing import Any

from aiohttp import web

WORD = "moo "
SECONDS_A_TOKEN = 0.002


def app() -> web.Application:
    made = web.Application()
    made.add_routes([web.get("/v1/models", _models), web.post("/v1/chat/completions", _complete)])
    return made


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": "cow"}]})


async def _complete(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    if asked["model"] != "cow" or not asked["ignore_eos"] or asked["temperature"]:
        return web.Response(status=400, text="no such cow")
    answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await answer.prepare(request)
    for _ in range(asked["max_tokens"]):
        await asyncio.sleep(SECONDS_A_TOKEN)
        await _send(answer, {"choices": [{"delta": {"content": WORD}}]})
    prompt = sum(len(message["content"].split()) for message in asked["messages"])
    usage = {"prompt_tokens": prompt, "completion_tokens": asked["max_tokens"]}
    await _send(answer, {"choices": [], "usage": usage | {"prompt_tokens_details": {"cached_tokens": prompt // 2}}})
    await answer.write(b"data: [DONE]\n\n")
    return answer


async def _send(answer: web.StreamResponse, event: dict[str, Any]) -> None:
    await answer.write(b"data: " + json.dumps(event).encode() + b"\n\n")


if __name__ == "__main__":
    web.run_app(app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
