"""Settings and addresses say what is wrong with them in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from meshwright.serving.address import Address, AddressSetting, parse_addresses, replicas_target
from meshwright.serving.settings import MeshSettings, ServerSettings, documented
from meshwright.serving.startup import StartupError


class BrowserLikeSettings(ServerSettings):
    """A service's own settings."""

    listen: AddressSetting = Field(Address("127.0.0.1", 8083), description="Where the service listens.")
    pool_size: int = Field(2, ge=1, description="Browsers that are kept warm.")


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")


def test_defaults() -> None:
    settings = BrowserLikeSettings.load()
    assert settings.listen == Address("127.0.0.1", 8083)
    assert settings.data_dir == Path("/home/someone/.local/share/meshwright")
    assert (settings.unary_timeout, settings.drain_delay, settings.trusted_network) == (60, 0, False)


def test_flags_go_before_the_environment_and_that_before_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHWRIGHT_POOL_SIZE", "3")
    monkeypatch.setenv("MESHWRIGHT_LISTEN", "unix:/run/mesh/browser.sock")
    monkeypatch.setenv("MESHWRIGHT_LOG_LEVEL", "")
    settings = BrowserLikeSettings.load(pool_size=4, listen=None)
    assert settings.pool_size == 4
    assert settings.listen == Address(path="/run/mesh/browser.sock")
    assert settings.log_level == "info"


@pytest.mark.parametrize(
    ("xdg", "expected"), [("/data", "/data/meshwright"), ("relative", "/home/someone/.local/share/meshwright")]
)
def test_the_data_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, xdg: str, expected: str) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", xdg)
    assert MeshSettings.load().data_dir == Path(expected)


def test_every_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHWRIGHT_POOL_SIZE", "0")
    monkeypatch.setenv("MESHWRIGHT_LISTEN", "8083")
    with pytest.raises(StartupError) as caught:
        BrowserLikeSettings.load()
    assert "MESHWRIGHT_POOL_SIZE: Input should be greater than or equal to 1" in str(caught.value)
    assert "MESHWRIGHT_LISTEN: '8083' is not an address: write host:port or unix:/path" in str(caught.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        MeshSettings.load().log_level = "debug"


def test_a_setting_without_a_description_is_refused() -> None:
    with pytest.raises(TypeError, match="Bare has settings without a description: port"):

        class Bare(MeshSettings):
            """Forgot something."""

            port: int = 1


def test_settings_can_be_listed_for_the_reference() -> None:
    rows = {row.variable: row for row in documented(BrowserLikeSettings)}
    assert rows["MESHWRIGHT_POOL_SIZE"].type == "integer"
    assert rows["MESHWRIGHT_POOL_SIZE"].default == "2"
    assert rows["MESHWRIGHT_LISTEN"].default == "127.0.0.1:8083"
    assert rows["MESHWRIGHT_LOG_FORMAT"].type == "console or json"
    assert rows["MESHWRIGHT_DATA_DIR"].default.endswith("~/.local/share/meshwright")
    assert rows["MESHWRIGHT_TRUSTED_NETWORK"].default == "false"
    assert all(row.description and row.type for row in rows.values())


@pytest.mark.parametrize(
    ("text", "address", "local"),
    [
        ("127.0.0.1:80", Address("127.0.0.1", 80), True),
        ("127.8.8.8:80", Address("127.8.8.8", 80), True),
        ("localhost:0", Address("localhost", 0), True),
        ("[::1]:80", Address("::1", 80), True),
        ("0.0.0.0:80", Address("0.0.0.0", 80), False),
        ("[::]:80", Address("::", 80), False),
        ("localhost.example.com:80", Address("localhost.example.com", 80), False),
        ("unix:/run/x.sock", Address(path="/run/x.sock"), True),
        ("unix:///run/x.sock", Address(path="/run/x.sock"), True),
    ],
)
def test_addresses(text: str, address: Address, local: bool) -> None:
    parsed = Address.parse(text)
    assert parsed == address
    assert parsed.is_local is local
    assert Address.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        "localhost",
        ":80",
        "host:",
        "host:x",
        "host:65536",
        "host:-1",
        "unix:",
        "unix:run/x",
        "unix:/" + "x" * 104,
    ],
)
def test_texts_that_are_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|too long"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("unix:/a.sock", "unix:/a.sock"),
        ("tools.mesh:80", "dns:///tools.mesh:80"),
        ("127.0.0.1:80, 127.0.0.2:81", "ipv4:127.0.0.1:80,127.0.0.2:81"),
        ("[::1]:80,[::2]:81", "ipv6:[::1]:80,[::2]:81"),
        ("unix:/a.sock,unix:/b.sock", "unix:/a.sock,/b.sock"),
    ],
)
def test_replicas_are_one_target(text: str, target: str) -> None:
    assert replicas_target(parse_addresses(text)) == target


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1:80,[::1]:80", "unix:/a.sock,127.0.0.1:80", "a.test:80,b.test:80", "a.test:80,a.test:80"]
)
def test_replicas_that_no_channel_takes(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|twice"):
        replicas_target(parse_addresses(text))
