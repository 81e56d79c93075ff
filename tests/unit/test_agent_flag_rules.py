"""Feature flags: what they say for whom, and what becomes of rules that fail."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToDict
from structlog.testing import capture_logs

from meshwright.agent.flags.catalogue import APPROVALS, DELEGATION, FLAGS, HISTORY_BUDGET, MAX_STEPS, MODEL
from meshwright.agent.flags.definitions import BadFlagsError, Definitions, of_flagd, read
from meshwright.agent.flags.evaluation import Flags, SourcedFlags
from meshwright.v1.session_pb2 import Session
from tests.support.flags import document, flag

if TYPE_CHECKING:
    from meshwright.agent.flags.sources import Source, Told

ALICE = Session(session_id="ses_1", principal="alice", labels={"team": "search"})
IS_ALICE = {"if": [{"==": [{"var": "principal"}, "alice"]}, "on", "off"]}
BY_PRINCIPAL = {"cat": [{"var": "$flagd.flagKey"}, {"var": "principal"}]}
SIDES = "on off off off off on off off off off on on"
ON_OFF = {"on": True, "off": False}


class Given:
    """A source that has told all that it will."""

    name = "the test"

    def __init__(self, *told: Told) -> None:
        self.told = told

    async def follow(self, take: Any) -> None:
        for each in self.told:
            take(each)


async def flags_of(**flags: Any) -> SourcedFlags:
    source: Source = Given(of_flagd(document(**flags)))
    found = SourcedFlags(source)
    await found.follow()
    return found


def says(flags: Flags, session: Session = ALICE) -> dict[str, tuple[str, Any]]:
    """Variant and value by key."""
    found = flags.decide(session, FLAGS, lambda flag, value: "")
    return {each.key: (each.variant, MessageToDict(each.value)) for each in found}


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        (flag(ON_OFF, "off"), ("off", False)),
        (flag(ON_OFF, "off", IS_ALICE), ("on", True)),
        (flag(ON_OFF, "off", {"if": [{"==": [{"var": "labels.team"}, "search"]}, "on"]}), ("on", True)),
        (flag(ON_OFF, "off", {"if": [{"==": [{"var": "targetingKey"}, "ses_1"]}, "on"]}), ("on", True)),
        (flag(ON_OFF, "off", {"if": [{"sem_ver": [{"var": "version"}, ">=", "0.1.0"]}, "on"]}), ("on", True)),
        (flag(ON_OFF, "off", {"fractional": [["on", 100], ["off", 0]]}), ("on", True)),
        (flag(ON_OFF, "off", {"fractional": [BY_PRINCIPAL, ["on", 100], ["off", 0]]}), ("on", True)),
        (flag(ON_OFF, "on", {"if": [{"==": [{"var": "principal"}, "bob"]}, "off"]}), ("on", True)),
        (flag(ON_OFF, "on", state="DISABLED"), None),
        (flag(ON_OFF, None), None),
    ],
)
async def test_a_flag_is_evaluated_for_the_principal_and_the_session(definition: Any, said: Any) -> None:
    found = says(await flags_of(**{DELEGATION.key: definition}))
    assert found == ({DELEGATION.key: said} if said else {})


async def test_a_flag_that_is_not_defined_says_nothing() -> None:
    assert says(await flags_of()) == {}
    assert says(Flags()) == {}


async def test_a_rule_that_fails_says_nothing_and_is_reported_once() -> None:
    flags = await flags_of(**{DELEGATION.key: flag(ON_OFF, "on", {"if": [True, "nowhere"]})})
    with capture_logs() as lines:
        assert says(flags) == says(flags) == {}
    [line] = lines
    assert (line["event"], line["flag"]) == ("flags.not_decided", DELEGATION.key)


async def test_a_value_that_the_agent_refuses_is_not_taken_and_reported_once() -> None:
    flags = await flags_of(**{MODEL.key: flag({"new": "nobody:x"}, "new"), MAX_STEPS.key: flag({"few": 5}, "few")})
    with capture_logs() as lines:
        for _ in range(3):
            found = flags.decide(ALICE, FLAGS, lambda flag, value: "no such model" if flag is MODEL else "")
            assert [each.key for each in found] == [MAX_STEPS.key]
    assert [line["cause"] for line in lines] == ["no such model"]


async def test_what_is_refused_leaves_what_was_in_force() -> None:
    good: Definitions = of_flagd(document(**{MAX_STEPS.key: flag({"few": 5}, "few")}))
    flags = SourcedFlags(Given(good, BadFlagsError("it is no JSON")))
    with capture_logs() as lines:
        await flags.follow()
    assert says(flags) == {MAX_STEPS.key: ("few", 5)}
    assert [line["event"] for line in lines] == ["flags.read", "flags.refused"]


async def test_a_session_keeps_its_side_of_a_rollout_as_it_grows() -> None:
    sessions = [Session(session_id=f"ses_{number}", principal="alice") for number in range(400)]
    on: list[set[str]] = []
    for percent in (10, 50, 90):
        targeting = {"fractional": [["on", percent], ["off", 100 - percent]]}
        flags = await flags_of(**{DELEGATION.key: flag(ON_OFF, "off", targeting)})
        on.append({each.session_id for each in sessions if says(flags, each)[DELEGATION.key] == ("on", True)})
        assert abs(len(on[-1]) - 4 * percent) < 40
    assert on[0] < on[1] < on[2]


async def test_a_new_version_of_the_evaluator_leaves_sessions_where_they_are() -> None:
    """Where this fails, everybody would change sides at the update, in the middle of a rollout."""
    flags = await flags_of(**{DELEGATION.key: flag(ON_OFF, "off", {"fractional": [["on", 50], ["off", 50]]})})
    sides = [says(flags, Session(session_id=f"ses_{number}"))[DELEGATION.key][0] for number in range(12)]
    assert " ".join(sides) == SIDES


async def test_many_agents_in_a_process_have_flags_of_their_own() -> None:
    one = await flags_of(**{MAX_STEPS.key: flag({"few": 5}, "few")})
    other = await flags_of(**{MAX_STEPS.key: flag({"few": 6}, "few")})
    other.close()
    assert says(one) == {MAX_STEPS.key: ("few", 5)}


async def test_yaml_may_call_variants_on_and_off(tmp_path: Path) -> None:
    rule = "{fractional: [[on, 100], [off, 0]]}"
    text = f"flags: {{{DELEGATION.key}: {{state: ENABLED, variants: {{on: yes, off: no}}, defaultVariant: off"
    for rest, said in ((f", targeting: {rule}}}}}", ("true", True)), ("}}", ("false", False))):
        (tmp_path / "flags.yaml").write_text(text + rest)
        flags = SourcedFlags(Given(read(tmp_path / "flags.yaml")))
        await flags.follow()
        assert says(flags) == {DELEGATION.key: said}


async def test_deciding_takes_microseconds() -> None:
    """Loose on purpose: a request over the network, or a thread, would be ten times as slow."""
    flags = await flags_of(**{each.key: json.loads(SLOWEST)[each.key] for each in FLAGS})
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(20):
        before = loop.time()
        says(flags)
        took.append(loop.time() - before)
    assert min(took) < 0.01


SLOWEST = json.dumps(
    {
        MODEL.key: flag({"a": "offline"}, "a", {"fractional": [["a", 50], ["a", 50]]}),
        MAX_STEPS.key: flag({"a": 5}, "a", {"fractional": [["a", 50], ["a", 50]]}),
        HISTORY_BUDGET.key: flag({"a": 50_000}, "a", {"fractional": [["a", 50], ["a", 50]]}),
        DELEGATION.key: flag(ON_OFF, "on", IS_ALICE),
        APPROVALS.key: flag({"a": "none"}, "a", {"fractional": [["a", 50], ["a", 50]]}),
    }
)
