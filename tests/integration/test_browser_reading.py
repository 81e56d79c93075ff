"""Commands that read a page: its text with refs, pictures and prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from meshwright.browser.image_size import image_size
from meshwright.v1 import browser_pb2 as pb
from tests.support.browser_client import BrowserClient, Driving, Site, browser_client, fails

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[BrowserClient]:
    async with browser_client() as (client, _server):
        yield client


async def test_reads_the_page_and_its_frames_as_text_with_refs(driving: Driving, site: Site) -> None:
    await driving.goto(
        site.page("/read", "<h1>Lamp</h1><p>39.90</p><iframe srcdoc='<button>Inside</button>'></iframe>")
    )
    taken = await driving.snapshot()
    assert taken.snapshot_id == "s1"
    assert not taken.truncated
    assert taken.total_bytes == len(taken.text.encode())
    for line in ('heading "Lamp"', "39.90", 'button "Inside" [ref=f'):
        assert line in taken.text
    assert "box=" not in taken.text


async def test_reads_only_the_part_under_a_ref(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/part", "<h1>Top</h1><nav aria-label=Menu><a href=/>Home</a></nav>"))
    ref = (await driving.element("navigation")).ref
    part = (await driving.run(snapshot=pb.Snapshot(ref=ref))).snapshot
    assert "Home" in part.text
    assert "Top" not in part.text
    assert part.snapshot_id == "s2"


async def test_a_long_page_is_cut_to_its_budget_with_what_is_in_view(driving: Driving, site: Site) -> None:
    cards = "".join(f"<section><h2>Card {n}</h2><button>Buy {n}</button></section>" for n in range(200))
    modal = "<div role=dialog style='position:fixed;top:0'><button>Accept</button></div>"
    await driving.goto(site.page("/long", cards + modal))
    await driving.run(scroll=pb.Scroll(delta_y=6000))
    taken = (await driving.run(snapshot=pb.Snapshot(max_bytes=2048))).snapshot
    assert taken.truncated
    assert taken.total_bytes > len(taken.text.encode()) <= 2048
    assert 'button "Accept"' in taken.text
    assert 'button "Buy 0"' not in taken.text
    assert taken.text.splitlines()[-1].startswith("# Left out")
    await driving.click('button "Accept"')


async def test_lone_surrogates_of_a_page_do_not_break_its_text(driving: Driving, site: Site) -> None:
    await driving.goto(
        site.page("/surrogate", "<h1></h1><script>document.querySelector('h1').textContent='a\\ud800b'</script>")
    )
    assert "heading" in (await driving.snapshot()).text


async def test_takes_pictures_of_the_view_the_page_and_an_element(driving: Driving, site: Site) -> None:
    body = "<body style='margin:0'><div role=img aria-label=Box style='width:300px;height:120px;background:red'></div>"
    await driving.goto(site.page("/picture", body + "<div style='height:3000px'></div>"))
    view = (await driving.run(screenshot=pb.Screenshot())).capture
    assert (view.media_type, view.width, view.height) == ("image/jpeg", 1280, 800)
    assert view.data.startswith(b"\xff\xd8")
    rough = (await driving.run(screenshot=pb.Screenshot(quality=1))).capture
    assert len(rough.data) < len(view.data)
    page = (await driving.run(screenshot=pb.Screenshot(format=pb.IMAGE_FORMAT_PNG, full_page=True))).capture
    assert (page.media_type, page.width, page.height) == ("image/png", 1280, 3120)
    assert image_size(page.data) == (1280, 3120)
    box = (await driving.run(screenshot=pb.Screenshot(element=await driving.element("Box")))).capture
    assert (box.width, box.height) == (300, 120)


async def test_a_very_high_page_is_cut_and_a_huge_picture_is_refused(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/high", "<div style='height:40000px'></div>"))
    page = (await driving.run(screenshot=pb.Screenshot(full_page=True))).capture
    assert page.height == 16384
    noise = """<canvas width=2000 height=2000></canvas><script>
      const c = document.querySelector('canvas').getContext('2d'), i = c.createImageData(2000, 2000);
      for (let n = 0; n < i.data.length; n++) i.data[n] = n % 4 == 3 ? 255 : Math.random() * 255;
      c.putImageData(i, 0, 0)</script>"""
    await driving.goto(site.page("/noise", noise))
    error = await fails(driving.run(screenshot=pb.Screenshot(format=pb.IMAGE_FORMAT_PNG, full_page=True)))
    assert (error.reason_name, error.metadata["quota"]) == ("QUOTA_EXCEEDED", "capture_bytes")


async def test_prints(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/print", "<h1>Invoice</h1>"))
    for landscape in (False, True):
        printed = (await driving.run(print_pdf=pb.PrintPdf(landscape=landscape, background=True))).capture
        assert printed.media_type == "application/pdf"
        assert printed.data.startswith(b"%PDF")
