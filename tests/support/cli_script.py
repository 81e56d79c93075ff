"""What the scripted model of the command line's tests does, by the words of the task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model_script import Call, Say, by_instruction

if TYPE_CHECKING:
    from tests.model_script import Request, Steps

LONG = "The first paragraph stands **here**.\n\nAnd the second paragraph comes at **last**."


def by_task(request: Request) -> Steps:
    """Do as the user says; what is not known here, `by_instruction` knows."""
    task = request.last_user_text
    done = request.step > 0
    results = " ".join(request.tool_results)
    match task:
        case "say something long":
            return Say(LONG, delay=0.1)
        case "say something evil":
            return Say("evil \x1b]0;title\x07 and \x1b[2J more")
        case "read two files" if not done:
            return [Call("file.read", {"path": "a.txt"}), Call("file.read", {"path": "b.txt"})]
        case "read two files":
            return Say("Both are missing.")
        case "write a file" if not done:
            return Call("file.write", {"path": "a.txt", "content": "tea"})
        case "write a file":
            denied = "not today" in results
            return Say("It is not written: not today" if denied else "It is written.")
        case "delegate" if not done:
            return Call("agent.delegate", {"task": "list"})
        case "delegate":
            return Say("The sub-agent is done.")
        case "list" if not done:
            return Call("file.list", {})
        case "list":
            return Say("Words of the sub-agent.")
        case "how many messages were there?":
            return Say(f"{sum(message['role'] == 'user' for message in request.messages)} messages")
    return by_instruction(request)
