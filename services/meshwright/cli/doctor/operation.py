"""Checks of how a mesh would run here, and of the one that runs: settings, data folder, model, port, health."""

from __future__ import annotations

import asyncio
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from meshwright.cli.doctor.finding import good, missing, note, warning
from meshwright.cli.doctor.flags import check_flags
from meshwright.cli.up.checks import CannotStartError, check_port, check_store
from meshwright.cli.up.health import GRPC_SERVICES
from meshwright.cli.up.plan import SHOP_PATH
from meshwright.client import AgentInfo, Mesh, MeshError, Unauthenticated
from meshwright.client.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from meshwright.cli.doctor.finding import Finding

REACH_SECONDS = 5.0
LITTLE_SPACE_BYTES = 1 << 30
LOGIN_ADVICE = "docs/security.md says how to have callers show tokens"
EGRESS_ADVICE = "MESHWRIGHT_EGRESS_ALLOW names what else they may reach, such as an app of yours at localhost:3000"
MODEL_ADVICE = (
    "set OPENAI_API_KEY, ANTHROPIC_API_KEY or GOOGLE_API_KEY, or MESHWRIGHT_MODEL and MESHWRIGHT_OPENAI_BASE_URL"
)


def check_settings(mesh_elsewhere: bool = False) -> Iterator[Finding]:
    """Whether the services could start with the settings of this environment. A mesh that runs elsewhere keeps its files there."""
    from meshwright.agent.settings import AgentSettings
    from meshwright.egress.settings import EgressSettings
    from meshwright.gateway.settings import GatewaySettings
    from meshwright.serving.startup import StartupError

    try:
        agent = AgentSettings.load(mesh_key_file=_key_that_up_makes())
        gateway = GatewaySettings.load()
        egress = EgressSettings.load()
    except StartupError as error:
        yield missing("settings", str(error))
        return
    yield _data_folder(agent, mesh_elsewhere)
    yield from _shared_store(agent.store_url)
    yield _model(agent)
    yield from check_flags(agent)
    yield _authentication(agent)
    yield _egress(egress, gateway.port)
    try:
        check_port(gateway.bind_address, gateway.port)
    except CannotStartError as error:
        yield note("port", str(error).partition("\n")[0])
    else:
        yield good("port", f"{gateway.port} is free")


def _shared_store(url: str) -> Iterator[Finding]:
    """One finding where there is one."""
    if not url:
        return
    from meshwright.store.redis.connection import place_of

    try:
        asyncio.run(check_store())
    except CannotStartError as error:
        what, _, advice = str(error).partition("\n")
        yield missing("store", what, advice)
    else:
        yield good("store", f"answers at {place_of(url)}")


def _key_that_up_makes() -> str | None:
    """Stands for the secret that `meshwright up` makes by itself; None where there is another, or need of none."""
    makes = os.environ.get("MESHWRIGHT_AUTH_JWKS") and not os.environ.get("MESHWRIGHT_MESH_KEY_FILE")
    return os.devnull if makes else None


def _data_folder(settings: object, mesh_elsewhere: bool) -> Finding:
    from meshwright.serving.settings import MeshSettings

    assert isinstance(settings, MeshSettings)
    folder = settings.data_dir.expanduser().absolute()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        told = note if mesh_elsewhere else missing
        return told("data", f"{there} cannot be written", "choose another folder with MESHWRIGHT_DATA_DIR")
    free = shutil.disk_usage(there).free
    if free < LITTLE_SPACE_BYTES:
        return warning("data", f"{folder}, with {free // 2**20} MiB of space left")
    return good("data", str(folder))


def _model(settings: object) -> Finding:
    from meshwright.models.registry import FAST_LANE, OFFLINE, WIDE_LANE, default_spec, open_model
    from meshwright.models.settings import ModelSettings
    from meshwright.serving.errors import MeshError as ServingError

    assert isinstance(settings, ModelSettings)
    spec = settings.model or default_spec(settings)
    try:
        open_model(spec, settings)
    except ServingError as error:
        return missing("model", error.message)
    if spec == OFFLINE:
        return note("model", "offline: it follows plain instructions and is no language model", MODEL_ADVICE)
    provider = spec.partition(":")[0]
    variables = [FAST_LANE[provider][1]] if provider in FAST_LANE else WIDE_LANE[provider]
    names = [name for name in variables if name is not None]
    own_endpoint = provider == "openai" and (settings.openai_base_url or settings.openai_api_key is not None)
    if not names or own_endpoint or any(os.environ.get(name) for name in names):
        return good("model", f"{spec}, with what it needs to be asked")
    return missing("model", f"{spec}, whose key is not set", f"set {' or '.join(names)}")


def _authentication(settings: object) -> Finding:
    """Whether callers have to show tokens, and whether those could be checked here."""
    from meshwright.serving.authentication.settings import CallerAuthentication
    from meshwright.serving.startup import StartupError

    assert isinstance(settings, CallerAuthentication)
    if not settings.authenticates:
        return note(
            "login", "none: whoever reaches the mesh may use it, so it listens on this machine only", LOGIN_ADVICE
        )
    if settings.jwks_is_url:
        return good("login", f"tokens of {settings.auth_issuer}, with the keys at {settings.auth_jwks}")
    from meshwright.serving.authentication.key_source import KeyFile

    try:
        keys = KeyFile(Path(settings.auth_jwks)).current
    except StartupError as error:
        return missing("login", str(error))
    return good("login", f"tokens of {settings.auth_issuer}, with {len(keys)} keys in {settings.auth_jwks}")


def _egress(settings: object, port: int) -> Finding:
    """What the agents' browsers would reach."""
    from meshwright.egress.settings import EgressSettings

    assert isinstance(settings, EgressSettings)
    if settings.egress_proxy:
        return warning("egress", f"browsers reach what the proxy {settings.egress_proxy} lets them: it alone decides")
    allowed = ", ".join([*map(str, settings.egress_allow), f"localhost:{port}{SHOP_PATH}"])
    return note("egress", f"browsers reach the public internet and {allowed}", EGRESS_ADVICE)


async def check_mesh(address: str | None) -> AsyncIterator[Finding]:
    """What runs at the address, and how its services are."""
    try:
        async with Mesh(address, timeout=REACH_SECONDS) as mesh:
            agent = await mesh.agent()
            yield good("mesh", _describe(mesh.address, agent))
            async for finding in _services(mesh.address):
                yield finding
    except Unauthenticated as error:
        yield missing(
            "token", error.message, "set MESHWRIGHT_TOKEN to a token, or MESHWRIGHT_TOKEN_FILE to a file that has one"
        )
    except MeshError as error:
        yield note("mesh", error.message)


def _describe(address: str, agent: AgentInfo) -> str:
    return f"Meshwright {agent.version} at {address}, model {agent.model}"


async def _services(address: str) -> AsyncIterator[Finding]:
    if find_spec("grpc_health") is None:
        return
    async with Target.parse(address).open_channel() as channel:
        for name, service in GRPC_SERVICES.items():
            if await _serves(channel, service):
                yield good(name, "healthy")
            else:
                yield missing(name, "not healthy", f"its log is in the mesh's data folder: logs/{name}.log")


async def _serves(channel: grpc.aio.Channel, service: str) -> bool:
    from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
    from grpc_health.v1.health_pb2_grpc import HealthStub

    try:
        check = HealthStub(channel).Check  # type: ignore[attr-defined]  # the stubs package lacks it
        answer = await check(HealthCheckRequest(service=service), timeout=REACH_SECONDS)
    except grpc.aio.AioRpcError:
        return False
    return bool(answer.status == HealthCheckResponse.SERVING)
