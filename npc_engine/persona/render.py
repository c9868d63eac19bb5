"""From what designers wrote to what the model reads: short, plain, second person.

A small model follows a short text better than a complete one, and it imitates more than it obeys: the examples carry
a voice, the descriptions only support them. Nothing in here changes from turn to turn except ``activated_lore``, which
belongs at the end of a prompt; the rest is a prefix that is computed once.

Secrets: a small model can't keep one. Whatever is in its prompt it will sooner or later say. So a secret is
in no prefix at all, and reaches the prompt, for one turn, only when its condition holds.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

from npc_engine.persona.schema import PLAYER, Knowledge, Lore, Persona, Relationship, WorldFile
from npc_engine.persona.template import fill

_DEFAULTS: Mapping[str, str] = {PLAYER: "traveller"}
_SPACELESS = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
"""Thai, Lao, Japanese and Chinese put no spaces between words, so there a key may touch its neighbours."""


def render_world(world: WorldFile, *, variables: Mapping[str, str] | None = None) -> str:
    """The text that every NPC of ``world`` starts with: setting, common knowledge, rules of speech.

    The same for all of them, so that its prefix is computed once. ``variables`` add to the declared defaults.
    """
    values = {**world.variables, **(variables or {})}
    parts = [_flow(world.setting, values)]
    parts += [_flow(lore.text, values) for lore in world.lore if lore.always]
    if world.rules:
        parts.append("\n".join(["Rules:", *(f"- {_flow(rule, values)}" for rule in world.rules)]))
    return "\n".join(part for part in parts if part)


def render_persona(
    persona: Persona,
    names: Mapping[str, str] | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    budget: int | None = None,
    examples: bool = True,
) -> str:
    """Who ``persona`` is, told to it.

    ``names`` says what others are called, by id (``LoadedWorld.names``). ``budget`` is in characters: to meet it, the
    examples go first (inherited ones before its own), then relationships, goals and background. Name, summary,
    personality, speech style and what it always knows stay, even if they alone are longer. ``examples`` false leaves
    them out, for a prompt that gives them as turns of the conversation (``render_examples``).
    """
    values = {**_DEFAULTS, **(variables or {})}
    background = _flow(persona.background, values)
    core = _core(persona, values)
    goals = [f"You want to {_join([_flow(goal, values) for goal in persona.goals])}."] if persona.goals else []
    relationships = _relationships(persona.relationships, names or {}, values)
    turns = [f"Player: {line}\n{persona.name}: {reply}" for line, reply in render_examples(persona, values)]
    shown = turns if examples else []
    text = _assemble(core, background, goals, relationships, shown)
    while budget is not None and len(text) > budget and (shown or relationships or goals or background):
        if shown:
            shown = shown[1:]
        elif relationships:
            relationships = []
        elif goals:
            goals = []
        else:
            background = ""
        text = _assemble(core, background, goals, relationships, shown)
    return text


def render_examples(persona: Persona, variables: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """The examples as (what the player says, what the persona answers), in the order that they were written."""
    values = {**_DEFAULTS, **(variables or {})}
    return [(_flow(example.player, values), _flow(example.reply, values)) for example in persona.examples]


def activated_lore(
    persona: Persona,
    world: WorldFile,
    line: str,
    *,
    trust: float = 0,
    variables: Mapping[str, str] | None = None,
) -> list[str]:
    """What ``line`` brings to ``persona``'s mind: common lore first, then its own, each as written.

    A key counts only as whole words ("mill" is not in "million"), whatever the case. A secret comes up only while
    ``trust``, the persona's trust in the speaker (-5 to 5), meets its condition. Entries that are always in the
    prefix don't come again; secrets marked ``always`` do, on every line, since no prefix holds them.
    """
    values = {**world.variables, **(variables or {})}
    heard = _normal(line)
    found = [lore.text for lore in world.lore if not lore.always and _named(lore, heard)]
    found += [known.text for known in persona.knowledge if _comes_up(known, heard, trust)]
    return [_flow(text, values) for text in dict.fromkeys(found)]


def _comes_up(known: Knowledge, heard: str, trust: float) -> bool:
    if not known.secret:
        return not known.always and _named(known, heard)
    may_be_told = known.reveal_when is not None and known.reveal_when.holds(trust)
    return may_be_told and (known.always or _named(known, heard))


def names_one_of(words: Iterable[str], line: str) -> bool:
    """Whether ``line`` has one of ``words`` in it, as whole words and whatever the case."""
    heard = _normal(line)
    return any(_pattern(word).search(heard) for word in words)


def _named(lore: Lore, heard: str) -> bool:
    return any(_pattern(key).search(heard) for key in lore.keys)


@lru_cache(maxsize=4096)
def _pattern(key: str) -> re.Pattern[str]:
    words = r"\s+".join(re.escape(word) for word in _normal(key).split())
    before = rf"(?<![^\W{_SPACELESS}])" if re.match(rf"[^\W{_SPACELESS}]", words) else ""
    after = rf"(?![^\W{_SPACELESS}])" if re.search(rf"[^\W{_SPACELESS}]$", words) else ""
    return re.compile(f"{before}{words}{after}" if words else "(?!)")


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _core(persona: Persona, values: Mapping[str, str]) -> tuple[str, list[str]]:
    identity = _sentence(f"You are {persona.name}, {_flow(persona.summary, values)}")
    rest = []
    if persona.personality:
        rest.append(f"You are {_join([_flow(trait, values) for trait in persona.personality])}.")
    rest += [_flow(known.text, values) for known in persona.knowledge if known.always and not known.secret]
    if persona.speech_style:
        rest.append(f"How you speak: {_sentence(_flow(persona.speech_style, values))}")
    return identity, rest


def _assemble(
    core: tuple[str, list[str]], background: str, goals: list[str], relationships: list[str], examples: list[str]
) -> str:
    identity, rest = core
    lines = [" ".join(part for part in (identity, background, *rest[:1]) if part), *rest[1:], *goals]
    if relationships:
        lines += ["People you know:", *relationships]
    if examples:
        lines += ["This is how you talk:", *examples]
    return "\n".join(lines)


def _relationships(
    relationships: Mapping[str, Relationship], names: Mapping[str, str], values: Mapping[str, str]
) -> list[str]:
    # How much a player is trusted changes as they talk, so it is no part of the prefix.
    lines = []
    for other, relationship in relationships.items():
        if other == PLAYER:
            continue
        feeling, note = _feeling(relationship.trust), _flow(relationship.note, values)
        who = names.get(other, other) + (f" ({feeling})" if feeling else "")
        lines.append(f"- {who}: {_sentence(note)}" if note else f"- {who}")
    return lines


def _feeling(trust: int) -> str:
    if trust <= -3:
        return "hated"
    if trust < 0:
        return "distrusted"
    if trust == 0:
        return ""
    return "liked" if trust < 3 else "trusted"


def _flow(text: str, values: Mapping[str, str]) -> str:
    return " ".join(fill(text, values).split())


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "\u2026", '"')) else f"{text}."


def _join(items: Iterable[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
