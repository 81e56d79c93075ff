"""The models of this process, each opened once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.models.registry import open_model

if TYPE_CHECKING:
    from meshwright.models.interface import Model
    from meshwright.models.settings import ModelSettings


class Models:
    """Opens models by specification, such as `openai:gpt-5`; empty means the default."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._open: dict[str, Model] = {}

    @property
    def default(self) -> Model:
        """The model of runs that name none."""
        return self.get("")

    def get(self, spec: str) -> Model:
        """The model of a specification. MODEL_NOT_FOUND."""
        if spec not in self._open:
            model = open_model(spec, self._settings)
            self._open[spec] = self._open.setdefault(model.name, model)
        return self._open[spec]

    def check(self, spec: str) -> None:
        """Refuse a specification that no lane serves, before anything is stored. MODEL_NOT_FOUND."""
        self.get(spec)

    async def close(self) -> None:
        """Close all."""
        for model in {id(model): model for model in self._open.values()}.values():
            await model.close()
