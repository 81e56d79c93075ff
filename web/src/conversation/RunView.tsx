import { memo } from "react";
import type { Run } from "../session/state";
import styles from "./RunView.module.css";
import { TaskView } from "./TaskView";
import { Thread } from "./Thread";

interface RunViewProps {
  readonly run: Run;
  readonly onAgain: (task: string) => void;
  readonly onRemove: (runId: string) => void;
}

/** A task, everything that the agent did for it, and how it ended. */
export const RunView = memo(function RunView({ run, onAgain, onRemove }: RunViewProps) {
  return (
    <article className={styles.run} aria-label={`Task: ${run.task}`}>
      <TaskView run={run} onRemove={onRemove} />
      {run.phase !== "queued" && <Thread run={run} onAgain={onAgain} />}
    </article>
  );
});
