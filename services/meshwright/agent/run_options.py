"""What a new run may use and how it is done: as asked, else as its session says, the operator's flags, the agent's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.agent.flags.catalogue import FLAGS, MAX_STEPS, MODEL
from meshwright.agent.flags.decided import decided
from meshwright.serving.errors import MeshError
from meshwright.v1.run_pb2 import RunOptions

if TYPE_CHECKING:
    from meshwright.agent.flags.catalogue import AnyFlag
    from meshwright.agent.flags.evaluation import Flags
    from meshwright.agent.models import Models
    from meshwright.v1.run_pb2 import Run
    from meshwright.v1.session_pb2 import Session


class Choices:
    """The agent's defaults and limits, and the flags that change them for some."""

    def __init__(self, models: Models, defaults: RunOptions, flags: Flags) -> None:
        self._models = models
        self._defaults = defaults
        self._flags = flags

    def fill_in(self, run: Run, session: Session) -> None:
        """Decide a new run's flags and options; both are stored with it and hold to its end. MODEL_NOT_FOUND."""
        asked = run.spec.options
        named = asked.model or session.model
        wanted = tuple(flag for flag in FLAGS if flag is not MODEL) if named else FLAGS
        run.flags.extend(self._flags.decide(session, wanted, self._refused))
        options = RunOptions()
        options.CopyFrom(self._defaults)
        options.max_steps = most = decided(run, MAX_STEPS, self._defaults.max_steps)
        options.MergeFrom(asked)
        options.model = named or decided(run, MODEL, self._defaults.model)
        options.max_steps = min(options.max_steps, most)
        if options.timeout.ToTimedelta() > self._defaults.timeout.ToTimedelta():
            options.timeout.CopyFrom(self._defaults.timeout)
        self._models.check(options.model)
        run.spec.options.CopyFrom(options)

    def _refused(self, flag: AnyFlag, value: object) -> str:
        """Why a flag's value cannot be used by this agent, or empty."""
        if flag is not MODEL:
            return ""
        try:
            self._models.check(str(value))
        except MeshError as error:
            return error.message
        return ""
