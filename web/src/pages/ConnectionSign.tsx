import type { Connection } from "../session/follow";
import { Button } from "../ui/Button";
import { Spinner } from "../ui/Spinner";
import styles from "./ConnectionSign.module.css";

/** Tells that the page has lost the mesh and is on its way back to it; nothing while all is well. */
export function ConnectionSign({ connection, onRetry }: { connection: Connection; onRetry: () => void }) {
  const lost = connection.phase === "reconnecting";
  return (
    <div className={styles.place} role="status">
      {lost && (
        <>
          <span className={styles.sign} title={connection.problem.message}>
            <Spinner />
            Reconnecting
          </span>
          <Button onClick={onRetry}>Try now</Button>
        </>
      )}
    </div>
  );
}
