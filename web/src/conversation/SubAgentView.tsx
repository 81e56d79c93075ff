import type { Run } from "../session/state";
import { Button } from "../ui/Button";
import styles from "./SubAgentView.module.css";
import { Thread } from "./Thread";

/** What a sub-agent did for the run that has it, inside of the call by which it was given its task. */
export function SubAgentView({ run, onStop }: { run: Run; onStop: (runId: string) => void }) {
  return (
    <section className={styles.subAgent} aria-label={`Sub-agent: ${run.task}`}>
      <Thread run={run} />
      {run.phase === "active" && (
        <div className={styles.stop}>
          <Button onClick={() => onStop(run.runId)}>Stop this sub-agent</Button>
        </div>
      )}
    </section>
  );
}
