"""Which answers belong to which request."""

from collections.abc import Mapping

from bridge.protocol.answers import (
    AnyAnswer,
    Bye,
    Decided,
    LogLine,
    MemoryCompacted,
    NpcChanged,
    NpcInfo,
    NpcListing,
    Ok,
    Pong,
    ReplyAction,
    ReplyDelta,
    ReplyDone,
    ReplySentence,
    ReplyStart,
    Stats,
    Welcome,
)
from bridge.protocol.requests import (
    ActionResult,
    ActionsRegister,
    ActionsUnregister,
    AnyRequest,
    AskStats,
    Budget,
    Cancel,
    Decide,
    Event,
    Hello,
    Hint,
    NpcDespawn,
    NpcForget,
    NpcInspect,
    NpcList,
    NpcSpawn,
    NpcUpdate,
    Ping,
    Say,
    Subscribe,
)

_REPLY = (ReplyStart, ReplyDelta, ReplySentence, ReplyAction, ReplyDone)

ANSWERS: Mapping[type[AnyRequest], tuple[type[AnyAnswer], ...]] = {
    Hello: (Welcome,),
    NpcSpawn: (Ok,),
    NpcDespawn: (Ok,),
    NpcForget: (Ok,),
    NpcUpdate: (Ok,),
    NpcList: (NpcListing,),
    NpcInspect: (NpcInfo,),
    Say: _REPLY,
    Event: (*_REPLY, Ok),
    Cancel: (Ok,),
    Ping: (Pong,),
    Hint: (Ok,),
    Budget: (Ok,),
    ActionsRegister: (Ok,),
    ActionsUnregister: (Ok,),
    ActionResult: (Ok,),
    Decide: (Decided,),
    AskStats: (Stats,),
    Subscribe: (Ok,),
}
"""What a request is answered with, in order; the last one ends it. An ``error`` may come instead and ends it, too."""

UNASKED: tuple[type[AnyAnswer], ...] = (MemoryCompacted, Stats, NpcChanged, LogLine, Bye)
"""What a server sends without being asked; it has no ``re``. An ``error`` may have none, too."""
