"""Between the words of the wire and the words of the world. Pure functions; nothing here waits or fails."""

from bridge import protocol
from npc_engine.inference.request import TIERS, Budgets, Priority
from npc_engine.mind.actions import Action
from npc_engine.world import events
from npc_engine.world.actions import ActionBook, Offers, Scope

_PRIORITIES: dict[protocol.PriorityName, Priority] = {
    "player": Priority.PLAYER,
    "ambient": Priority.AMBIENT,
    "idle": Priority.IDLE,
}


def to_say(say: protocol.Say, book: ActionBook) -> events.Say:
    """What the world is told when someone speaks, to whom what is in ``book`` is offered."""
    speaker = events.Speaker(say.speaker.id, say.speaker.name or say.speaker.id, say.speaker.kind)
    return events.Say(
        npc=say.npc,
        speaker=speaker,
        text=say.text,
        hearers=tuple(say.hearers),
        priority=_PRIORITIES[say.priority],
        deadline_ms=say.deadline_ms,
        max_tokens=say.max_tokens,
        offers=Offers(book, None if say.actions is None else tuple(say.actions)),
    )


def to_happening(event: protocol.Event, book: ActionBook) -> events.Happening:
    """What the world is told when something happens."""
    return events.Happening(
        hearers=tuple(event.hearers),
        text=event.text,
        kind=event.kind,
        salience=event.salience,
        silent=event.silent,
        max_tokens=event.max_tokens,
        offers=Offers(book),
    )


def to_scope(scope: protocol.Scope) -> Scope:
    """Whose actions they are."""
    return Scope(npc=scope.npc, persona=scope.persona)


def to_action(action: protocol.Action) -> Action:
    """What an NPC can do."""
    if action.json_schema is None:
        return Action(action.name, action.description)
    return Action(action.name, action.description, action.json_schema)


def to_update(update: protocol.NpcUpdate) -> events.Update:
    """What the world is told about an NPC."""
    relationships = update.relationships or {}
    return events.Update(
        npc=update.npc,
        state=dict(update.state or {}),
        mood=update.mood,
        relationships={
            other: None if changed is None else changed.model_dump(exclude_none=True)
            for other, changed in relationships.items()
        },
    )


def to_budgets(budget: protocol.Budget) -> Budgets:
    """What may be taken from now on."""
    return Budgets(
        device=budget.device_bytes,
        ram=budget.ram_bytes,
        disk=budget.disk_bytes,
        tokens_per_second=budget.tokens_per_second,
    )


def from_event(event: events.ReplyEvent, re: int | str) -> protocol.AnyAnswer:
    """What a client is told about a reply to its request ``re``."""
    match event:
        case events.ReplyDelta():
            return protocol.ReplyDelta(re=re, npc=event.npc, text=event.text)
        case events.ReplySentence():
            return protocol.ReplySentence(re=re, npc=event.npc, text=event.text)
        case events.ReplyAction():
            return protocol.ReplyAction(re=re, npc=event.npc, call=event.call, name=event.name, args=dict(event.args))
        case events.ReplyStarted():
            return protocol.ReplyStart(re=re, npc=event.npc)
        case events.ReplyDone():
            return protocol.ReplyDone(
                re=re,
                npc=event.npc,
                text=event.text,
                finish=event.finish.value,
                usage=protocol.Usage(
                    prompt_tokens=event.usage.prompt_tokens,
                    cached_tokens=event.usage.cached_tokens,
                    completion_tokens=event.usage.completion_tokens,
                ),
                timings=protocol.Timings(
                    queue=event.timings.queue,
                    restore=event.timings.restore,
                    prefill=event.timings.prefill,
                    first_token=event.timings.first_token,
                    total=event.timings.total,
                ),
                mood=event.mood,
            )
        case events.MemoryCompacted():
            # It concerns the NPC and not this request: a hearer's memory may have been compacted too.
            return protocol.MemoryCompacted(
                npc=event.npc, tokens_before=event.tokens_before, tokens_after=event.tokens_after
            )


def from_summary(summary: events.NpcSummary) -> protocol.NpcSummary:
    """One line of a listing."""
    return protocol.NpcSummary(npc=summary.npc, persona=summary.persona, name=summary.name, active=summary.active)


def from_change(change: events.NpcChanged) -> protocol.NpcChanged:
    """What subscribers are told about an NPC."""
    now = change.summary
    return protocol.NpcChanged(
        npc=now.npc, what=change.what, persona=now.persona, name=now.name, active=now.active, mood=change.mood
    )


def from_info(info: events.NpcInfo, re: int | str) -> protocol.NpcInfo:
    """What an inspector is told."""
    return protocol.NpcInfo.model_validate(
        {
            "re": re,
            "npc": info.npc,
            "persona": info.persona,
            "name": info.name,
            "active": info.active,
            "mood": info.mood,
            "relationships": {who: dict(what) for who, what in info.relationships.items()},
            "journal": [{"speaker": line.speaker, "text": line.text, "at": line.at} for line in info.journal],
            "tokens": dict(info.tokens),
            "kv": {
                "bytes": info.kv.nbytes,
                "tier": info.kv.tier,
                "tiers": {tier: info.kv.nbytes_in.get(tier, 0) for tier in TIERS},
                "tokens": info.kv.tokens,
            },
        }
    )


def from_stats(stats: events.WorldStats, sessions: int, re: int | str | None = None) -> protocol.Stats:
    """What whoever looks after the server is told: as an answer to ``re``, or to all who subscribed."""
    engine = stats.engine
    return protocol.Stats(
        re=re,
        sessions=sessions,
        npcs=protocol.NpcCounts(known=stats.known, active=stats.active, awake=stats.awake, speaking=stats.speaking),
        engine=protocol.EngineCounters(
            running=engine.running,
            waiting=engine.waiting,
            steps=engine.steps,
            prompt_tokens=engine.prompt_tokens,
            cached_tokens=engine.cached_tokens,
            generated_tokens=engine.generated_tokens,
            parked=engine.parked,
        ),
        tiers={name: protocol.TierUse(used=use.used, budget=use.budget) for name, use in engine.tiers.items()},
    )


def path_to_npc(request: protocol.AnyRequest, npc: str) -> str | None:
    """Where ``request`` names ``npc``, if it does."""
    for field in ("npc", "hearers", "npcs"):
        named = getattr(request, field, None)
        if named == npc:
            return field
        if isinstance(named, list) and npc in named:
            return f"{field}[{named.index(npc)}]"
    return None
