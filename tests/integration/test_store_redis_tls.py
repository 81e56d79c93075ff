"""A shared store behind TLS, with an authority that only the address names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meshwright.store.redis.store import RedisStore
from meshwright.store.refusals import StoreUnusableError
from tests.support.certificates import write_certificate
from tests.support.ports import reserved_port
from tests.support.redis_server import RedisServer
from tests.support.store_drive import ME, a_notice, a_session, taken


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[int]:
    """Of a server that shows a certificate for localhost, `chain.pem`."""
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    write_certificate(chain, key)
    files = ["--tls-cert-file", str(chain), "--tls-key-file", str(key), "--tls-ca-cert-file", str(chain)]
    with reserved_port() as port:
        arguments = ["--tls-port", str(port), "--bind", "127.0.0.1", "--tls-auth-clients", "no", *files]
        with RedisServer(tmp_path, arguments=arguments):
            yield port


async def test_a_store_is_used_over_tls_whose_authority_the_address_names(tls_port: int, tmp_path: Path) -> None:
    store = await RedisStore.open(f"rediss://localhost:{tls_port}/0?ssl_ca_certs={tmp_path / 'chain.pem'}")
    await a_session(store)
    subscription = store.subscribe("ses_1")
    assert await store.read("ses_1", 0, 10) == []
    await store.append_to_session("ses_1", [a_notice()])
    assert [event.sequence for event in await taken(subscription, 1)] == [1]
    assert (await store.get_session(ME, "ses_1")).last_sequence == 1
    subscription.close()
    await store.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused(tls_port: int) -> None:
    with pytest.raises(StoreUnusableError, match="cannot be reached over TLS"):
        await RedisStore.open(f"rediss://localhost:{tls_port}/0")
