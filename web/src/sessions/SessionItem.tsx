import { timestampMs } from "@bufbuild/protobuf/wkt";
import clsx from "clsx";
import { memo } from "react";
import type { Session } from "../gen/meshwright/v1/session_pb";
import { sessionPath } from "../routing";
import { Icon } from "../ui/Icon";
import { Link } from "../ui/Link";
import { agoText } from "../ui/times";
import styles from "./SessionItem.module.css";

interface SessionItemProps {
  readonly session: Session;
  readonly current: boolean;
  readonly now: number;
  readonly onChosen: () => void;
  readonly onDelete: () => void;
}

/** One session in the list: what it is about, when it was last used, whether the agent is at work in it. */
export const SessionItem = memo(function SessionItem(props: SessionItemProps) {
  const { session, current, now, onChosen, onDelete } = props;
  const title = sessionTitle(session);
  const working = session.activeRunId !== "";
  const used = session.updateTime ?? session.createTime;
  return (
    <li className={clsx(styles.item, current && styles.current)}>
      <Link
        href={sessionPath(session.sessionId)}
        className={styles.link}
        aria-current={current ? "page" : undefined}
        onClick={onChosen}
      >
        <span className={styles.title}>{title}</span>
        <span className={styles.meta}>
          {working && <span className={styles.working}>Working</span>}
          {!working && used && agoText(timestampMs(used), now)}
          {session.queuedRuns > 0 && ` · ${session.queuedRuns} waiting`}
        </span>
      </Link>
      <button type="button" className={styles.delete} aria-label={`Delete session: ${title}`} onClick={onDelete}>
        <Icon name="trash" size={15} />
      </button>
    </li>
  );
});

/** What a session is called where people see it. */
export function sessionTitle(session: Session | undefined): string {
  return session?.title || "Untitled session";
}
