import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import { useCallback, useRef, useState } from "react";
import { ApprovalDecisionSchema } from "../gen/meshwright/v1/agent_service_pb";
import { newRequestId } from "../mesh/client";
import { type Problem, problemOf } from "../problems/problem";
import { useSession } from "../session/SessionContext";

/** A person's answer to a question. */
export interface Answer {
  readonly verdict: "approve" | "deny";
  /** Arguments in place of the agent's, whole. */
  readonly editedArguments?: JsonObject | undefined;
  /** What the agent is told with it. */
  readonly comment: string;
}

export interface Answering {
  /** Gives the answer. The event that settles the question tells when the mesh has it. */
  readonly answer: (answer: Answer) => Promise<void>;
  readonly sending: boolean;
  readonly problem: Problem | undefined;
}

/** Answers one question of the session. */
export function useAnswer(approvalId: string): Answering {
  const { mesh, sessionId } = useSession();
  const requestIds = useRef(new Map<string, string>());
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const answer = useCallback(
    async (given: Answer) => {
      const decision = create(ApprovalDecisionSchema, { answer: answerOf(given), comment: given.comment });
      const sameAnswer = JSON.stringify(given);
      const requestId = requestIds.current.get(sameAnswer) ?? newRequestId();
      requestIds.current.set(sameAnswer, requestId);
      setSending(true);
      setProblem(undefined);
      try {
        await mesh.resolveApproval({ requestId, sessionId, approvalId, decision });
      } catch (error) {
        setProblem(problemOf(error));
        setSending(false);
      }
    },
    [mesh, sessionId, approvalId],
  );
  return { answer, sending, problem };
}

function answerOf({
  verdict,
  editedArguments,
}: Answer): MessageInitShape<typeof ApprovalDecisionSchema>["answer"] & object {
  if (verdict === "deny") {
    return { case: "deny", value: {} };
  }
  return { case: "approve", value: editedArguments ? { editedArguments } : {} };
}
