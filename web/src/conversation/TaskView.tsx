import clsx from "clsx";
import type { Run } from "../session/state";
import { Button } from "../ui/Button";
import styles from "./TaskView.module.css";

/** The task of a run, in the words of whoever gave it. */
export function TaskView({ run, onRemove }: { run: Run; onRemove: (runId: string) => void }) {
  const queued = run.phase === "queued";
  return (
    <header className={clsx(styles.task, queued && styles.queued)}>
      <h2 className={styles.text}>
        <span className="visually-hidden">Task: </span>
        {run.task || "A task that is no longer kept"}
      </h2>
      {queued && (
        <p className={styles.waiting}>
          Waits for its turn
          <Button onClick={() => onRemove(run.runId)} aria-label={`Remove the waiting task: ${run.task}`}>
            Remove
          </Button>
        </p>
      )}
    </header>
  );
}
