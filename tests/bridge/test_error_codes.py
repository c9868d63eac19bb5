"""Every error code, provoked over a real socket: the message names the place, and says what would be right."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, get_args

import pytest

from bridge.protocol import ErrorCode, Limits
from npc_engine.errors import DeadlinePassed, InvalidPersona, Overloaded
from tests.bridge.conftest import LIMITS, Serve
from tests.bridge.raw_client import GREETING, RawClient
from tests.bridge.scripted_world import ScriptedWorld

SPAWN = {"type": "npc.spawn", "npc": "greta", "persona": "greta", "id": "spawn"}
SAY = {"type": "say", "npc": "greta", "speaker": {"id": "p1"}, "text": "Hello", "id": 1}

FEW = LIMITS.model_copy(update={"messages_per_second": 2, "message_burst": 5})

NOT_YET: frozenset[str] = frozenset({"checkpoint_not_found"})
"""Codes of requests that come with a later version."""


@dataclass(frozen=True)
class Provoked:
    """How to get an error, and what has to be in it. ``path`` None: it is about no field of the message."""

    send: Callable[[RawClient, ScriptedWorld], Awaitable[Any]]
    code: ErrorCode
    path: str | None
    says: str
    remedy: str
    retries: bool = False
    greeted: bool = True
    limits: Limits = LIMITS


def message(**fields: Any) -> Callable[[RawClient, ScriptedWorld], Awaitable[None]]:
    async def send(raw: RawClient, world: ScriptedWorld) -> None:
        await raw.send(**fields)

    return send


def failing(error: Exception) -> Callable[[RawClient, ScriptedWorld], Awaitable[None]]:
    async def send(raw: RawClient, world: ScriptedWorld) -> None:
        await raw.ask(**SPAWN)
        world.failure = error
        await raw.send(**SAY)

    return send


async def many_messages(raw: RawClient, world: ScriptedWorld) -> None:
    for _ in range(8):
        await raw.send(type="ping")


async def many_requests(raw: RawClient, world: ScriptedWorld) -> None:
    await raw.ask(**SPAWN)
    world.paused.add("greta")
    for id in range(LIMITS.open_requests + 1):
        await raw.send(**{**SAY, "id": id})


async def many_npcs(raw: RawClient, world: ScriptedWorld) -> None:
    for number in range(LIMITS.npcs + 1):
        await raw.send(**{**SPAWN, "npc": f"n{number}", "id": number})


async def cancelled(raw: RawClient, world: ScriptedWorld) -> None:
    await raw.ask(**SPAWN)
    world.paused.add("greta")
    await raw.send(type="event", id=1, hearers=["greta"], text="Thunder.", silent=False)
    await raw.until("reply.delta")
    await raw.send(type="cancel", target=1)


async def another_line_under_an_old_id(raw: RawClient, world: ScriptedWorld) -> None:
    await raw.ask(**SPAWN)
    await raw.send(**SAY)
    await raw.until("reply.done")
    await raw.send(**{**SAY, "text": "Something else"})


async def nonsense(raw: RawClient, world: ScriptedWorld) -> None:
    await raw.socket.send(b"\xc1")


ERRORS = [
    Provoked(
        message(**{**SAY, "speaker": {}}), "bad_message", "speaker.id", "is missing", "the speaker's id in the game"
    ),
    Provoked(message(**{**SAY, "text": 5}), "bad_message", "text", "got an integer (5)", "expected a string"),
    Provoked(message(type="ping"), "bad_message", "type", "first message", "is 'hello'", greeted=False),
    Provoked(another_line_under_an_old_id, "bad_message", "id", "was another message", "needs a new id"),
    Provoked(nonsense, "bad_message", None, "not msgpack", "a byte that never starts a value"),
    Provoked(message(type="sya", id=1), "unknown_type", "type", "'sya' is unknown", "Did you mean 'say'?"),
    Provoked(
        message(**{**GREETING, "protocol": 9}),
        "unsupported_version",
        "protocol",
        "speaks version 1, not 9",
        "say hello again with it",
        greeted=False,
    ),
    Provoked(message(**GREETING), "unauthorized", "token", "is missing", "ask whoever runs the server", greeted=False),
    Provoked(message(**SAY), "unknown_npc", "npc", "No NPC 'greta'", "Spawn it first."),
    Provoked(
        message(type="hint", id=1, npcs=["nobody"], eta_ms=0), "unknown_npc", "npcs[0]", "'nobody'", "Spawn it first."
    ),
    Provoked(
        message(**{**SPAWN, "persona": "gerta"}), "unknown_persona", "persona", "No persona 'gerta'", "greta and tom"
    ),
    Provoked(
        failing(InvalidPersona("greta.yaml:3: No mood 'calmm'.", remedy="Did you mean 'calm'?")),
        "invalid_persona",
        None,
        "greta.yaml:3",
        "Did you mean 'calm'?",
    ),
    Provoked(message(**{**SAY, "text": "x" * 9000}), "limit_size", "text", "9000 characters", "at most 8192"),
    Provoked(message(**{**SAY, "text": "x" * 70_000}), "limit_size", None, "70", "at most 65536 may be sent at once"),
    Provoked(many_messages, "limit_rate", None, "not read", "send it again", retries=True, limits=FEW),
    Provoked(many_requests, "limit_requests", None, "4 requests are open", "wait for one to end or cancel one"),
    Provoked(many_npcs, "limit_requests", "npc", "3 NPCs", "despawn some"),
    Provoked(
        failing(DeadlinePassed("The answer was not ready.", remedy="Allow more time.")),
        "deadline",
        None,
        "not ready",
        "Allow more time.",
    ),
    Provoked(cancelled, "cancelled", None, "was cancelled", "cancelled"),
    Provoked(
        failing(Overloaded("Too many wait.", remedy="Ask again later.", retry_after_ms=250)),
        "overloaded",
        None,
        "Too many wait.",
        "Ask again later.",
        retries=True,
    ),
    Provoked(failing(ZeroDivisionError()), "internal", None, "wrong in the server", "its log says more about"),
]


@pytest.mark.parametrize("provoked", ERRORS, ids=lambda p: f"{p.code}-{p.path}")
async def test_an_error_says_what_was_wrong_where_and_what_would_be_right(
    serve: Serve, world: ScriptedWorld, provoked: Provoked
) -> None:
    token = "secret" if provoked.code == "unauthorized" else None
    async with serve(token=token, limits=provoked.limits) as server, RawClient(server.url) as raw:
        if provoked.greeted:
            await raw.greet()
        await provoked.send(raw, world)
        error = (await raw.until("error"))[-1]
        assert (error["code"], error.get("path")) == (provoked.code, provoked.path)
        assert provoked.says in error["message"]
        assert provoked.remedy in error["message"]
        assert ("retry_after_ms" in error) == provoked.retries
        if provoked.path is not None and provoked.code == "bad_message":
            assert f"`{provoked.path}`" in error["message"]
        if provoked.code != "unauthorized":
            await raw.send(**(GREETING if not provoked.greeted else {"type": "cancel", "target": 0, "id": "alive"}))
            await raw.until("welcome" if not provoked.greeted else "ok", "error")


def test_every_code_is_provoked() -> None:
    assert {provoked.code for provoked in ERRORS} | NOT_YET >= set(get_args(ErrorCode)) - {
        "unknown_action",
        "schema_unsupported",
    }
