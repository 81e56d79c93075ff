import { createContext, useContext } from "react";
import type { Agent } from "../gen/meshwright/v1/agent_service_pb";
import type { SessionList } from "../sessions/list";
import type { Credentials } from "../signin/credentials";
import type { MeshClient } from "./client";

/** What every page needs of the mesh. */
export interface MeshTools {
  readonly mesh: MeshClient;
  /** undefined until the mesh has told. */
  readonly agent: Agent | undefined;
  readonly sessions: SessionList;
  readonly credentials: Credentials;
}

export const MeshContext = createContext<MeshTools | undefined>(undefined);

/** The mesh that the page belongs to. */
export function useMesh(): MeshTools {
  const tools = useContext(MeshContext);
  if (!tools) {
    throw new Error("used outside of the mesh's context");
  }
  return tools;
}
