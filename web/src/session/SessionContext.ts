import { createContext, useContext } from "react";
import type { ArtifactContents } from "../artifacts/contents";
import type { MeshClient } from "../mesh/client";
import type { MeshClock } from "./clock";

/** What everything inside a session's page needs of it. */
export interface SessionTools {
  readonly sessionId: string;
  readonly mesh: MeshClient;
  readonly clock: MeshClock;
  readonly contents: ArtifactContents;
}

export const SessionContext = createContext<SessionTools | undefined>(undefined);

/** The tools of the session that the component is inside of. */
export function useSession(): SessionTools {
  const tools = useContext(SessionContext);
  if (!tools) {
    throw new Error("used outside of a session");
  }
  return tools;
}
