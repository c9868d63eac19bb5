"""What a designer may write: one persona per file, and one world file beside them.

A designer need only write ``name`` and ``summary``; every other default is tuned for the default model. The
descriptions here are what editors show, through the JSON Schema.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

_CONDITION = re.compile(r"^(>=|<=|==|>|<)\s*(-?\d+)$")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}

PLAYER = "player"
"""The variable that every world declares, and the relationship that says how a persona meets any player."""

Text = Annotated[str, Field(min_length=1)]
Condition = Annotated[str, Field(pattern=_CONDITION.pattern)]
Trust = Annotated[int, Field(ge=-5, le=5)]
VariableName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")]


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Extends = Annotated[
    tuple[Text, ...],
    BeforeValidator(_one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class _Model(BaseModel):
    # Strict, because YAML tells numbers from text: a quoted "3" is a slip to be shown, not guessed at.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, str_strip_whitespace=True)


class Example(_Model):
    """A line and its answer. Two or three of them shape a small model's voice more than any description."""

    player: Text = Field(description="What the player says.")
    reply: Text = Field(description="What the persona answers, in its own voice.")


class Lore(_Model):
    """Something known. It enters the prompt when a line holds one of its keys, or always."""

    text: Text = Field(description="The fact, as a whole sentence.")
    keys: tuple[Text, ...] = Field((), description="Words that bring it up: whole words, in upper or lower case.")
    always: bool = Field(False, description="Keep it in the prompt all the time instead.")

    @model_validator(mode="after")
    def _can_come_up(self) -> "Lore":
        if not self.keys and not self.always:
            raise ValueError("is never used: give it 'keys', or 'always: true'")
        return self


class RevealWhen(_Model):
    """When a secret may be told. All conditions must hold."""

    trust: Condition = Field(description="The persona's trust in whoever it talks to, such as '>= 3'.")

    def holds(self, trust: float) -> bool:
        """Whether someone trusted this much may hear it."""
        match = _CONDITION.match(self.trust)
        assert match is not None, "the field's own pattern"
        return _COMPARE[match[1]](trust, int(match[2]))


class Knowledge(Lore):
    """What this persona knows and others may not."""

    secret: bool = Field(False, description="Stays out of the prompt, hence unsaid, until 'reveal_when' holds.")
    reveal_when: RevealWhen | None = Field(None, description="When a secret may be told; without it, never.")

    @model_validator(mode="after")
    def _only_secrets_are_revealed(self) -> "Knowledge":
        if self.reveal_when is not None and not self.secret:
            raise ValueError("has 'reveal_when' but is no secret: add 'secret: true', or drop 'reveal_when'")
        return self


class Relationship(_Model):
    """How this persona stands to another one."""

    trust: Trust = Field(0, description="From -5 (sworn enemy) to 5 (would die for).")
    note: str = Field("", description="Why, in a few words that follow the name: 'your creditor'.")


class Mood(_Model):
    """The mood it starts in and the moods it can be in."""

    default: Text = Field("calm", description="The mood at the first meeting; one of the range.")
    range: tuple[Text, ...] = Field(
        ("calm", "cheerful", "angry", "afraid", "sad"), description="Every mood it can be in.", min_length=1
    )

    @model_validator(mode="after")
    def _default_is_in_range(self) -> "Mood":
        if self.default not in self.range:
            raise ValueError(f"default {self.default!r} is not in the range: {', '.join(self.range)}")
        return self


class Guardrails(_Model):
    """What must not be said, and what is said instead."""

    never_mention: tuple[Text, ...] = Field((), description="Words and phrases that end a reply.")
    on_violation: Text = Field("I'll not speak of that.", description="What it says instead.")


class Voice(_Model):
    """For the game's speech synthesis; the engine passes it on untouched."""

    tts: str = Field("", description="The game's name of the voice.")
    language: Text = Field("en", description="Language tag, such as 'en' or 'de-AT'.")


class Generation(_Model):
    """How replies are sampled and where they end."""

    temperature: float = Field(0.4, ge=0, le=2, description="0 always takes the likeliest word.")
    top_p: float = Field(0.95, gt=0, le=1, description="Keep the likeliest words that add up to this probability.")
    min_p: float = Field(0.1, ge=0, le=1, description="Drop words less likely than this share of the likeliest.")
    top_k: int = Field(0, ge=0, description="Keep only this many words; 0 keeps all.")
    repetition_penalty: float = Field(1.2, ge=1, le=2, description="Above 1, words of this reply repeat less.")
    max_tokens: int = Field(64, ge=1, le=1024, description="Longest reply, in tokens.")
    max_sentences: int = Field(3, ge=1, le=50, description="Longest reply, in sentences.")
    narration: Literal["keep", "strip"] = Field("strip", description="What happens to *stage directions*.")


class Memory(_Model):
    """How much of the conversation stays in the prompt; the journal keeps all of it."""

    window_tokens: int = Field(1200, ge=128, le=131072, description="Conversation kept word for word, in tokens.")
    digest_tokens: int = Field(
        160, ge=0, le=4096, description="Room for the digest of what is older, in tokens. Not used yet."
    )


class Persona(_Model):
    """Who an NPC is. The id is the name of the file without its ending."""

    name: Text = Field(description="What others call it.")
    summary: Text = Field(
        description="Who it is, in a phrase that follows the name: 'the blacksmith of Oakvale, gruff'."
    )
    extends: Extends = Field(
        (), description="Personas that this one builds on: lists append, maps merge, others replace."
    )
    abstract: bool = Field(False, description="Only there to be extended; never an NPC itself. Not inherited.")
    background: str = Field("", description="What happened to it. Written to it: 'You have ...'.")
    personality: tuple[Text, ...] = Field((), description="Traits, a word or two each.")
    speech_style: str = Field("", description="How it talks, as orders: 'Use short sentences.'")
    examples: tuple[Example, ...] = Field((), description="Lines and answers; the first to go when room is short.")
    goals: tuple[Text, ...] = Field((), description="What it wants; each follows 'you want to'.")
    knowledge: tuple[Knowledge, ...] = Field((), description="What it knows.")
    relationships: Mapping[str, Relationship] = Field(
        default_factory=dict,
        description="How it stands to others, by persona id; 'player' stands for any player.",
    )
    mood: Mood = Field(default_factory=Mood, description="Its moods.")
    actions: tuple[Text, ...] = Field((), description="Of the game's actions for all, those it may take; none: all.")
    guardrails: Guardrails | None = Field(None, description="What it must not say. Not acted on yet.")
    voice: Voice | None = Field(None, description="How it sounds.")
    generation: Generation = Field(default_factory=Generation, description="How its replies are made.")
    memory: Memory = Field(default_factory=Memory, description="How much it keeps in mind.")


class WorldFile(_Model):
    """What everyone in a world shares. The text of it is one prefix that all NPCs use together."""

    name: Text = Field(description="The world's name.")
    setting: str = Field("", description="Where and when this is, told to everyone.")
    rules: tuple[Text, ...] = Field((), description="Rules of speech, as orders: 'Answer in one to three sentences.'")
    lore: tuple[Lore, ...] = Field((), description="What everyone knows.")
    personas: tuple[Text, ...] | None = Field(
        None, description="Ids of the personas that live here; by default every file beside this one."
    )
    vars: Mapping[VariableName, str] = Field(
        default_factory=dict, description="Variables that texts may use as {{name}}, with their defaults."
    )

    @property
    def variables(self) -> Mapping[str, str]:
        """Every declared variable with its default."""
        return {PLAYER: "traveller", **self.vars}
