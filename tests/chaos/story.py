"""What the model does in each run: several steps that are the same whenever and wherever they are asked for.

A task is `Tell story 17 of 4711 at http://127.0.0.1:1234/`. Its steps follow from its two numbers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from tests.model_script import Call, Request, Say, Step, Steps

TASK = re.compile(r"Tell story (\d+) of (\d+) at (\S+)")
BROWSER_SHARE = 8
"""Every so manieth story opens a page."""
DELEGATING_SHARE = 4
"""Every so manieth story has a sub-agent tell a part of it."""
PARTS = 100_000
"""Stories from this number on are parts of others."""
WORDS = ("lamp", "desk", "window", "chair", "sofa", "near", "under", "behind", "costs", "shows", "holds")


def task(number: int, seed: int, page: str) -> str:
    """The task that leads to a story."""
    return f"Tell story {number} of {seed} at {page}"


def script(request: Request) -> Steps:
    """What the model answers next. Inputs that come meanwhile do not change the story."""
    said = 0
    for message in reversed(request.messages):
        found = TASK.search(str(message["content"])) if message["role"] == "user" else None
        if found is not None:
            steps = _steps(int(found[1]), int(found[2]), found[3])
            return steps[min(said, len(steps) - 1)]
        said += message["role"] == "assistant"
    return Say("Which story?")


def ending(number: int, seed: int) -> str:
    """The answer of the run."""
    return f"Story {number} of {seed} is told."


def _steps(number: int, seed: int, page: str) -> list[Sequence[Step]]:
    dice = random.Random(f"{seed}/{number}")  # noqa: S311 - repeatable on purpose
    steps: list[Sequence[Step]] = []
    for step in range(dice.randint(2, 4)):
        calls: list[Step] = [
            Call(
                f"ledger.{dice.choice(('append', 'append', 'put', 'read'))}",
                {"name": f"{number}/{step}/{index}", "seconds": round(dice.uniform(0.02, 1.2), 2)},
            )
            for index in range(dice.randint(1, 3))
        ]
        if number < PARTS and number % BROWSER_SHARE == 0:
            calls.append(Call("browser.open", {"url": page}))
        if number < PARTS and number % DELEGATING_SHARE == 1 and step < 2:
            calls.append(Call("agent.delegate", {"task": task(PARTS + 10 * number + step, seed, page)}))
        steps.append([_speech(dice), *calls])
    steps.append([_speech(dice), Say(ending(number, seed))])
    return steps


def _speech(dice: random.Random) -> Say:
    return Say(" ".join(dice.choices(WORDS, k=dice.randint(5, 40))) + ". ", delay=dice.choice((0.005, 0.01, 0.03)))
