"""Claims about constrained requests. Random weights want nothing in particular: what is valid is so by the grammar."""

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from npc_engine.errors import SchemaUnsupported
from npc_engine.inference.engine import Engine
from npc_engine.inference.grammar import Grammars
from npc_engine.inference.load import EngineOptions, LoadedEngine, load_engine
from npc_engine.inference.request import FinishReason, Output, Request, Sampling
from tests.tiny import make_tiny

FP32 = EngineOptions(dtype="float32", device="cpu", max_batch=8, max_context=1024)
PROMPT = tuple(range(5, 60))
UNHURRIED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]

GIVE = {
    "type": "object",
    "properties": {
        "item": {"enum": ["iron key", "loaf of bread", 'the "good" cup']},
        "to": {"type": "string", "enum": ["Mira", "Bram"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 12},
        "price": {"type": "number", "minimum": 0.5, "exclusiveMaximum": 3},
        "why": {"type": "string", "minLength": 2, "maxLength": 12},
        "gently": {"type": "boolean"},
    },
    "required": ["item", "count", "price"],
}
SCHEMAS: Mapping[str, dict[str, Any]] = {
    "give": GIVE,
    "nested": {
        "type": "object",
        "properties": {"where": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "number"}}}},
        "required": ["where"],
    },
    "list": {"type": "array", "items": {"enum": ["up", "down"]}, "minItems": 2, "maxItems": 4},
    "open": {"type": "string"},
    "either": {
        "type": "object",
        "oneOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"$ref": "#/$defs/b"}],
        "$defs": {"b": {"type": "object", "properties": {"b": {"type": "null"}}, "required": ["b"]}},
    },
    "pattern": {"type": "string", "pattern": "^[a-c]{2,4}$"},
    "constant": {"const": {"say": "only this"}},
    "anything": {},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("grammar") / "tiny")


@pytest.fixture(scope="module")
def loaded(folder: Path) -> LoadedEngine:
    return load_engine(folder, FP32)


@pytest.fixture(scope="module")
def grammars(folder: Path, loaded: LoadedEngine) -> Grammars:
    return Grammars(folder, loaded.spec.end_ids)


def run(engine: Engine, *requests: Request) -> dict[str, tuple[str, Output]]:
    for request in requests:
        engine.submit(request)
    texts = {request.id: "" for request in requests}
    ends: dict[str, Output] = {}
    while engine.has_work:
        for output in engine.step():
            texts[output.request_id] += output.text
            if output.finish is not None:
                ends[output.request_id] = output
        engine.check_integrity()
    return {name: (texts[name], ends[name]) for name in texts}


def asking(
    name: str, loaded: LoadedEngine, grammars: Grammars, schema: dict[str, Any], seed: int | None = None
) -> Request:
    sampling = Sampling(
        temperature=0.0 if seed is None else 1.5, seed=seed, max_tokens=700, stop_ids=loaded.spec.end_ids
    )
    return Request(name, PROMPT, sampling, grammar=grammars.of_schema(schema))


@pytest.mark.parametrize("name", SCHEMAS)
def test_random_weights_write_only_what_the_schema_allows(name: str, loaded: LoadedEngine, grammars: Grammars) -> None:
    schema = SCHEMAS[name]
    requests = [asking(f"{name}{seed}", loaded, grammars, schema, seed) for seed in range(6)]
    for text, end in run(loaded.engine, *requests, asking("greedy", loaded, grammars, schema)).values():
        assert end.finish is FinishReason.STOP
        jsonschema.validate(json.loads(text), schema)


def test_rows_under_different_grammars_and_under_none_share_a_batch(loaded: LoadedEngine, grammars: Grammars) -> None:
    free = Request("free", PROMPT, Sampling(max_tokens=40, ignore_stop_ids=True))
    (alone, _) = run(loaded.engine, free)["free"]
    constrained = [asking(name, loaded, grammars, SCHEMAS[name]) for name in ("give", "list", "pattern", "nested")]
    expected = {request.id: run(loaded.engine, request)[request.id][0] for request in constrained}
    found = run(loaded.engine, *constrained[:2], free, *constrained[2:])
    assert found["free"][0] == alone
    assert {name: found[name][0] for name in expected} == expected


def test_what_can_only_follow_takes_no_step_of_its_own(loaded: LoadedEngine, grammars: Grammars) -> None:
    schema = {"enum": [["a" * 40, "x"], ["a" * 40, "y"]]}
    before = loaded.engine.stats().steps
    text, end = run(loaded.engine, asking("forced", loaded, grammars, schema))["forced"]
    assert json.loads(text) in schema["enum"]
    assert end.usage.completion_tokens > 10
    assert loaded.engine.stats().steps - before <= 6


def test_an_answer_that_is_cut_says_so(loaded: LoadedEngine, grammars: Grammars) -> None:
    sampling = Sampling(max_tokens=3, stop_ids=loaded.spec.end_ids)
    request = Request("cut", PROMPT, sampling, grammar=grammars.of_schema(GIVE))
    text, end = run(loaded.engine, request)["cut"]
    assert end.finish is FinishReason.LENGTH
    assert end.usage.completion_tokens == 3
    assert not text.endswith("}")


def test_a_deadline_ends_a_constrained_request_that_has_not_begun(loaded: LoadedEngine, grammars: Grammars) -> None:
    request = Request(
        "late", PROMPT, Sampling(max_tokens=9), deadline=time.monotonic() - 1, grammar=grammars.of_schema(GIVE)
    )
    assert run(loaded.engine, request)["late"][1].finish is FinishReason.DEADLINE


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "object", "properties": {"a": {"not": {"type": "string"}}}}, "properties.a.not"),
        ({"type": "array", "items": {"type": "strin"}}, "items.type"),
        ({"type": "object", "properties": {"a": {"type": "string", "format": "fancy"}}}, "properties.a"),
        ({"type": "object", "properties": {"a": {"type": "integer", "minimum": 3, "maximum": 1}}}, "properties.a"),
        ({"type": "object", "properties": {}, "required": ["a"]}, "required"),
        ({"$ref": "http://example.com/schema"}, "$ref"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}}, "items.$ref"),
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": "a(?=b)"}}}, "properties.a"),
        ({"type": "object", "properties": {"a": {"allOf": [{}, {}]}}}, "properties.a.allOf"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"type": "string", "maxLength": "long"}, "maxLength"),
        ({"enum": []}, ""),
        ({"enum": ["x" * 20_000]}, ""),
        ({"type": "object", "properties": {"a": {"enum": [[2**60]]}}}, "properties.a.enum"),
        ({"type": "integer", "minimum": 2**60}, "minimum"),
        ("string", ""),
        ({"enum": [float("nan")]}, ""),
    ],
)
def test_a_schema_that_no_grammar_can_keep_to_is_refused_with_the_path_to_it(
    schema: Any, path: str, grammars: Grammars
) -> None:
    with pytest.raises(SchemaUnsupported) as refusal:
        grammars.of_schema(schema)
    assert refusal.value.path == path
    assert refusal.value.code == "schema_unsupported"
    assert len(str(refusal.value)) < 400


def test_no_schema_takes_long_to_compile(grammars: Grammars) -> None:
    grammars.of_schema({"type": "null"})
    nested: dict[str, Any] = {"type": "integer"}
    for _ in range(40):
        nested = {"type": "array", "items": nested}
    hostile: list[dict[str, Any]] = [
        {"type": "string", "pattern": "((a{1,100}){1,100}){1,100}"},
        {"type": "string", "pattern": "(.*a){40}(.*b){40}"},
        {
            "type": "object",
            "properties": {f"k{i}": {"type": "string", "pattern": f"(a|b){{1,{i}}}"} for i in range(300)},
        },
        {"type": "array", "items": {"type": "string"}, "minItems": 10**9},
        {"type": "string", "minLength": 10**9},
        nested,
        {"anyOf": [{"enum": [f"{i}-{j}" for i in range(20)]} for j in range(80)]},
    ]
    for schema in hostile:
        started = time.perf_counter()
        with contextlib.suppress(SchemaUnsupported):
            grammars.of_schema(schema)
        assert time.perf_counter() - started < 2.0


def leaves() -> st.SearchStrategy[dict[str, Any]]:
    low = st.integers(-1000, 1000)
    return st.one_of(
        st.just({"type": "boolean"}),
        st.just({"type": "null"}),
        st.lists(
            st.one_of(st.text(max_size=8), st.integers(-(2**53), 2**53), st.floats(-1e6, 1e6), st.booleans()),
            min_size=1,
            max_size=4,
        ).map(lambda values: {"enum": values}),
        st.tuples(low, st.integers(0, 500)).map(
            lambda pair: {"type": "integer", "minimum": pair[0], "maximum": pair[0] + pair[1]}
        ),
        low.map(lambda least: {"type": "integer", "minimum": least}),
        st.tuples(low, st.integers(1, 500)).map(
            lambda pair: {"type": "number", "minimum": pair[0] / 8, "exclusiveMaximum": (pair[0] + pair[1]) / 8}
        ),
        st.tuples(st.integers(0, 4), st.integers(0, 6)).map(
            lambda pair: {"type": "string", "minLength": pair[0], "maxLength": pair[0] + pair[1]}
        ),
        st.just({"type": ["string", "null"], "maxLength": 5}),
    )


def branches(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    keys = st.text(alphabet='abcé_ "', min_size=1, max_size=4)
    objects = st.dictionaries(keys, inner, max_size=3).flatmap(
        lambda named: st.lists(st.sampled_from(sorted(named) or ["-"]), unique=True, max_size=3).map(
            lambda required: {"type": "object", "properties": named, "required": [r for r in required if r in named]}
        )
    )
    lists = st.tuples(inner, st.integers(0, 2), st.integers(0, 2)).map(
        lambda t: {"type": "array", "items": t[0], "minItems": t[1], "maxItems": t[1] + t[2]}
    )
    return st.one_of(objects, lists, st.lists(inner, min_size=1, max_size=3).map(lambda each: {"anyOf": each}))


@settings(max_examples=60, deadline=None, suppress_health_check=UNHURRIED)
@given(schema=st.recursive(leaves(), branches, max_leaves=6), seed=st.integers(0, 2**31))
def test_whatever_the_schema_what_random_weights_write_is_valid(
    loaded: LoadedEngine, grammars: Grammars, schema: dict[str, Any], seed: int
) -> None:
    request = asking("any", loaded, grammars, schema, seed)
    text, end = run(loaded.engine, request)["any"]
    assume(end.finish is not FinishReason.LENGTH)
    assert end.finish is FinishReason.STOP
    jsonschema.validate(json.loads(text), schema)
