"""Feature flags: the catalogue, definitions that are taken or refused, and what flags say for whom."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToDict
from structlog.testing import capture_logs

from meshwright.agent.flags.catalogue import APPROVALS, BY_KEY, DELEGATION, FLAGS, HISTORY_BUDGET, MAX_STEPS, MODEL
from meshwright.agent.flags.decided import decided, decision
from meshwright.agent.flags.definitions import BadFlagsError, Definitions, of_flagd, read
from meshwright.agent.flags.evaluation import Flags, SourcedFlags
from meshwright.agent.settings import AgentSettings
from meshwright.serving.startup import StartupError
from meshwright.v1.run_pb2 import Run
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


# The catalogue.


def test_each_flag_stands_once_and_takes_the_place_of_a_setting() -> None:
    assert len(BY_KEY) == len(FLAGS)
    for each in FLAGS:
        assert each.key.startswith("meshwright.")
        assert "MESHWRIGHT_" in each.meaning


@pytest.mark.parametrize(
    ("flag_", "value", "problem"),
    [
        (MODEL, "openai:gpt-5", ""),
        (MODEL, "", "1 to 200 characters"),
        (MODEL, "x" * 201, "1 to 200 characters"),
        (MODEL, 5, "no string"),
        (MAX_STEPS, 200, ""),
        (MAX_STEPS, 0, "between 1 and 200"),
        (MAX_STEPS, True, "no integer"),
        (MAX_STEPS, 1.5, "no integer"),
        (HISTORY_BUDGET, 10_000, ""),
        (HISTORY_BUDGET, 9_999, "between 10,000 and 10,000,000"),
        (DELEGATION, False, ""),
        (DELEGATION, "false", "no boolean"),
        (DELEGATION, 1, "no boolean"),
        (APPROVALS, "browser.*,destructive", ""),
        (APPROVALS, "  ", "1 to 1,000 characters"),
    ],
)
def test_a_value_is_of_its_flags_type_and_bounds(flag_: Any, value: Any, problem: str) -> None:
    assert (problem in flag_.problem(value)) if problem else (flag_.problem(value) == "")


@pytest.mark.parametrize(("flag_", "value"), [(MODEL, "offline"), (MAX_STEPS, 7), (DELEGATION, False)])
def test_a_decision_is_read_as_it_was_stored(flag_: Any, value: Any) -> None:
    run = Run.FromString(Run(flags=[decision(flag_, "v", value)]).SerializeToString())
    found = decided(run, flag_, None)
    assert (found, type(found)) == (value, type(value))


def test_a_decision_that_this_version_does_not_understand_counts_for_nothing() -> None:
    run = Run(flags=[decision(MODEL, "v", "text")])
    run.flags[0].key = MAX_STEPS.key
    assert decided(run, MAX_STEPS, 40) == 40


# Definitions.


def fractional(*parts: Any) -> str:
    """A file of a flag with a fraction somewhere in its rule."""
    rule = {"if": [{"==": [{"var": "principal"}, "bob"]}, "off", {"fractional": list(parts)}]}
    return document(**{DELEGATION.key: flag(ON_OFF, "off", rule)})


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (fractional(), "fractional has no shares"),
        (fractional({"var": "principal"}), "fractional has no shares"),
        (fractional(["on", "50"], ["off", 50]), "['on', '50'] has a weight that is no whole number"),
        (fractional(["on", 0.5], ["off", 0.5]), "['on', 0.5] has a weight that is no whole number"),
        (fractional(["on", -1], ["off", 50]), "['on', -1] has a weight"),
        (fractional(["no", 50], ["off", 50]), "['no', 50] names none of the variants"),
        (fractional({"var": "principal"}, ["on", 50], "off"), "off is no pair"),
        (fractional(["on", 0], ["off", 0]), "all shares are 0"),
    ],
)
def test_a_fraction_that_would_count_for_nothing_is_refused(text: str, cause: str) -> None:
    with pytest.raises(BadFlagsError) as caught:
        of_flagd(text)
    assert cause in str(caught.value)


@pytest.mark.parametrize(
    "parts",
    [(["on"], ["off"]), (["on", 1], ["off", 0]), ({"cat": [{"var": "principal"}, "x"]}, ["on", 1], ["off", 99])],
)
def test_other_fractions_are_taken(parts: tuple[Any, ...]) -> None:
    assert of_flagd(fractional(*parts)).keys == (DELEGATION.key,)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{", "no JSON"),
        ("[]", "no object `flags`"),
        ('{"flags": []}', "no object `flags`"),
        (document(**{"meshwright.modle": flag({"a": "b"}, "a")}), "meshwright.modle: there is no such flag"),
        (document(**{MODEL.key: {"state": "ENABLED"}}), "meshwright.model: it has no variants"),
        (document(**{MAX_STEPS.key: flag({"many": 900}, "many")}), "variant many: 900 is not between"),
        (document(**{DELEGATION.key: flag({"on": "yes"}, "on")}), "variant on: it is no boolean"),
        (document(**{DELEGATION.key: flag(ON_OFF, "maybe")}), "defaultVariant maybe is not among"),
        (document(**{DELEGATION.key: {"variants": ON_OFF, "state": "SOMETIMES"}}), "'state'"),
        (document(other=5), "not of flagd's form"),
        (document(other={"state": "ENABLED"}), "not of flagd's form"),
    ],
)
def test_definitions_that_cannot_be_used_are_refused_with_the_cause(text: str, cause: str) -> None:
    with pytest.raises(BadFlagsError) as caught:
        of_flagd(text)
    assert cause in str(caught.value)


def test_flags_of_others_are_left_alone() -> None:
    text = document(**{"shop.banner": flag({"a": 1}, "a"), MODEL.key: flag({"a": "offline"}, "a")})
    assert of_flagd(text).keys == (MODEL.key,)


YAML = "flags:\n  meshwright.max_steps:\n    state: ENABLED\n    variants: {few: 5}\n    defaultVariant: few\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flags.yaml", YAML),
        ("flags.yml", YAML),
        ("flags.json", document(**{MAX_STEPS.key: flag({"few": 5}, "few")})),
    ],
)
def test_a_file_is_json_or_yaml_by_its_name(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read(tmp_path / name).keys == (MAX_STEPS.key,)


async def test_yaml_may_call_variants_on_and_off(tmp_path: Path) -> None:
    rule = "{fractional: [[on, 100], [off, 0]]}"
    text = f"flags: {{{DELEGATION.key}: {{state: ENABLED, variants: {{on: yes, off: no}}, defaultVariant: off"
    for rest, said in ((f", targeting: {rule}}}}}", ("true", True)), ("}}", ("false", False))):
        (tmp_path / "flags.yaml").write_text(text + rest)
        flags = SourcedFlags(Given(read(tmp_path / "flags.yaml")))
        await flags.follow()
        assert says(flags) == {DELEGATION.key: said}


NESTED = document(**{DELEGATION.key: flag(ON_OFF, "off", "RULE")}).replace('"RULE"', '{"!": ' * 950 + "1" + "}" * 950)


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("flags.yaml", b"flags: [", "no YAML"),
        ("flags.json", b"\xff\xfe\x00", "no JSON"),
        ("flags.yaml", b"flags: {a: 2026-01-01}", "JSON has not"),
        ("flags.json", b" " * (1 << 20) + b"{}", "larger than"),
        ("flags.json", b"[" * 100_000, "nested too deeply"),
        ("flags.yaml", b"[" * 10_000, "nested too deeply"),
        ("flags.json", NESTED.encode(), "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, name: str, content: bytes, cause: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadFlagsError, match=cause):
        read(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFlagsError, match="No such file"):
        read(tmp_path / "flags.json")


def test_the_file_in_the_docs_can_be_used() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "flags.md"
    _, _, rest = page.read_text().partition("$ cat flags.json\n")
    assert of_flagd(rest.partition("$ ")[0]).keys == (MODEL.key,)


# What flags say.


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


# Settings.


def test_two_sources_are_refused() -> None:
    with pytest.raises(StartupError, match="MESHWRIGHT_FLAGD_ADDRESS: and MESHWRIGHT_FLAGS_FILE are two sources"):
        AgentSettings.load(flags_file="flags.json", flagd_address="127.0.0.1:8015")


def test_without_a_source_openfeature_is_not_imported() -> None:
    code = "import sys, meshwright.agent.service; sys.exit(any(name.startswith('openfeature') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
