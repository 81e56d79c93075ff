"""Language models: one small interface, and the fast lane, the wide lane and the offline planner behind it."""

from meshwright.models.interface import (
    AssistantTurn,
    Finished,
    FinishReason,
    Image,
    Model,
    ModelRequest,
    Part,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolSchema,
    ToolTurn,
    Turn,
    Usage,
    UserTurn,
)

__all__ = [
    "AssistantTurn",
    "FinishReason",
    "Finished",
    "Image",
    "Model",
    "ModelRequest",
    "Part",
    "ReasoningDelta",
    "TextDelta",
    "ToolCall",
    "ToolSchema",
    "ToolTurn",
    "Turn",
    "Usage",
    "UserTurn",
]
