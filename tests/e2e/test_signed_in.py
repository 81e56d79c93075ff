"""A mesh that asks its callers for tokens, as `meshwright up` starts it: the doors, and that one principal's is nobody else's."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import grpc
import pytest
from playwright.async_api import expect

from meshwright.client import Mesh, NotFound, RunFinished, Unauthenticated
from meshwright.serving.authentication.principals import home_of
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.support import grpc_web
from tests.support.mesh_process import MESHWRIGHT, MeshProcess, mesh_process
from tests.support.token_issuer import authentication, bearer, token_of
from tests.support.web_page import PATIENCE as PAGE_PATIENCE
from tests.support.web_page import WebPage, chromium_browser, outcome

expect.set_options(timeout=PAGE_PATIENCE)
PATIENCE = 60.0
TASK = "Open http://{address}/demo/ and tell me what the desk lamp costs"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    """A mesh with the tests' issuer, and no secret of its own: it makes one."""
    folder = tmp_path_factory.mktemp("guarded")
    given = authentication(folder / "issuer")
    settings = {f"MESHWRIGHT_{name.upper()}": str(value) for name, value in given.items() if name != "mesh_key_file"}
    with mesh_process(folder, MESHWRIGHT_QUOTA_SESSIONS="3", **settings) as running:
        yield running


async def test_a_task_of_a_principal_uses_browser_and_files_on_its_behalf(guarded: MeshProcess) -> None:
    async with Mesh(guarded.address, token=lambda: token_of("alice")) as mesh, asyncio.timeout(PATIENCE):
        session = await mesh.create_session()
        async for event in session.run(TASK.format(address=guarded.address)):
            if isinstance(event, RunFinished):
                assert "$49.00" in event.answer
        shot = await session.run(f"Open http://{guarded.address}/demo/ and take a screenshot").result()
        assert shot.answer
    homes = [path.relative_to(guarded.data_dir / "artifacts") for path in guarded.data_dir.glob("artifacts/*/*")]
    assert [str(home) for home in homes] == [home_of("alice", session.session_id)]
    async with Mesh(guarded.address, token=token_of("bob")) as mesh:
        with pytest.raises(NotFound):
            await mesh.session(session.session_id).info()
        assert [found async for found in mesh.sessions()] == []


@pytest.mark.parametrize(
    ("token", "cause"),
    [("", "missing"), ("garbage", "malformed"), (token_of("alice", exp=1), "expired"), (token_of("local"), "subject")],
)
async def test_nobody_gets_in_without_a_token_that_is_taken(guarded: MeshProcess, token: str, cause: str) -> None:
    async with Mesh(guarded.address, token=token) as mesh:
        with pytest.raises(Unauthenticated) as caught:
            await mesh.agent()
    assert (caught.value.reason, caught.value.metadata["cause"]) == ("UNAUTHENTICATED", cause)
    metadata = {"authorization": f"Bearer {token}"} if token else {}
    method = "/meshwright.v1.AgentService/GetAgent"
    async with aiohttp.ClientSession(headers=metadata) as http:
        _, status = await grpc_web.call(http, guarded.address, method, b"")
    assert status.code == grpc.StatusCode.UNAUTHENTICATED.value[0]


async def test_quotas_come_through_the_gateway(guarded: MeshProcess) -> None:
    async with grpc.aio.insecure_channel(guarded.address) as channel:
        stub, shown = AgentServiceStub(channel), bearer(token_of("carol"))
        for _ in range(3):
            await stub.CreateSession(pb.CreateSessionRequest(), metadata=shown)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CreateSession(pb.CreateSessionRequest(), metadata=shown)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def command(guarded: MeshProcess, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as a person runs it."""
    return subprocess.run(
        [MESHWRIGHT, *words, "--address", guarded.address],
        env={**guarded.environment, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_command_line_shows_the_token_of_the_environment(guarded: MeshProcess, tmp_path: Path) -> None:
    refused = command(guarded, "sessions")
    assert refused.returncode == 2
    assert "MESHWRIGHT_TOKEN" in refused.stderr
    file = tmp_path / "token"
    file.write_text(token_of("dora"))
    for variable, value in (("MESHWRIGHT_TOKEN", token_of("dora")), ("MESHWRIGHT_TOKEN_FILE", str(file))):
        assert command(guarded, "sessions", **{variable: value}).returncode == 0
    answered = command(guarded, "run", "Write hello into note.txt", MESHWRIGHT_TOKEN=token_of("dora"))
    assert answered.returncode == 0, answered.stderr


def test_the_doctor_says_what_is_missing(guarded: MeshProcess) -> None:
    without = command(guarded, "doctor")
    assert "token" in without.stdout
    assert "MESHWRIGHT_TOKEN" in without.stdout
    with_token = command(guarded, "doctor", MESHWRIGHT_TOKEN=token_of("alice"))
    assert "Meshwright" in with_token.stdout
    assert "tokens of https://issuer.test/" in " ".join(with_token.stdout.split())


def test_the_greeting_says_how_to_sign_in_and_the_secret_is_private(guarded: MeshProcess) -> None:
    assert "export MESHWRIGHT_TOKEN" in guarded.output
    environment = guarded.service("tools").environ()
    key = Path(environment["MESHWRIGHT_MESH_KEY_FILE"])
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.stat().st_uid == os.geteuid()
    for service in ("gateway", "site"):
        assert "MESHWRIGHT_MESH_KEY_FILE" not in guarded.service(service).environ()


async def test_the_page_asks_for_a_token_and_goes_on_with_it(guarded: MeshProcess) -> None:
    async with chromium_browser() as browser:
        web = WebPage(await browser.new_page())
        await web.page.goto(guarded.url)
        card = web.page.get_by_role("dialog", name="Sign in")
        await card.get_by_label("Token").fill(token_of("erin", exp=1))
        await card.get_by_role("button", name="Sign in").click()
        await expect(card.get_by_role("alert")).to_contain_text("expired")
        await card.get_by_label("Token").fill(token_of("erin"))
        await web.page.keyboard.press("Enter")
        await expect(card).to_have_count(0)
        run = await web.send("Write hello into note.txt")
        await expect(outcome(run)).to_be_visible()
        await web.page.reload()
        await expect(outcome(run)).to_be_visible()
        await web.page.get_by_role("button", name="Sign out").click()
        await expect(card).to_be_visible()
        await expect(run).to_have_count(0)
        # Chromium itself writes of answers with the status 401.
        assert [complaint for complaint in web.complaints if "401" not in complaint] == []
