"""Small parts of the browser service: terms, tabs, scratch folders, picture sizes, watching a process end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.duration_pb2 import Duration
from playwright.async_api import Error as PlaywrightError

from meshwright.browser import exit_watch
from meshwright.browser.actions.catalogue import ACTIONS
from meshwright.browser.actions.navigation import again
from meshwright.browser.exit_watch import ExitWatch
from meshwright.browser.image_size import image_size
from meshwright.browser.scratch import Scratch
from meshwright.browser.settings import BrowserSettings
from meshwright.browser.tab import clean
from meshwright.browser.tabs import Tabs
from meshwright.browser.terms import Terms
from meshwright.serving.errors import MeshError
from meshwright.v1 import browser_pb2 as pb

if TYPE_CHECKING:
    from pathlib import Path


def terms(**spec: Any) -> Terms:
    return Terms.of(pb.LeaseSpec(**spec), BrowserSettings.load(), path="start")


def test_every_action_of_the_contract_is_there() -> None:
    assert set(ACTIONS) == {field.name for field in pb.BrowserCommand.DESCRIPTOR.oneofs_by_name["action"].fields}


def test_terms_have_defaults() -> None:
    assert terms() == terms(profile="default", egress_policy="default")
    plain = terms()
    assert (plain.wait, plain.idle_timeout, plain.max_duration, plain.max_tabs) == (10.0, 300.0, 3600.0, 8)
    assert (plain.width, plain.height, plain.storage_state) == (1280, 800, None)


def test_terms_are_what_was_asked_for() -> None:
    state = {"cookies": [{"name": "a", "value": "b", "url": "http://host/"}]}
    asked = terms(
        viewport=pb.Viewport(width=400, height=300),
        wait=Duration(nanos=500_000_000),
        limits=pb.LeaseLimits(idle_timeout=Duration(seconds=2), max_duration=Duration(seconds=9), max_tabs=3),
        storage_state=json.dumps(state).encode(),
        session_id="ses_1",
    )
    assert (asked.width, asked.height, asked.wait) == (400, 300, 0.5)
    assert (asked.idle_timeout, asked.max_duration, asked.max_tabs) == (2.0, 9.0, 3)
    assert asked.storage_state == {**state, "origins": []}
    assert asked.session_id == "ses_1"


def test_a_wait_of_nothing_is_no_wait() -> None:
    assert terms(wait=Duration()).wait == 0.0


@pytest.mark.parametrize(
    "state", [b"{", b"null", b"[]", b'{"cookies": 1}', b'{"other": []}', b'{"origins": ["x"]}', b"\xff"]
)
def test_a_storage_state_of_another_shape_is_refused(state: bytes) -> None:
    with pytest.raises(MeshError) as refused:
        terms(storage_state=state, profile="mobile")
    assert [each.field for each in refused.value.violations] == ["start.profile", "start.storage_state"]


def test_the_tab_used_last_is_the_current_one() -> None:
    tabs = Tabs()
    tabs.limit = 4
    one, two = tabs.add(), tabs.add()
    popup = tabs.add(behind=True)
    assert [tab.tab_id for tab in tabs] == ["t1", "t2", "t3"]
    assert tabs.find("") is two
    assert tabs.find("t1") is tabs.current is one
    tabs.remove(one)
    assert tabs.current is two
    tabs.remove(two)
    assert tabs.current is popup
    tabs.remove(popup)
    tabs.remove(popup)
    with pytest.raises(MeshError, match="no such tab"):
        tabs.find("")
    assert tabs.current_or_none().tab_id == ""
    assert tabs.open_next().tab_id == "t4"


@pytest.mark.parametrize(
    ("text", "limit", "cleaned"), [("abc", 2, "ab"), ("a\ud800b", 9, "a?b"), ("", 5, ""), ("ä😀", 2, "ä😀")]
)
def test_text_of_pages_is_cut_and_made_valid(text: str, limit: int, cleaned: str) -> None:
    assert clean(text, limit) == cleaned


PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000001000000002008060000")
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0001108012c01f403012200021101031101")


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (PNG, (256, 32)),
        (JPEG, (500, 300)),
        (b"", (0, 0)),
        (b"%PDF-1.4", (0, 0)),
        (JPEG[:20], (0, 0)),
        (b"\xff\xd8", (0, 0)),
    ],
)
def test_the_size_of_a_picture_is_in_its_head(data: bytes, size: tuple[int, int]) -> None:
    assert image_size(data) == size


def test_scratch_removes_itself_and_what_a_killed_service_left(tmp_path: Path) -> None:
    alive = Scratch(tmp_path)
    (alive.folder() / "file").write_text("x")
    orphan = tmp_path / "meshwright-browser-orphan"
    (orphan / "profile").mkdir(parents=True)
    (orphan / "lock").touch()
    other = Scratch(tmp_path)
    assert not orphan.exists()
    assert alive.path.exists()
    other.remove()
    alive.remove()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_services_that_start_at_once_are_not_taken_for_orphans(tmp_path: Path) -> None:
    def make(_: int) -> None:
        scratch = Scratch(tmp_path)
        assert scratch.folder().exists()
        scratch.remove()

    with ThreadPoolExecutor(4) as services:
        list(services.map(make, range(400)))
    assert list(tmp_path.iterdir()) == []


CHANGED, REFUSED = "net::ERR_NETWORK_CHANGED at http://host/", "net::ERR_CONNECTION_REFUSED at http://host/"
LATE_ERROR_PAGE = 'Navigation to "http://host/" is interrupted by another navigation to "chrome-error://chromewebdata/"'


@pytest.mark.parametrize(
    ("failures", "comes"),
    [
        ([CHANGED] * 4, True),
        ([CHANGED, LATE_ERROR_PAGE], True),
        ([CHANGED] * 5, False),
        ([CHANGED, REFUSED], False),
        ([REFUSED], False),
    ],
)
async def test_a_page_is_asked_for_again_while_networks_come_and_go(failures: list[str], comes: bool) -> None:
    left = list(failures)

    async def go() -> None:
        if left:
            raise PlaywrightError(f"Page.goto: {left.pop(0)}")

    if comes:
        assert await again(go) is None
    else:
        with pytest.raises(PlaywrightError, match=failures[-1]):
            await again(go)
    assert left == []


@pytest.mark.parametrize("by", ["the kernel", "looking"])
async def test_the_end_of_a_process_is_learnt(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if by == "looking":
        monkeypatch.delattr(os, "pidfd_open", raising=False)
        monkeypatch.setattr(exit_watch, "POLL_SECONDS", 0.01)
    ended = asyncio.Event()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys; sys.stdin.read()", stdin=asyncio.subprocess.PIPE
    )
    closed = ExitWatch(process.pid, lambda: pytest.fail("a closed watch told"))
    closed.close()
    watch = ExitWatch(process.pid, ended.set)
    await asyncio.sleep(0)
    assert not ended.is_set()
    process.kill()
    async with asyncio.timeout(30):
        await ended.wait()
    await process.wait()
    watch.close()
    gone = asyncio.Event()
    ExitWatch(process.pid, gone.set)
    async with asyncio.timeout(30):
        await gone.wait()
