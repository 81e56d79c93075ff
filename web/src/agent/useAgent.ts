import { useEffect, useState } from "react";
import type { Agent } from "../gen/meshwright/v1/agent_service_pb";
import { backoffMs, pause, STREAM_BACKOFF } from "../mesh/backoff";
import type { MeshClient } from "../mesh/client";

/** What answers here; undefined until the mesh has told. It is asked again until it does. */
export function useAgent(mesh: MeshClient): Agent | undefined {
  const [agent, setAgent] = useState<Agent>();
  useEffect(() => {
    const leaving = new AbortController();
    void askUntilTold(mesh, leaving.signal).then((told) => told && setAgent(told));
    return () => leaving.abort();
  }, [mesh]);
  return agent;
}

async function askUntilTold(mesh: MeshClient, signal: AbortSignal): Promise<Agent | undefined> {
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      return (await mesh.getAgent({}, { signal })).agent;
    } catch {
      // Whoever sends a task or opens a session is told what is wrong; here it is enough to ask again.
      await pause(backoffMs(failures, STREAM_BACKOFF), signal);
    }
  }
  return undefined;
}
