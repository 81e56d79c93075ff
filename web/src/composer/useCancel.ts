import { useCallback, useRef, useState } from "react";
import { type MeshClient, newRequestId } from "../mesh/client";
import { type Problem, problemOf } from "../problems/problem";

export interface Cancel {
  /** Asks a run to end. Its terminal event tells when it has. */
  readonly cancel: (runId: string) => Promise<void>;
  /** The run that was asked last. */
  readonly asked: string | undefined;
  readonly problem: Problem | undefined;
}

/** Cancels runs of a session. */
export function useCancel(mesh: MeshClient, sessionId: string): Cancel {
  const requestIds = useRef(new Map<string, string>());
  const [asked, setAsked] = useState<string>();
  const [problem, setProblem] = useState<Problem>();

  const cancel = useCallback(
    async (runId: string) => {
      const requestId = requestIds.current.get(runId) ?? newRequestId();
      requestIds.current.set(runId, requestId);
      setAsked(runId);
      setProblem(undefined);
      try {
        await mesh.cancelRun({ requestId, sessionId, runId });
      } catch (error) {
        const refused = problemOf(error);
        // It ended by itself in the meantime, which is what was wished for.
        if (refused.reason !== "RUN_FINISHED") {
          setAsked(undefined);
          setProblem(refused);
        }
      }
    },
    [mesh, sessionId],
  );
  return { cancel, asked, problem };
}
