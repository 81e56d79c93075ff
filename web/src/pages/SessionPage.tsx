import { useCallback, useEffect, useState } from "react";
import { Examples } from "../agent/Examples";
import { ModelLabel } from "../agent/ModelLabel";
import { OfflineBanner } from "../agent/OfflineBanner";
import { ArtifactContents } from "../artifacts/contents";
import { Composer } from "../composer/Composer";
import { useCancel } from "../composer/useCancel";
import { useSubmission } from "../composer/useSubmission";
import { Conversation } from "../conversation/Conversation";
import { useMesh } from "../mesh/MeshContext";
import { tasksOf } from "../session/family";
import { SessionContext, type SessionTools } from "../session/SessionContext";
import { activeRun } from "../session/state";
import { useSessionStore } from "../session/useSessionStore";
import { ConnectionSign } from "./ConnectionSign";
import { PageHeader } from "./PageHeader";
import styles from "./page.module.css";
import { RunAnnouncer } from "./RunAnnouncer";
import { SessionEnded } from "./SessionEnded";
import { useTitle } from "./useTitle";

/** A session: its conversation as it goes on, and the place for the next task. */
export function SessionPage({ sessionId }: { sessionId: string }) {
  const { mesh, agent, sessions } = useMesh();
  const [store, view] = useSessionStore(mesh, sessionId);
  const [tools] = useState<SessionTools>(() => ({
    sessionId,
    mesh,
    clock: store.clock,
    contents: new ArtifactContents(mesh, sessionId),
  }));
  useEffect(() => () => tools.contents.release(), [tools]);

  const { state, session, connection, caughtUp } = view;
  const active = activeRun(state);
  const refreshList = useCallback(() => void sessions.refresh(), [sessions]);
  const { submit, sending, problem } = useSubmission(mesh, sessionId, refreshList);
  const { cancel, asked, problem: cancelProblem } = useCancel(mesh, sessionId);
  const title = session?.title || state.runs[0]?.task || "Session";
  useTitle(title, active !== undefined);
  // What begins or ends here shows in the list of sessions, too.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the active run is what it depends on.
  useEffect(refreshList, [active?.runId, refreshList]);

  if (connection.phase === "ended") {
    return <SessionEnded problem={connection.problem} onRetry={() => store.hurry()} />;
  }
  return (
    <SessionContext value={tools}>
      <PageHeader title={title}>
        <ConnectionSign connection={connection} onRetry={() => store.hurry()} />
      </PageHeader>
      <Conversation state={state} onAgain={submit} onRemove={cancel}>
        {agent?.offline && <OfflineBanner />}
        {!caughtUp && state.runs.length === 0 && <p className={styles.hint}>Loading the session</p>}
        {caughtUp && state.runs.length === 0 && (
          <Examples tasks={agent?.exampleTasks ?? []} disabled={sending} onChoose={submit} />
        )}
      </Conversation>
      <RunAnnouncer run={tasksOf(state.runs).at(-1)} />
      <Composer
        submit={submit}
        sending={sending}
        problem={problem ?? cancelProblem}
        working={active !== undefined}
        onStop={active && (() => cancel(active.runId))}
        stopping={active !== undefined && asked === active.runId}
      >
        <ModelLabel agent={agent} />
      </Composer>
    </SessionContext>
  );
}
