import { useCallback, useRef, useState } from "react";
import { SteeringMode } from "../gen/meshwright/v1/run_pb";
import { type MeshClient, newRequestId } from "../mesh/client";
import { type Problem, problemOf } from "../problems/problem";

/** A task on its way. Its ids stay the same however often it is sent, so that it never becomes two runs. */
interface Submission {
  readonly task: string;
  readonly whenBusy: SteeringMode;
  readonly createId: string;
  readonly startId: string;
  sessionId: string | undefined;
}

export interface Submit {
  /** Sends a task; true when the mesh has it. While a run is at work it waits behind it, unless `whenBusy` says otherwise. */
  readonly submit: (task: string, whenBusy?: SteeringMode) => Promise<boolean>;
  readonly sending: boolean;
  /** Why the last attempt failed. */
  readonly problem: Problem | undefined;
}

/** Sends tasks to a session, or to a new one where there is none yet; tells the session that a task went to. */
export function useSubmission(
  mesh: MeshClient,
  sessionId: string | undefined,
  onAccepted: (sessionId: string) => void,
): Submit {
  const pending = useRef<Submission>(undefined);
  const busy = useRef(false);
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<Problem>();

  const submit = useCallback(
    async (task: string, whenBusy = SteeringMode.ENQUEUE) => {
      if (busy.current || task.trim() === "") {
        return false;
      }
      busy.current = true;
      setSending(true);
      setProblem(undefined);
      if (pending.current?.task !== task || pending.current.whenBusy !== whenBusy) {
        pending.current = { task, whenBusy, createId: newRequestId(), startId: newRequestId(), sessionId };
      }
      try {
        onAccepted(await send(mesh, pending.current));
        pending.current = undefined;
        return true;
      } catch (error) {
        setProblem(problemOf(error));
        return false;
      } finally {
        busy.current = false;
        setSending(false);
      }
    },
    [mesh, sessionId, onAccepted],
  );
  return { submit, sending, problem };
}

async function send(mesh: MeshClient, submission: Submission): Promise<string> {
  if (submission.sessionId === undefined) {
    const { session } = await mesh.createSession({ requestId: submission.createId });
    submission.sessionId = session?.sessionId ?? "";
  }
  await mesh.startRun({
    requestId: submission.startId,
    sessionId: submission.sessionId,
    spec: { task: submission.task },
    whenBusy: submission.whenBusy,
  });
  return submission.sessionId;
}
