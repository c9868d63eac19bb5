"""One request, carried out against the world: the answers it produces, whatever becomes of it.

Every errand ends with exactly one last answer: ``ok``, ``npc.listing``, ``npc.info``, ``stats``, ``error``, or for a
``say`` its ``reply.done``. An ``event`` that is not silent streams the reactions of its hearers and then ends with
``ok``. A cancelled reply that has begun ends with a ``reply.done`` of its own, because what was said until then stays
said.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Collection

from bridge.protocol import (
    ActionResult,
    ActionsRegister,
    ActionsUnregister,
    AnyAnswer,
    AnyRequest,
    AskStats,
    Budget,
    Decide,
    Decided,
    Error,
    Event,
    Hint,
    NpcDespawn,
    NpcForget,
    NpcInspect,
    NpcList,
    NpcListing,
    NpcSpawn,
    NpcUpdate,
    Ok,
    ReplyDelta,
    ReplyDone,
    ReplyStart,
    Say,
)
from bridge.translate import (
    from_event,
    from_info,
    from_stats,
    from_summary,
    path_to_npc,
    to_action,
    to_budgets,
    to_happening,
    to_say,
    to_scope,
    to_update,
)
from npc_engine.errors import (
    LimitExceeded,
    NpcEngineError,
    SchemaUnsupported,
    UnknownAction,
    UnknownMood,
    UnknownNpc,
    UnknownPersona,
)
from npc_engine.world.actions import ActionBook
from npc_engine.world.events import ReplyEvent
from npc_engine.world.world import World

logger = logging.getLogger(__name__)

Post = Callable[[AnyAnswer], None]
"""Where answers go. Must not block."""


async def run_errand(
    world: World,
    request: AnyRequest,
    id: int | str,
    post: Post,
    after: Collection[asyncio.Task[None]] = (),
    *,
    sessions: Callable[[], int],
    book: ActionBook,
) -> bool:
    """Carry out ``request`` once ``after`` are done, and post its answers. Never raises an error.

    ``sessions`` says how many clients are connected; ``book`` holds the actions of this one.

    Cancelling this task cancels the request, and none of ``after``.

    Returns whether the request did what it was meant to. A cancelled errand still posts its last answer, and is done
    then: the cancellation goes no further.
    """
    said: dict[str, list[str]] = {}  # by NPC, the replies that have begun and not ended
    done: set[str] = set()  # the NPCs whose replies have ended

    def answer(message: AnyAnswer) -> None:
        match message:
            case ReplyStart():
                said[message.npc] = []
            case ReplyDelta():
                said.setdefault(message.npc, []).append(message.text)
            case ReplyDone():
                said.pop(message.npc, None)
                done.add(message.npc)
        post(message)

    try:
        if after:
            await asyncio.wait(after)
        await _carry_out(world, request, id, answer, sessions, book)
        if isinstance(request, Say) and request.npc not in done:
            raise RuntimeError(f"the reply of {request.npc!r} ended without its last event")
    except asyncio.CancelledError:
        if isinstance(request, Say) and request.npc not in done:
            said.setdefault(request.npc, [])
        for npc, pieces in said.items():
            post(ReplyDone(re=id, npc=npc, text="".join(pieces), finish="cancelled"))
        if not isinstance(request, Say):
            post(Error(re=id, code="cancelled", message="The request was cancelled."))
    except Exception as error:
        post(describe_failure(error, request))
    else:
        return True
    return False


def describe_failure(error: Exception, request: AnyRequest) -> Error:
    """What a client is told about ``error``. What it can't mend goes to the log, under the id that it is told."""
    re = request.id
    if isinstance(error, NpcEngineError) and error.code != "internal":
        code, path = error.code, None
        if isinstance(error, UnknownNpc):
            path = path_to_npc(request, error.npc)
        elif isinstance(error, UnknownAction):
            path = error.path
        elif isinstance(error, SchemaUnsupported):
            path = error.path if isinstance(request, ActionsRegister) else _within("schema", error.path)
        elif isinstance(error, UnknownMood):
            path = "mood"
        elif isinstance(error, UnknownPersona) and isinstance(request, NpcSpawn):
            path = error.of
        elif isinstance(error, LimitExceeded) and isinstance(request, Budget):
            # The tiers are looked at in this order, and nothing is changed when one of them is too small.
            code, path = "bad_message", request.tiers()[0]
        return Error(re=re, code=code, message=str(error), path=path, retry_after_ms=error.retry_after_ms)
    incident = secrets.token_hex(4)
    if isinstance(error, NpcEngineError):
        # Raised on purpose, for whoever runs the server: its words say more than its place in the code.
        logger.error("%s: request %r failed: %s", incident, re, error)
    else:
        logger.error("%s: request %r failed", incident, re, exc_info=error)
    message = f"Something is wrong in the server, not in the request; its log says more about {incident}."
    retry = error.retry_after_ms if isinstance(error, NpcEngineError) else None
    return Error(re=re, code="internal", message=message, retry_after_ms=retry)


async def _carry_out(
    world: World, request: AnyRequest, id: int | str, post: Post, sessions: Callable[[], int], book: ActionBook
) -> None:
    match request:
        case Say():
            await _stream(world.say(to_say(request, book)), id, post)
        case Event():
            await _stream(world.happen(to_happening(request, book)), id, post)
            post(Ok(re=id))
        case NpcSpawn():
            await world.spawn(request.npc, request.persona, world=request.world, variables=request.vars)
            post(Ok(re=id))
        case NpcDespawn():
            await world.despawn(request.npc)
            post(Ok(re=id))
        case NpcForget():
            await world.forget(request.npc)
            post(Ok(re=id))
        case NpcUpdate():
            await world.update(to_update(request))
            post(Ok(re=id))
        case NpcList():
            npcs = [
                from_summary(npc) for npc in world.roster() if request.active is None or npc.active == request.active
            ]
            post(NpcListing(re=id, npcs=npcs))
        case NpcInspect():
            post(from_info(await world.inspect(request.npc), id))
        case Hint():
            await world.hint(request.npcs, request.eta_ms / 1000)
            post(Ok(re=id))
        case Budget():
            await world.set_budgets(to_budgets(request))
            post(Ok(re=id))
        case ActionsRegister():
            await _register(world, request, book)
            post(Ok(re=id))
        case ActionsUnregister():
            book.unregister(to_scope(request.scope), request.actions)
            post(Ok(re=id))
        case ActionResult():
            await world.result(request.call, ok=request.ok, message=request.message or "")
            post(Ok(re=id))
        case Decide():
            value = await world.decide(request.npc, request.question, request.json_schema, remember=request.remember)
            post(Decided(re=id, value=value))
        case AskStats():
            post(from_stats(await world.stats(), sessions(), id))
        case _:
            raise AssertionError(f"{request.type} is answered by the session")


async def _register(world: World, request: ActionsRegister, book: ActionBook) -> None:
    """Take all of the actions or, when one of them can't be kept to, none."""
    actions = [to_action(action) for action in request.actions]
    for index, action in enumerate(actions):
        try:
            await world.check_action(action)
        except SchemaUnsupported as error:
            raise SchemaUnsupported(
                error.message, remedy=error.remedy, path=_within(f"actions[{index}].schema", error.path)
            ) from error
    book.register(to_scope(request.scope), actions)


async def _stream(events: AsyncIterator[ReplyEvent], id: int | str, post: Post) -> None:
    try:
        async for event in events:
            post(from_event(event, id))
    finally:
        # A cancelled task has thrown into the iterator already, where it waited; one that was cancelled between two
        # events has not, and would go on generating until it is collected.
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def _within(path: str, more: str) -> str:
    return f"{path}.{more}" if more else path
