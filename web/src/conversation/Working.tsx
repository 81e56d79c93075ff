import { useSession } from "../session/SessionContext";
import type { Run } from "../session/state";
import { Spinner } from "../ui/Spinner";
import { elapsedText } from "../ui/times";
import { useNow } from "../ui/useNow";
import styles from "./Working.module.css";

/** Says that the agent is at work while there is nothing else to see of it. */
export function Working({ run }: { run: Run }) {
  const { clock } = useSession();
  const elapsed = clock.at(useNow(100)) - (run.startedAt ?? run.queuedAt ?? 0);
  return (
    <p className={styles.working}>
      <Spinner />
      Working
      <span className={styles.time}>{elapsedText(elapsed)}</span>
    </p>
  );
}
