"""The built page at the root: which address gets which file, how it may be cached, what protects it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.support.site_server import SiteClient, running_site, served_site, visitor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

INDEX = "<!doctype html><title>The page</title>"
SCRIPT = "export const page = 'the page';\n" * 200


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def page_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-3f2a.js").write_text(SCRIPT)
    (folder.parent / "secret.txt").write_text("the secret")
    (folder / "outside.txt").symlink_to(folder.parent / "secret.txt")
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site_socket(page_dir: Path) -> AsyncIterator[Path]:
    async with served_site(page_dir.parent, site_page_dir=page_dir) as socket:
        yield socket


@pytest_asyncio.fixture(loop_scope="module")
async def site(site_socket: Path) -> AsyncIterator[SiteClient]:
    async with visitor(site_socket) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/sessions/ses_x", "/sessions", "/settings/models", "/demonstration"])
async def test_every_address_of_the_page_gets_its_index(site: SiteClient, path: str) -> None:
    answer = await site.get(path)

    assert (answer.status, answer.body) == (200, INDEX)
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/missing.js",
        "/assets/missing",
        "/assets/missing-1a2b.js",
        "/.env",
        "/sessions/ses_x/log.txt",
        "/meshwright.v1.AgentService/CreateSession",
        "/demo/missing",
        "/assets",
    ],
)
async def test_an_address_without_a_file_that_the_page_does_not_route_is_not_found(site: SiteClient, path: str) -> None:
    answer = await site.get(path)

    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert INDEX not in answer.body


async def test_files_named_by_their_content_are_cached_forever_and_others_are_asked_for(site: SiteClient) -> None:
    hashed = await site.get("/assets/index-3f2a.js")
    plain = await site.get("/favicon.svg")

    assert hashed.body == SCRIPT
    assert hashed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert plain.headers["Cache-Control"] == "no-cache"


async def test_an_unchanged_index_is_not_sent_again(site: SiteClient, page_dir: Path) -> None:
    first = await site.get("/")
    same = await site.get("/sessions/ses_x", headers={"If-None-Match": first.headers["ETag"]})
    (page_dir / "index.html").write_text(INDEX + "<p>A new build</p>")
    changed = await site.get("/", headers={"If-None-Match": first.headers["ETag"]})
    (page_dir / "index.html").write_text(INDEX)

    assert (same.status, same.body) == (304, "")
    assert (changed.status, changed.headers["ETag"] == first.headers["ETag"]) == (200, False)


async def test_text_is_compressed_for_those_who_accept_it(site: SiteClient) -> None:
    packed = await site.get("/assets/index-3f2a.js", headers={"Accept-Encoding": "gzip"})
    bare = await site.get("/assets/index-3f2a.js", headers={"Accept-Encoding": "identity"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in bare.headers
    assert packed.body == bare.body == SCRIPT


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "//secret.txt",
        "/..\\secret.txt",
        "/secret.txt%00.js",
        "/outside.txt",
    ],
)
async def test_no_path_leads_out_of_the_pages_folder(site: SiteClient, path: str) -> None:
    answer = await site.get(path)

    assert answer.status == 404
    assert "the secret" not in answer.body


@pytest.mark.parametrize(
    "path", ["/", "/missing.js", "/healthz", "/demo", "/demo/", "/demo/missing", "/demo/static/shop.js"]
)
async def test_every_answer_carries_the_security_headers(site: SiteClient, path: str) -> None:
    headers = (await site.get(path)).headers

    policy = dict(part.split(maxsplit=1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert "'unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Server" not in headers


async def test_the_page_may_load_its_own_files_and_show_images_from_bytes(site: SiteClient) -> None:
    policy = (await site.get("/")).headers["Content-Security-Policy"]

    for rule in ("script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data: blob:"):
        assert rule in policy.split("; ")


@pytest.mark.parametrize("path", ["/", "/sessions/ses_x"])
async def test_without_a_build_the_page_says_what_to_run_and_appears_once_built(tmp_path: Path, path: str) -> None:
    page_dir = tmp_path / "built-later"
    async with running_site(tmp_path, site_page_dir=page_dir) as site:
        before = await site.get(path)
        page_dir.mkdir()
        (page_dir / "index.html").write_text(INDEX)
        after = await site.get(path)

    assert before.status == 503
    assert "make page" in before.text
    assert before.headers["Cache-Control"] == "no-store"
    assert (after.status, after.body) == (200, INDEX)


async def test_health_is_told_without_a_build(tmp_path: Path) -> None:
    async with running_site(tmp_path) as site:
        answer = await site.get("/healthz")

    assert (answer.status, answer.body) == (200, '{"status":"ok"}')


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("DELETE", "/assets/index-3f2a.js"), ("POST", "/healthz")])
async def test_a_method_that_an_address_does_not_take_is_refused(site: SiteClient, method: str, path: str) -> None:
    assert (await site.request(method, path)).status == 405


async def test_the_demo_can_be_switched_off(tmp_path: Path, page_dir: Path) -> None:
    async with running_site(tmp_path, site_page_dir=page_dir, site_demo=False) as site:
        statuses = [(await site.get(path)).status for path in ("/demo", "/demo/", "/demo/cart", "/")]

    assert statuses == [404, 404, 404, 200]
