"""OpenFeature with flagd's evaluator as its provider. The only module that imports either at once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from openfeature import api
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.provider import AbstractProvider, Metadata
from openfeature.provider.no_op_provider import NoOpProvider

from meshwright.agent.flags.decided import decision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType

    from meshwright.agent.flags.catalogue import Flag
    from meshwright.v1.run_pb2 import FlagDecision

NAME = "flagd"
# Both write a traceback for every evaluation that fails; here each failure is reported once.
logging.getLogger("openfeature").setLevel(logging.CRITICAL + 1)


class FlagdEvaluation(AbstractProvider):
    """The definitions that are in force now, evaluated in this process."""

    def __init__(self) -> None:
        super().__init__()
        self.core = FlagdCore()

    def get_metadata(self) -> Metadata:
        """The provider's name."""
        return Metadata(name=NAME)

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """A boolean flag."""
        return self.core.resolve_boolean_value(flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """A string flag."""
        return self.core.resolve_string_value(flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """An integer flag."""
        return self.core.resolve_integer_value(flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """A flag that is a number."""
        return self.core.resolve_float_value(flag_key, default_value, evaluation_context)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """A structured flag."""
        return self.core.resolve_object_value(flag_key, default_value, evaluation_context)


class Answer(NamedTuple):
    """What a flag says."""

    decision: FlagDecision | None
    """None where it says nothing: it is not defined, disabled, without a default variant, or has a problem."""
    value: Any
    problem: str
    """Why it could not be asked, or empty."""


class Evaluator:
    """Flags by key, for a session."""

    def __init__(self) -> None:
        self._provider = FlagdEvaluation()
        # OpenFeature keeps providers by domain for the whole process, in which a test may have several agents.
        self._domain = f"meshwright-{uuid4().hex}"
        api.set_provider_and_wait(self._provider, self._domain)
        client = api.get_client(self._domain)
        self._ask: dict[type, Any] = {
            bool: (client.get_boolean_details, False),
            int: (client.get_integer_details, 0),
            str: (client.get_string_details, ""),
        }

    def set(self, definitions: str) -> None:
        """Put definitions in force, in the place of those before."""
        self._provider.core.set_flags(definitions)

    def ask(self, flag: Flag[Any], targeting_key: str, attributes: Mapping[str, Any]) -> Answer:
        """What a flag says."""
        ask, default = self._ask[flag.type]
        details = ask(flag.key, default, EvaluationContext(targeting_key, attributes))
        if details.error_code == ErrorCode.FLAG_NOT_FOUND:
            return Answer(None, None, "")
        if details.error_code is not None:
            return Answer(None, None, f"{details.error_code.value}: {details.error_message}")
        if not details.variant:
            return Answer(None, None, "")
        if problem := flag.problem(details.value):
            return Answer(None, None, problem)
        return Answer(decision(flag, details.variant, details.value), details.value, "")

    def close(self) -> None:
        """Forget the provider."""
        api.set_provider_and_wait(NoOpProvider(), self._domain)
