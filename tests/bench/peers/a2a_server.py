"""An agent on a2a-sdk's gRPC server and its in-memory task store: each delta of a chat model is an artifact update. Runs in the
peers' environment.

`python -m tests.bench.peers.a2a_server 127.0.0.1:PORT MODEL_URL`
"""

from __future__ import annotations

import sys
from typing import Any

import grpc
import uvloop
from a2a.helpers.proto_helpers import new_task_from_user_message
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler, GrpcHandler
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import a2a_pb2
from a2a.types.a2a_pb2_grpc import add_A2AServiceServicer_to_server
from openai import AsyncOpenAI


class Agent(AgentExecutor):  # type: ignore[misc]
    """Hands on what the model says."""

    def __init__(self, model_url: str) -> None:
        self._model = AsyncOpenAI(base_url=model_url, api_key="none")

    async def execute(self, context: Any, event_queue: Any) -> None:
        task = new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updates = TaskUpdater(event_queue, task.id, task.context_id)
        await updates.start_work()
        question: Any = {"role": "user", "content": context.get_user_input()}
        answer = await self._model.chat.completions.create(model="scripted", messages=[question], stream=True)
        begun = False
        async for chunk in answer:
            text = chunk.choices[0].delta.content if chunk.choices else None
            if text:
                await updates.add_artifact([a2a_pb2.Part(text=text)], artifact_id="answer", append=begun)
                begun = True
        await updates.complete()

    async def cancel(self, context: Any, event_queue: Any) -> None:
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


async def serve(address: str, model_url: str) -> None:
    """Serve until killed."""
    card = a2a_pb2.AgentCard(
        name="bench",
        version="1",
        capabilities=a2a_pb2.AgentCapabilities(streaming=True),
        supported_interfaces=[a2a_pb2.AgentInterface(url=address, protocol_binding="GRPC", protocol_version="1.0")],
    )
    server = grpc.aio.server()
    add_A2AServiceServicer_to_server(
        GrpcHandler(DefaultRequestHandler(Agent(model_url), InMemoryTaskStore(), card)), server
    )
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:]))
