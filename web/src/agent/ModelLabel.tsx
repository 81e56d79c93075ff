import type { Agent } from "../gen/meshwright/v1/agent_service_pb";

/** Which model answers. */
export function ModelLabel({ agent }: { agent: Agent | undefined }) {
  if (!agent) {
    return null;
  }
  return <span title="The model that answers">Model: {agent.offline ? "offline planner" : agent.model}</span>;
}
