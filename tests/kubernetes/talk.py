"""Streams of tokens through the release: a scripted model speaks for as long as a test needs, and nothing of it may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.client import RunFinished, TextDelta
from tests.kubernetes.machine import HOST
from tests.model_script import Tokens
from tests.model_server import ModelServer

if TYPE_CHECKING:
    from meshwright.client import Mesh
    from tests.kubernetes.release import Release

MODEL = "openai:scripted"


def speaker(release: Release, tokens: int, pause: float) -> ModelServer:
    """A model that answers everything with so many tokens, `pause` seconds apart."""
    return ModelServer(Tokens(tokens, pause), release.model_port, HOST)


async def follow(mesh: Mesh, tokens: int) -> RunFinished:
    """Give a task and follow it to its end. AssertionError where an event is missing, comes twice or differs from what a later reader sees,
    and where the answer is not whole."""
    session = await mesh.create_session()
    stream = session.run("talk", model=MODEL)
    seen = [event async for event in stream]
    kept = [event async for event in session.events(follow=False)]
    assert [event.sequence for event in kept] == list(range(1, len(kept) + 1))
    assert [event.sequence for event in seen] == [event.sequence for event in kept]
    end = kept[-1]
    assert isinstance(end, RunFinished)
    end.raise_for_outcome()
    assert len(end.answer.split()) == tokens, end.answer
    assert any(isinstance(event, TextDelta) for event in kept)
    return end
