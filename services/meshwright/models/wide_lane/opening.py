"""Making a model of pydantic-ai."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import infer_model

from meshwright.models import failures
from meshwright.models.missing import missing_extra
from meshwright.models.wide_lane.errors import from_library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_ai.models import Model


def open_library_model(spec: str, key_variables: Sequence[str]) -> Model:
    """The model, its client not yet connected. Blocks: loading a provider's client takes seconds.

    Raises:
        MeshError: MODEL_AUTHENTICATION when no key is set, MODEL_NOT_FOUND when the provider's client is not installed.
    """
    if key_variables and not any(os.environ.get(variable) for variable in key_variables):
        raise failures.no_key(spec, key_variables[0])
    try:
        return infer_model(spec)
    except ImportError as error:
        raise missing_extra(spec) from error
    except UserError as error:
        raise from_library(spec, error) from error
