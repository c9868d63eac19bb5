"""The load that engines are compared with: what it sends, and what it makes of the answers."""

import shlex
import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer
from rich.console import Console

from npc_engine.cli.bench.chat import Answer, ChatServer
from npc_engine.cli.bench.measure import Figure
from npc_engine.cli.bench.peer import Peer, read_peer, running
from npc_engine.cli.bench.prose import prose_of
from npc_engine.cli.bench.side_by_side import Result, against, notes, side_by_side
from npc_engine.cli.bench.streams import StreamLoad, conversations, decode_together
from npc_engine.cli.bench.village import VillageLoad, personas, visit
from npc_engine.errors import OperatorError
from tests.cli.fake_peer import WORD, app

FAKE = f"{shlex.quote(sys.executable)} -m tests.cli.fake_peer {{port}}"


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with TestServer(app()) as server:
        yield str(server.make_url("/v1"))


@pytest.fixture
async def server(url: str) -> AsyncIterator[ChatServer]:
    async with ChatServer(url) as server:
        yield server


async def test_an_answer_tells_when_its_pieces_came_and_what_it_cost(server: ChatServer) -> None:
    answer = await server.ask([{"role": "user", "content": "a b c d"}], 3)
    assert answer.text == 3 * WORD
    assert (answer.prompt_tokens, answer.cached_tokens, answer.tokens) == (4, 2, 3)
    assert answer.asked < answer.pieces[0] < answer.pieces[2] <= answer.ended
    assert answer.first_token == answer.pieces[0] - answer.asked


def test_pieces_of_several_tokens_count_as_many_as_they_have_on_average() -> None:
    answer = Answer(0.0, (1.0, 2.0, 3.0, 4.0), 5.0, "", 0, 0, tokens=8)
    assert answer.tokens_between(1.0, 3.0) == 4.0


def test_an_answer_without_a_word_has_taken_all_of_its_time() -> None:
    answer = Answer(1.0, (), 5.0, "", 0, 0, 0)
    assert answer.first_token == 4.0
    assert answer.tokens_between(0.0, 9.0) == 0.0


async def test_an_engine_that_is_not_there_is_named() -> None:
    with pytest.raises(OperatorError, match="There is no model at"):
        await ChatServer("http://127.0.0.1:9/v1").__aenter__()


async def test_what_an_engine_refuses_is_shown(server: ChatServer) -> None:
    server._model = "bull"
    with pytest.raises(OperatorError, match="400: no such cow"):
        await server.ask([], 1)


async def test_villagers_share_the_world_and_return_with_what_was_said(server: ChatServer) -> None:
    load = VillageLoad(npcs=4, active=2, rounds=3, world=20, persona=8, line=4, tokens=2)
    visits = await visit(server, load)
    assert (len(visits.first), len(visits.returning)) == (4, 2)
    assert all(later.prompt_tokens > visits.first[0].prompt_tokens for later in visits.returning)
    assert visits.tokens_per_second == 12 / visits.seconds
    first, second = (str(message["content"]) for message in personas(load)[:2])
    assert first != second
    assert first.split()[:20] == second.split()[:20]


def test_prose_has_the_tokens_that_were_asked_for() -> None:
    from random import Random

    assert words(prose_of(Random(1), 37, words)) == 37


def test_streams_have_their_context_half_way_through() -> None:
    load = StreamLoad(3, context=100, shared=40, tokens=20)
    made = conversations(load, words)
    assert {sum(words(message["content"]) for message in conversation) for conversation in made} == {90}
    assert len({conversation[0]["content"] for conversation in made}) == 1
    assert len({conversation[1]["content"] for conversation in made}) == 3


async def test_only_the_time_in_which_all_answer_counts(server: ChatServer) -> None:
    streams = await decode_together(server, StreamLoad(3, context=60, shared=20, tokens=32), words)
    assert streams.rate > 0
    assert 0 < streams.seconds < 10
    assert streams.prompt_tokens == 44


async def test_answers_that_never_overlap_have_no_rate(server: ChatServer) -> None:
    streams = await decode_together(server, StreamLoad(2, context=60, shared=20, tokens=1), words)
    assert streams.rate != streams.rate


def test_a_peer_is_a_url_or_a_command_that_takes_a_port() -> None:
    assert read_peer("cow=http://127.0.0.1:1/v1").runs_already
    assert read_peer("cow=moo --port {port} --x=1") == Peer("cow", "moo --port {port} --x=1")
    for wrong in ("http://127.0.0.1:1/v1", "cow=moo", "=moo {port}", "cow"):
        with pytest.raises(OperatorError, match="--peer can't be"):
            read_peer(wrong)


async def test_a_peer_is_started_and_ended() -> None:
    async with running(Peer("cow", FAKE)) as url, ChatServer(url) as server:
        assert (await server.ask([{"role": "user", "content": "a"}], 1)).text == WORD
    with pytest.raises(OperatorError):
        await ChatServer(url).__aenter__()


async def test_a_peer_that_runs_is_left_alone(url: str) -> None:
    async with running(Peer("cow", url)) as found:
        assert found == url


async def test_a_peer_that_ends_by_itself_shows_its_last_words() -> None:
    command = f"{shlex.quote(sys.executable)} -c 'print(\"no hay {{port}}\")'"
    with pytest.raises(OperatorError, match=r"did not become ready.*\s+no hay \d+"):
        async with running(Peer("cow", command)):
            pass


async def test_a_peer_that_does_not_exist_is_named() -> None:
    with pytest.raises(OperatorError, match="cow can't be started"):
        async with running(Peer("cow", "no-such-cow {port}")):
            pass


def result(name: str, seconds: float, rate: float) -> Result:
    return Result(name, [Figure("wait", seconds, "s", note="slept"), Figure("talk", rate, "tok/s", at_least=True)])


def test_the_best_peer_is_the_aim() -> None:
    wait, talk = against(result("ours", 2.0, 50.0), [result("a", 4.0, 10.0), result("b", 3.0, float("nan"))])
    assert (wait.aim, wait.reached) == (3.0, True)
    assert (talk.aim, talk.reached) == (10.0, True)
    assert against(result("ours", 2.0, 50.0), [])[0].aim is None


def test_engines_stand_side_by_side() -> None:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(side_by_side(result("ours", 2.0, 5.0), [result("a", 3.0, 10.0), result("b", 4.0, float("nan"))]))
    shown = capture.get()
    for wanted in ("ours", "1.50x", "0.50x", "never at once", "10 tok/s"):
        assert wanted in shown
    assert list(notes([result("a", 1.0, 1.0)])) == ["a: slept"]
