"""This server reads and writes every test vector as it says."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bridge.client.exchange import is_last
from bridge.codec import JSON, MSGPACK, CodecError
from bridge.protocol import ANSWER_TYPES, REQUEST_TYPES, Error, Limits, Message, read_answer, read_request
from bridge.protocol.exchanges import ANSWERS, UNASKED
from bridge.protocol.generate.examples import answer_example
from tests.bridge.generated.toolbox import ROOT

VECTORS = json.loads((ROOT / "bridge" / "schema" / "vectors.json").read_text("utf-8"))

SIDES: dict[str, Mapping[str, type[Message]]] = {"client": REQUEST_TYPES, "server": ANSWER_TYPES}


def named(vector: dict[str, Any]) -> str:
    frames = "-".join(key for key in ("text", "msgpack") if key in vector)
    return f"{vector.get('name') or vector['side'] + ' ' + vector['type']} ({frames})"


def decoded(vector: dict[str, Any]) -> list[dict[str, Any]]:
    """What each of its frames holds, as the codecs read it."""
    frames = []
    if "text" in vector:
        frames.append(JSON.decode(vector["text"], Limits()))
    if "msgpack" in vector:
        frames.append(MSGPACK.decode(bytes.fromhex(vector["msgpack"]), Limits()))
    return frames


def meaning(side: str, plain: dict[str, Any]) -> dict[str, Any] | None:
    message = read_request(plain) if side == "client" else read_answer(plain)
    assert side == "server" or not isinstance(message, Error), message
    return None if message is None else message.to_wire()


def refusal(vector: dict[str, Any]) -> Error:
    """The error that a server answers a frame with."""
    try:
        [plain] = decoded(vector)
    except CodecError as error:
        return Error(re=error.re, code=error.code, message=error.message, path=error.path or None)
    answer = read_request(plain)
    assert isinstance(answer, Error), answer
    return answer


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=named)
def test_every_message_is_written_and_read(vector: dict[str, Any]) -> None:
    plain = vector["json"]
    frame = bytes.fromhex(vector["msgpack"])
    assert MSGPACK.encode(plain) == frame
    assert MSGPACK.decode(frame, Limits()) == plain
    assert JSON.decode(JSON.encode(plain), Limits()) == plain
    assert meaning(vector["side"], plain) == plain, "an example shows every field"
    fields = SIDES[vector["side"]][vector["type"]].model_fields
    assert {field.alias or name for name, field in fields.items()} - set(plain) <= {"re"}


def test_no_message_is_left_out() -> None:
    written = {(vector["side"], vector["type"]) for vector in VECTORS["messages"]}
    assert written == {(side, type) for side, types in SIDES.items() for type in types}


@pytest.mark.parametrize("vector", VECTORS["reads"], ids=named)
def test_frames_mean_what_they_say(vector: dict[str, Any]) -> None:
    frames = decoded(vector)
    assert frames
    for plain in frames:
        read = meaning(vector["side"], plain)
        assert read == vector["means"]
        # 1 and 1.0 and true are equal here, and not to others.
        assert json.dumps(read, sort_keys=True) == json.dumps(vector["means"], sort_keys=True)


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=named)
def test_bad_frames_get_the_error_they_deserve(vector: dict[str, Any]) -> None:
    frames = [{key: vector[key]} for key in ("text", "msgpack") if key in vector]
    assert frames
    for frame in frames:
        error = refusal(frame)
        assert (error.code, error.path, error.re) == (vector["code"], vector["path"], vector["re"])


def test_every_request_has_its_answers_and_the_last_one_ends_it() -> None:
    assert set(ANSWERS) == set(REQUEST_TYPES.values())
    for model, answers in ANSWERS.items():
        request = model.model_construct()
        ends = [is_last(request, answer.model_construct()) for answer in answers]  # type: ignore[arg-type]
        assert ends == [False] * (len(answers) - 1) + [True], model.__name__


def test_every_answer_belongs_to_a_request_or_comes_unasked() -> None:
    answers = {answer for group in ANSWERS.values() for answer in group} | set(UNASKED) | {Error}
    assert answers == set(ANSWER_TYPES.values())


@pytest.mark.parametrize("type", [model.model_fields["type"].default for model in UNASKED])
def test_what_comes_unasked_needs_no_re(type: str) -> None:
    example = {name: value for name, value in answer_example(type).items() if name != "re"}
    assert read_answer(example) is not None
