"""Reading the demo shop's data files afresh, so that an edit shows on the next request."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from pathlib import Path

ModelT = TypeVar("ModelT", bound=BaseModel)


class DemoFileError(Exception):
    """A file of the demo shop cannot be used as it stands.

    The message names the file and what to mend in it. It is meant for the person editing the file,
    who sees it in the place of the page.
    """

    def __init__(self, file_name: str, problem: str) -> None:
        super().__init__(f"{file_name}: {problem}")
        self.file_name = file_name
        self.problem = problem


def read_toml(path: Path, model: type[ModelT]) -> ModelT:
    """Read and check one TOML file; raises DemoFileError when it is missing or wrong."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        raise DemoFileError(path.name, "the file is missing") from None
    except OSError as error:
        raise DemoFileError(path.name, f"the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DemoFileError(path.name, "the file is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise DemoFileError(path.name, str(error)) from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = " > ".join(str(part) for part in first["loc"])
        raise DemoFileError(path.name, f"{place}: {first['msg']}") from None
