"""What `meshwright doctor` says of feature flags."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from meshwright.agent.settings import AgentSettings
from meshwright.cli.doctor import flags as doctor
from meshwright.cli.doctor.finding import Finding, Verdict
from meshwright.cli.doctor.operation import check_settings
from tests.support.flags import document, flag, flagd

GOOD = document(**{"meshwright.max_steps": flag({"few": 5}, "few"), "shop.banner": flag({"a": 1}, "a")})


def found(path: Path, text: str | None) -> Finding:
    if text is not None:
        path.write_text(text)
    [finding] = doctor.check_flags(AgentSettings.load(flags_file=path))
    return finding


@pytest.mark.parametrize(
    ("text", "verdict", "said"),
    [
        (GOOD, Verdict.GOOD, "meshwright.max_steps in "),
        ('{"flags": {}}', Verdict.GOOD, "none of this mesh"),
        (None, Verdict.MISSING, "No such file"),
        ("{", Verdict.MISSING, "it is no JSON"),
        (GOOD.replace("5", "500"), Verdict.MISSING, "variant few: 500 is not between 1 and 200"),
        (
            document(**{"meshwright.model": flag({"old": "offline", "new": "nobody:x"}, "old")}),
            Verdict.MISSING,
            "meshwright.model: variant new: ",
        ),
    ],
)
def test_a_file_is_checked(tmp_path: Path, text: str | None, verdict: Verdict, said: str) -> None:
    finding = found(tmp_path / "flags.json", text)
    assert (finding.verdict, said in finding.text) == (verdict, True), finding.text
    assert str(tmp_path) in finding.text


def test_the_check_is_one_of_those_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(finding.subject == "flags" for finding in check_settings())
    monkeypatch.setenv("MESHWRIGHT_FLAGS_FILE", str(tmp_path / "flags.json"))
    assert [finding.verdict for finding in check_settings() if finding.subject == "flags"] == [Verdict.MISSING]


async def test_flagd_is_asked_what_it_tells() -> None:
    async with flagd(GOOD) as (_, port):
        settings = AgentSettings.load(flagd_address=f"127.0.0.1:{port}")
        [finding] = await asyncio.to_thread(list, doctor.check_flags(settings))
    assert (finding.verdict, finding.text) == (Verdict.GOOD, f"meshwright.max_steps in flagd at 127.0.0.1:{port}")


async def test_a_flagd_that_is_not_there_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FLAGD_SECONDS", 0.2)
    async with flagd(GOOD) as (_, port):
        pass
    settings = AgentSettings.load(flagd_address=f"127.0.0.1:{port}")
    [finding] = await asyncio.to_thread(list, doctor.check_flags(settings))
    assert finding.verdict is Verdict.MISSING
    assert "has told nothing" in finding.text
