import { create } from "@bufbuild/protobuf";
import { useCallback, useRef, useState } from "react";
import { ApprovalDecisionSchema } from "../gen/meshwright/v1/agent_service_pb";
import { newRequestId } from "../mesh/client";
import { type Problem, problemOf } from "../problems/problem";
import { useSession } from "../session/SessionContext";

export type Answer = "approve" | "deny";

export interface Answering {
  /** Gives the answer. The event that settles the question tells when the mesh has it. */
  readonly answer: (answer: Answer) => Promise<void>;
  readonly sending: boolean;
  readonly problem: Problem | undefined;
}

/** Answers one question of the session. */
export function useAnswer(approvalId: string): Answering {
  const { mesh, sessionId } = useSession();
  const requestIds = useRef<Partial<Record<Answer, string>>>({});
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const answer = useCallback(
    async (chosen: Answer) => {
      requestIds.current[chosen] ??= newRequestId();
      const decision = create(ApprovalDecisionSchema, { answer: { case: chosen, value: {} } });
      setSending(true);
      setProblem(undefined);
      try {
        await mesh.resolveApproval({ requestId: requestIds.current[chosen], sessionId, approvalId, decision });
      } catch (error) {
        setProblem(problemOf(error));
        setSending(false);
      }
    },
    [mesh, sessionId, approvalId],
  );
  return { answer, sending, problem };
}
