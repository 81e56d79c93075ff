import { ProblemNote } from "../problems/ProblemNote";
import type { Problem } from "../problems/problem";
import { NEW_SESSION, navigate } from "../routing";
import { Button } from "../ui/Button";
import { PageHeader } from "./PageHeader";
import styles from "./page.module.css";

/** A session that cannot be shown, and the ways on. */
export function SessionEnded({ problem, onRetry }: { problem: Problem; onRetry: () => void }) {
  return (
    <>
      <PageHeader title="Session" />
      <div className={styles.ended}>
        <ProblemNote problem={problem} role="alert" />
        <div className={styles.endedButtons}>
          <Button look="main" onClick={() => navigate(NEW_SESSION)}>
            New session
          </Button>
          <Button onClick={onRetry}>Try again</Button>
        </div>
      </div>
    </>
  );
}
