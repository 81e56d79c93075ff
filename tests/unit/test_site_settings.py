"""The site's settings from the environment, and its small pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshwright.serving.address import Address
from meshwright.serving.settings import documented
from meshwright.serving.startup import StartupError
from meshwright.site.plain_page import plain_page
from meshwright.site.settings import SiteSettings


def test_the_defaults_are_loopback_and_the_shipped_folders() -> None:
    settings = SiteSettings.load()

    assert str(settings.listen) == "127.0.0.1:8084"
    assert (settings.site_demo_dir / "catalogue.toml").is_file()
    assert settings.site_page_dir.name == "page"


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHWRIGHT_LISTEN", "unix:/run/mesh/site.sock")
    monkeypatch.setenv("MESHWRIGHT_SITE_DEMO", "false")
    monkeypatch.setenv("MESHWRIGHT_SITE_PAGE_DIR", "/srv/page")

    settings = SiteSettings.load()
    assert settings.listen == Address(path="/run/mesh/site.sock")
    assert (settings.site_demo, settings.site_page_dir) == (False, Path("/srv/page"))


def test_a_wrong_address_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHWRIGHT_LISTEN", "nowhere")

    with pytest.raises(StartupError, match="MESHWRIGHT_LISTEN"):
        SiteSettings.load()


def test_every_setting_is_documented() -> None:
    variables = {setting.variable for setting in documented(SiteSettings)}

    assert {"MESHWRIGHT_LISTEN", "MESHWRIGHT_SITE_PAGE_DIR", "MESHWRIGHT_SITE_DEMO_DIR"} <= variables


def test_a_small_page_escapes_all_it_is_given() -> None:
    attack = '"><script>alert(1)</script>'
    body = bytes(plain_page(404, attack, title=attack, code=attack, link=(attack, attack)).body).decode()

    assert "<script>" not in body
    assert body.count("&lt;script&gt;") == 6
