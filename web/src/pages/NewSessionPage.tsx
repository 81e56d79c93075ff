import { useCallback } from "react";
import { Examples } from "../agent/Examples";
import { ModelLabel } from "../agent/ModelLabel";
import { OfflineBanner } from "../agent/OfflineBanner";
import { Composer } from "../composer/Composer";
import { useSubmission } from "../composer/useSubmission";
import { useMesh } from "../mesh/MeshContext";
import { navigate, sessionPath } from "../routing";
import { PageHeader } from "./PageHeader";
import styles from "./page.module.css";
import { useTitle } from "./useTitle";

/** The start: a task sent from here begins a session of its own. */
export function NewSessionPage() {
  const { mesh, agent, sessions } = useMesh();
  const open = useCallback(
    (sessionId: string) => {
      navigate(sessionPath(sessionId), true);
      void sessions.refresh();
    },
    [sessions],
  );
  const { submit, sending, problem } = useSubmission(mesh, undefined, open);
  useTitle("New session", false);
  return (
    <>
      <PageHeader title="" />
      <div className={styles.start}>
        <div className={styles.startInner}>
          <h1 className={styles.question}>What should the agent do?</h1>
          <p className={styles.lead}>
            It browses, reads and searches, several things at a time, and shows every step as it happens.
          </p>
          {agent?.offline && <OfflineBanner />}
          <Examples tasks={agent?.exampleTasks ?? []} disabled={sending} onChoose={submit} />
        </div>
      </div>
      <Composer submit={submit} sending={sending} problem={problem} working={false}>
        <ModelLabel agent={agent} />
      </Composer>
    </>
  );
}
