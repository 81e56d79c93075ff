"""How a program shows tokens to a mesh, gets new ones, and learns that none is taken."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from meshwright.client import Mesh, RunFinished, Unauthenticated, sync
from meshwright.client import credentials as client_credentials
from tests.model_script import Call, Say, in_turn
from tests.support.agent_tools import gate_tool
from tests.support.sdk_agent import SdkAgent, sdk_agent
from tests.support.token_issuer import Key, authentication, jwks, token_of

PATIENCE = 60.0


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[SdkAgent]:
    async with sdk_agent(tmp_path, Say("Done."), **authentication(tmp_path / "authentication")) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_token_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (client_credentials.TOKEN_VARIABLE, client_credentials.TOKEN_FILE_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


async def given_at_once() -> str:
    return token_of("alice")


async def given_later() -> str:
    await asyncio.sleep(0)
    return f"{token_of('alice')}\n"


@pytest.mark.parametrize(
    "source",
    [token_of("alice"), lambda: token_of("alice"), given_at_once, given_later],
    ids=["string", "function", "async", "later"],
)
async def test_every_kind_of_source(agent: SdkAgent, source: Any) -> None:
    async with Mesh(agent.name, token=source) as mesh:
        assert await mesh.ask("Do it.") == "Done."
        [session] = [session async for session in mesh.sessions()]
        assert session.principal == "alice"


async def test_the_environment_gives_a_token(agent: SdkAgent, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MESHWRIGHT_TOKEN", token_of("alice"))
    async with Mesh(agent.name) as mesh:
        assert (await (await mesh.create_session()).info()).principal == "alice"
    monkeypatch.delenv("MESHWRIGHT_TOKEN")
    file = tmp_path / "token"
    file.write_text(f"{token_of('bob')}\n")
    monkeypatch.setenv("MESHWRIGHT_TOKEN_FILE", str(file))
    async with Mesh(agent.name) as mesh:
        assert (await (await mesh.create_session()).info()).principal == "bob"
    file.unlink()
    async with Mesh(agent.name) as mesh:
        with pytest.raises(Unauthenticated, match="cannot be read"):
            await mesh.agent()


@pytest.mark.parametrize(
    ("token", "cause"), [("", "missing"), ("garbage", "malformed"), (token_of("alice", aud="another"), "audience")]
)
async def test_a_token_that_is_not_taken_is_a_typed_error(agent: SdkAgent, token: str, cause: str) -> None:
    async with Mesh(agent.name, token=token) as mesh:
        attempts: list[Callable[[], Any]] = [
            mesh.agent,
            mesh.create_session,
            lambda: mesh.ask("Do it."),
            lambda: anext(aiter(mesh.session("ses_1").events())),
            lambda: mesh.session("ses_1").artifact("art_1"),
        ]
        for attempt in attempts:
            with pytest.raises(Unauthenticated) as caught:
                async with asyncio.timeout(PATIENCE):
                    await attempt()
            assert (caught.value.reason, caught.value.metadata["cause"]) == ("UNAUTHENTICATED", cause)


class Issuer:
    """Gives tokens, and counts them."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.asked = 0

    async def __call__(self) -> str:
        token = self.tokens[min(self.asked, len(self.tokens) - 1)]
        self.asked += 1
        await asyncio.sleep(0)
        return token


def expired() -> str:
    return token_of("alice", exp=int(time.time()) - 60)


async def test_a_function_is_asked_once_for_many_calls(agent: SdkAgent) -> None:
    issuer = Issuer(token_of("alice"))
    async with Mesh(agent.name, token=issuer) as mesh:
        await asyncio.gather(*(mesh.agent() for _ in range(20)))
    assert issuer.asked == 1


async def test_a_token_that_has_expired_is_replaced_without_a_word(agent: SdkAgent) -> None:
    issuer = Issuer(expired(), token_of("alice"))
    async with Mesh(agent.name, token=issuer) as mesh:
        assert await mesh.ask("Do it.") == "Done."
    assert issuer.asked == 2


async def test_a_function_whose_tokens_are_all_refused_is_asked_twice_for_a_call(agent: SdkAgent) -> None:
    issuer = Issuer(expired())
    async with Mesh(agent.name, token=issuer) as mesh:
        with pytest.raises(Unauthenticated) as caught:
            await mesh.agent()
    assert (issuer.asked, caught.value.metadata["cause"]) == (2, "expired")


async def test_many_calls_that_are_refused_together_ask_once(agent: SdkAgent) -> None:
    issuer = Issuer(expired(), token_of("alice"))
    async with Mesh(agent.name, token=issuer) as mesh:
        await asyncio.gather(*(mesh.agent() for _ in range(20)))
    assert issuer.asked == 2


async def test_a_stream_comes_back_with_a_new_token(tmp_path: Path) -> None:
    gate = asyncio.Event()
    given = authentication(tmp_path / "authentication")
    second = Key("second")
    script = in_turn(Call("test.wait", {}), Say("Through."))
    async with sdk_agent(tmp_path, script, [gate_tool(gate)], **given) as agent:
        issuer = Issuer(token_of("alice"), token_of("alice", second))
        async with Mesh(agent.name, token=issuer) as mesh:
            events = mesh.run("Do it.")
            async for event in events:
                if type(event).__name__ == "ToolCallProgress":
                    break
            # The issuer's keys are others now, and the mesh starts anew: the stream has to show another token.
            (tmp_path / "authentication" / "jwks.json").write_bytes(jwks(second))
            await agent.stop()
            await agent.start()
            gate.set()
            async with asyncio.timeout(PATIENCE):
                rest = [event async for event in events]
        assert isinstance(rest[-1], RunFinished)
        assert rest[-1].answer == "Through."
        assert issuer.asked == 2


async def test_what_a_function_raises_reaches_the_program(agent: SdkAgent) -> None:
    def fail() -> str:
        raise KeyError("no keyring")

    async with Mesh(agent.name, token=fail) as mesh:
        with pytest.raises(KeyError, match="no keyring"):
            await mesh.agent()
    async with Mesh(agent.name, token=lambda: " ") as mesh:
        with pytest.raises(Unauthenticated, match="gave none"):
            await mesh.agent()


async def test_a_function_that_never_answers_is_given_up(agent: SdkAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_credentials, "TOKEN_SECONDS", 0.05)

    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    async with Mesh(agent.name, token=never) as mesh:
        with pytest.raises(Unauthenticated, match=r"within 0\.05 s"):
            await mesh.agent()


async def test_a_function_that_blocks_does_not_stop_the_program(agent: SdkAgent) -> None:
    released = threading.Event()

    def blocking() -> str:
        released.wait(PATIENCE)
        return token_of("alice")

    async with Mesh(agent.name, token=blocking) as mesh:
        waiting = asyncio.create_task(mesh.agent())
        await asyncio.sleep(0)
        released.set()
        await waiting


async def test_without_asyncio(agent: SdkAgent) -> None:
    def ask() -> str:
        with sync.Mesh(agent.name, token=lambda: token_of("alice")) as mesh:
            return mesh.ask("Do it.")

    assert await asyncio.to_thread(ask) == "Done."


@pytest.mark.parametrize("token", ["t", lambda: "t"])
def test_no_token_goes_to_another_machine_in_clear_text(token: Any) -> None:
    with pytest.raises(ValueError, match="clear text"):
        Mesh("mesh.example.com:8080", token=token)
    Mesh("https://mesh.example.com", token=token)


def test_a_token_of_the_environment_does_not_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHWRIGHT_TOKEN", "t")
    with pytest.raises(ValueError, match="clear text"):
        Mesh("mesh.example.com:8080")
    Mesh("mesh.example.com:8080", token="")
