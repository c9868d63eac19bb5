"""What a request may generate, where it may not be anything: JSON that a schema allows.

llguidance knows the grammar and which tokens keep to it (MIT; https://github.com/guidance-ai/llguidance). It takes
tens of microseconds a token for most grammars. A schema is compiled once, off the engine's thread; each request gets
its own copy of the parser's state.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from npc_engine.errors import SchemaUnsupported
from npc_engine.inference.schema import bounded, joined, parts

if TYPE_CHECKING:
    import torch
    from llguidance._lib import JsonCompileOptions

_COMPACT: "JsonCompileOptions" = {"whitespace_flexible": False}
_PLAIN: "JsonCompileOptions" = {**_COMPACT, "json_allowed_escapes": '"\\n'}
_KEPT = 512

# Compiling ends within some 10 ms, a step within a few: what needs more is refused.
_LIMITS = LLParserLimits(
    initial_lexer_fuel=200_000,
    step_lexer_fuel=100_000,
    step_max_items=20_000,
    max_lexer_states=20_000,
    max_grammar_size=20_000,
    verbose_errors=False,
)


class Guide:
    """One request's place in its grammar. Not thread-safe."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    @property
    def complete(self) -> bool:
        """Whether nothing can follow any more."""
        return bool(self._matcher.is_stopped())

    @property
    def failed(self) -> str:
        """Why the grammar can't be followed any further; empty while it can."""
        return str(self._matcher.get_error())

    def allowed(self) -> list[int]:
        """Every id that the grammar allows next."""
        mask: bytes = self._matcher.compute_bitmask()
        return [8 * i + bit for i, byte in enumerate(mask) if byte for bit in range(8) if byte >> bit & 1]

    def allow(self, row: "torch.Tensor") -> None:
        """Rule out, in place, the logits [vocab] of every id that the grammar does not allow next."""
        # Here, since a generator without tensors does without what they need.
        import numpy as np
        import torch

        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        allowed = torch.from_numpy(np.unpackbits(bits, bitorder="little")[: len(row)]).to(row.device, torch.bool)
        row[len(allowed) :] = float("-inf")  # models pad their vocabulary
        row[: len(allowed)].masked_fill_(~allowed, float("-inf"))

    def took(self, token_id: int) -> None:
        """Go on by a token that was allowed."""
        self._matcher.consume_token(token_id)

    def forced(self) -> list[int]:
        """The ids that can only follow now."""
        return list(self._matcher.compute_ff_tokens())


class Grammar:
    """A compiled constraint. Immutable: any number of requests may have it at once."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    def guide(self) -> Guide:
        """A place in the grammar of its own, at the beginning."""
        return Guide(self._matcher.deep_copy())


class Grammars:
    """Compiles constraints for the tokenizer of the model in ``folder``, whose answers end with ``end_ids``.

    Safe to use from several threads. The newest grammars are kept.
    """

    def __init__(self, folder: Path, end_ids: Collection[int]) -> None:
        self._folder, self._end_ids = folder, sorted(end_ids)
        self._tokenizer: LLTokenizer | None = None
        self._lock = threading.Lock()
        self._compiled: OrderedDict[str, Grammar] = OrderedDict()

    def of_schema(self, schema: Mapping[str, Any]) -> Grammar:
        """The JSON values of ``schema`` (see ``bounded``), without white space between their parts.

        Takes milliseconds, and the first time about a second. Raises SchemaUnsupported.
        """
        text = _written(schema)
        with self._lock:
            if (known := self._compiled.get(text)) is not None:
                self._compiled.move_to_end(text)
                return known
            matcher = self._compile(text)
            if matcher.is_error():
                raise self._refusal(schema, str(matcher.get_error()))
            self._compiled[text] = grammar = Grammar(matcher)
            if len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
            return grammar

    def _compile(self, schema: str) -> LLMatcher:
        if self._tokenizer is None:
            text = (self._folder / "tokenizer.json").read_text(encoding="utf-8")
            self._tokenizer = LLTokenizer(text, eos_token=self._end_ids, slices=LLTokenizer.json_slices())
        # No model needs to write "\f" or "\u0007", unless a client names such a value.
        options = _COMPACT if "\\" in schema else _PLAIN
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides=options)
        return LLMatcher(self._tokenizer, grammar, log_level=0, limits=_LIMITS)

    def _refusal(self, schema: Mapping[str, Any], problem: str) -> SchemaUnsupported:
        """Name the innermost part that can't be compiled by itself either."""
        path, inner, looking = "", schema, True
        while looking:
            looking = False
            for more, part in parts(inner):
                found = self._problem_of(part, schema)
                if found:
                    path, inner, problem, looking = joined(path, more), part, found, True
                    break
        return SchemaUnsupported(
            f"The schema can't be kept to: {' '.join(problem.split())[:200].rstrip('.')}.",
            remedy="Leave that out, or make it simpler.",
            path=path,
        )

    def _problem_of(self, part: object, whole: Mapping[str, Any]) -> str:
        if not isinstance(part, Mapping):
            return ""
        definitions = {key: whole[key] for key in ("$defs", "definitions") if key in whole}
        return str(self._compile(_written({**part, **definitions})).get_error())


def _written(schema: Mapping[str, Any]) -> str:
    return json.dumps(bounded(schema), ensure_ascii=False)
