"""Feature flags: the catalogue, definitions that are taken or refused, and where they come from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meshwright.agent.flags.catalogue import APPROVALS, BY_KEY, DELEGATION, FLAGS, HISTORY_BUDGET, MAX_STEPS, MODEL
from meshwright.agent.flags.decided import decided, decision
from meshwright.agent.flags.definitions import BadFlagsError, of_flagd, read
from meshwright.agent.settings import AgentSettings
from meshwright.serving.startup import StartupError
from meshwright.v1.run_pb2 import Run
from tests.support.flags import document, flag

ON_OFF = {"on": True, "off": False}


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
        ("flags.yaml", b"flags: &a [*a, *a]", "nested too deeply"),
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


def test_two_sources_are_refused() -> None:
    with pytest.raises(StartupError, match="MESHWRIGHT_FLAGD_ADDRESS: and MESHWRIGHT_FLAGS_FILE are two sources"):
        AgentSettings.load(flags_file="flags.json", flagd_address="127.0.0.1:8015")


def test_without_a_source_openfeature_is_not_imported() -> None:
    code = "import sys, meshwright.agent.service; sys.exit(any(name.startswith('openfeature') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
