"""What the flags said for a run: it stands in the run's record, so that it holds to its end, whoever works on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.struct_pb2 import Value as ProtoValue

from meshwright.v1.run_pb2 import FlagDecision

if TYPE_CHECKING:
    from meshwright.agent.flags.catalogue import Flag, Value
    from meshwright.v1.run_pb2 import Run


def decision(flag: Flag[Value], variant: str, value: Value) -> FlagDecision:
    """A decision as it is stored."""
    if isinstance(value, bool):
        stored = ProtoValue(bool_value=value)
    elif isinstance(value, str):
        stored = ProtoValue(string_value=value)
    else:
        stored = ProtoValue(number_value=value)
    return FlagDecision(key=flag.key, variant=variant, value=stored)


def decided(run: Run, flag: Flag[Value], otherwise: Value) -> Value:
    """What a flag said for the run; `otherwise` where it said nothing, or what this version of the mesh does not understand."""
    for each in run.flags:
        if each.key == flag.key and not flag.problem(value := _value(each)):
            return flag.type(value)
    return otherwise


def _value(stored: FlagDecision) -> Any:
    match stored.value.WhichOneof("kind"):
        case "bool_value":
            return stored.value.bool_value
        case "string_value":
            return stored.value.string_value
        case "number_value" if stored.value.number_value.is_integer():
            return int(stored.value.number_value)
        case _:
            return None
