"""First tasks for people who look for one. They work without the internet."""

from __future__ import annotations


def example_tasks(demo_url: str) -> list[str]:
    """Tasks on the demo site, which is at `demo_url`; without it, tasks in the workspace."""
    if not demo_url:
        return ["Write a haiku about the sea to sea.txt and read it back", "List files"]
    return [
        f"Open {demo_url} and tell me what the desk lamp costs",
        "Compare the prices of the lamp and the desk in the demo shop",
        f"Open {demo_url} and take a screenshot",
        "Write hello to notes.txt and read notes.txt",
    ]
