"""What the offline planner says about itself."""

from __future__ import annotations

INTRODUCTION = (
    "I am Meshwright's offline planner, not a language model: I carry out plain instructions by rule, and {problem}."
)
EXAMPLES = """\
Try for example:

- `Compare the prices of the lamp and the desk in the demo shop`
- `Open {demo_url} and tell me what the desk lamp costs`
- `Open https://example.com and read notes.txt, then write the title to title.txt`
- `Search for refunds in the documents`

I open pages, click, type, take screenshots, read, write, list and search files, and answer from what they say; several things
joined by "and" run at the same time.
"""
MODELS = """\
For everything else choose a language model: set `MESHWRIGHT_MODEL`, for example to `openai:gpt-6.1-terra` (with `OPENAI_API_KEY`),
`anthropic:claude-sonnet-5-5` (with `ANTHROPIC_API_KEY`) or `ollama:qwen3` (on your own machine), and start the mesh again."""


def not_understood(demo_url: str) -> str:
    """The answer to a task of which nothing was understood."""
    problem = "I did not understand this task"
    return f"{INTRODUCTION.format(problem=problem)}\n\n{EXAMPLES.format(demo_url=demo_url)}\n{MODELS}"


def partly_understood(clauses: list[str]) -> str:
    """The remark on clauses that were left out."""
    left_out = ", ".join(f"“{clause}”" for clause in clauses)
    problem = f"there is something that I did not understand: {left_out}"
    return f"{INTRODUCTION.format(problem=problem)}\n\n{MODELS}"
