"""A worked example of each message: a smith, Greta, and those who come to her."""

from collections.abc import Mapping
from typing import Any

_LIMITS: Mapping[str, int] = {
    "message_bytes": 262144,
    "string_chars": 16384,
    "depth": 16,
    "items": 1024,
    "open_requests": 64,
    "npcs": 4096,
    "messages_per_second": 200,
    "message_burst": 1000,
    "queue_messages": 1024,
    "queue_bytes": 1048576,
    "resume_messages": 4096,
    "resume_bytes": 4194304,
}

_GIVE: Mapping[str, Any] = {
    "name": "give_item",
    "description": "Give something that you hold to the one who speaks to you.",
    "schema": {
        "type": "object",
        "properties": {"item": {"enum": ["horseshoe", "nails"]}, "count": {"type": "integer", "minimum": 1}},
        "required": ["item", "count"],
    },
}

REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "hello": {
        "id": 1,
        "protocol": 1,
        "client": {"name": "my-mod", "version": "1.2.0", "game": "Minecraft 1.20.1"},
        "token": "a long word that nobody guesses",
        "resume": {"session": "ea9f5e135290c3fc", "last_seq": 41},
    },
    "npc.spawn": {"id": 2, "npc": "smith-2", "persona": "greta", "world": "marsh", "vars": {"player": "Alex"}},
    "npc.despawn": {"id": 3, "npc": "smith-2"},
    "npc.forget": {"id": 4, "npc": "smith-2"},
    "npc.update": {
        "id": 5,
        "npc": "smith-2",
        "state": {"place": "the forge", "health": 17, "raining": True, "holds": ["a hammer", "tongs"], "wound": None},
        "mood": "angry",
        "relationships": {"miller": {"trust": -2, "note": "owes you for a ploughshare"}},
    },
    "npc.list": {"id": 6, "active": True},
    "npc.inspect": {"id": 7, "npc": "smith-2"},
    "say": {
        "id": 8,
        "npc": "smith-2",
        "speaker": {"id": "p1", "name": "Alex", "kind": "player"},
        "text": "Good morning! Can I have two horseshoes?",
        "hearers": ["miller"],
        "priority": "player",
        "deadline_ms": 5000,
        "max_tokens": 60,
        "actions": ["give_item"],
    },
    "event": {
        "id": 9,
        "hearers": ["smith-2", "miller"],
        "text": "The bell of the mill rings.",
        "kind": "noise",
        "salience": 0.75,
        "silent": False,
        "max_tokens": 40,
    },
    "cancel": {"id": 10, "target": 8},
    "ping": {"id": 11},
    "hint": {"id": 12, "npcs": ["smith-2"], "eta_ms": 2000},
    "budget": {
        "id": 13,
        "device_bytes": 268435456,
        "ram_bytes": 536870912,
        "disk_bytes": 4294967296,
        "tokens_per_second": 12.5,
    },
    "actions.register": {"id": 14, "scope": {"persona": "greta"}, "actions": [_GIVE]},
    "actions.unregister": {"id": 15, "scope": {"all": True}, "actions": ["give_item"]},
    "action.result": {"id": 16, "call": "c7", "ok": False, "message": "There is only one horseshoe left."},
    "decide": {
        "id": 17,
        "npc": "smith-2",
        "question": "A wolf stands in the door. What do you do?",
        "schema": {"enum": ["fight", "flee", "hide"]},
        "remember": True,
    },
    "stats": {"id": 18},
    "subscribe": {"id": 19, "topics": ["stats", "npc", "log"]},
}
"""By ``type``, which is left out here."""

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "welcome": {
        "re": 1,
        "seq": 42,
        "session": "ea9f5e135290c3fc",
        "protocol": 1,
        "server": "npc-engine 0.1.0",
        "limits": _LIMITS,
        "capabilities": ["cancel", "hello", "npc.spawn", "ping", "say"],
        "model": "default",
        "resumed": True,
        "resume_window_ms": 120000,
        "heartbeat": {"interval_ms": 30000, "timeout_ms": 120000},
    },
    "ok": {"re": 2, "seq": 2},
    "pong": {"re": 11, "seq": 3},
    "npc.listing": {
        "re": 6,
        "seq": 4,
        "npcs": [{"npc": "smith-2", "persona": "greta", "name": "Greta", "active": True}],
    },
    "npc.info": {
        "re": 7,
        "seq": 5,
        "npc": "smith-2",
        "persona": "greta",
        "name": "Greta",
        "active": True,
        "mood": "calm",
        "relationships": {"miller": {"trust": -1, "note": "your creditor"}},
        "journal": [{"speaker": "Alex", "text": "Good morning!", "at": 1767225600.25}],
        "tokens": {"world": 310, "persona": 142, "history": 75},
        "kv": {"bytes": 13271040, "tier": "ram", "tiers": {"device": 0, "ram": 13271040, "disk": 0}, "tokens": 526},
    },
    "reply.start": {"re": 8, "seq": 6, "npc": "smith-2"},
    "reply.delta": {"re": 8, "seq": 7, "npc": "smith-2", "text": " two horse"},
    "reply.sentence": {"re": 8, "seq": 8, "npc": "smith-2", "text": "Here are your two horseshoes."},
    "reply.action": {
        "re": 8,
        "seq": 9,
        "npc": "smith-2",
        "call": "c7",
        "name": "give_item",
        "args": {"item": "horseshoe", "count": 2},
    },
    "reply.done": {
        "re": 8,
        "seq": 10,
        "npc": "smith-2",
        "text": "Here are your two horseshoes.",
        "finish": "stop",
        "usage": {"prompt_tokens": 527, "cached_tokens": 526, "completion_tokens": 9},
        "timings": {"queue": 0.0625, "restore": 0.0078125, "prefill": 0.03125, "first_token": 0.125, "total": 0.5},
        "mood": "cheerful",
    },
    "decided": {"re": 17, "seq": 11, "value": "fight"},
    "memory.compacted": {"seq": 12, "npc": "smith-2", "tokens_before": 1196, "tokens_after": 840},
    "stats": {
        "re": 18,
        "seq": 13,
        "sessions": 1,
        "npcs": {"known": 2, "active": 2, "awake": 1, "speaking": 0},
        "engine": {
            "running": 0,
            "waiting": 0,
            "steps": 28,
            "prompt_tokens": 1588,
            "cached_tokens": 680,
            "generated_tokens": 26,
            "parked": 0,
        },
        "tiers": {
            "device": {"used": 94371840, "budget": 268435456},
            "ram": {"used": 13271040, "budget": 536870912},
            "disk": {"used": 4751360, "budget": 4294967296},
        },
    },
    "npc.changed": {
        "seq": 14,
        "npc": "smith-2",
        "what": "updated",
        "persona": "greta",
        "name": "Greta",
        "active": True,
        "mood": "angry",
    },
    "log": {
        "seq": 15,
        "level": "warning",
        "logger": "npc_engine.inference.kv.disk",
        "text": "the disk tier of the KV cache is damaged (a block is cut off); it is begun anew",
        "at": 1767225600.5,
    },
    "error": {
        "re": 8,
        "seq": 16,
        "code": "overloaded",
        "message": "Too many lines are waiting; say it again in a moment.",
        "path": "npc",
        "retry_after_ms": 1000,
    },
    "bye": {"seq": 17, "reason": "the server is shutting down"},
}
"""By ``type``, which is left out here."""


def request_example(type: str) -> dict[str, Any]:
    """The example of a request, as it goes over the wire."""
    return {"type": type, **REQUESTS[type]}


def answer_example(type: str) -> dict[str, Any]:
    """The example of an answer, as it goes over the wire."""
    return {"type": type, **ANSWERS[type]}
