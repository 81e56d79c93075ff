import { useState } from "react";
import type { Session } from "../gen/meshwright/v1/session_pb";
import { useMesh } from "../mesh/MeshContext";
import { ProblemNote } from "../problems/ProblemNote";
import { NEW_SESSION, navigate } from "../routing";
import { useSignIn } from "../signin/useSignIn";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Link } from "../ui/Link";
import { Mark } from "../ui/Mark";
import { useNow } from "../ui/useNow";
import { DeleteDialog } from "./DeleteDialog";
import { SessionItem } from "./SessionItem";
import styles from "./Sidebar.module.css";
import { useSessions } from "./useSessions";

interface SidebarProps {
  /** The session on the page, if there is one. */
  readonly current: string | undefined;
  /** Somebody has chosen where to go. */
  readonly onChosen: () => void;
}

/** All sessions, and the way to a new one. */
export function Sidebar({ current, onChosen }: SidebarProps) {
  const { sessions: list, credentials } = useMesh();
  const { signedIn } = useSignIn(credentials);
  const { sessions, hasMore, problem } = useSessions();
  const [deleting, setDeleting] = useState<Session>();
  const now = useNow(30_000);
  return (
    <div className={styles.sidebar}>
      <Link href={NEW_SESSION} className={styles.brand} onClick={onChosen}>
        <Mark />
        Meshwright
      </Link>
      <Link href={NEW_SESSION} className={styles.new} onClick={onChosen}>
        <Icon name="plus" />
        New session
      </Link>
      <nav aria-label="Sessions" className={styles.nav}>
        {problem && !sessions && <ProblemNote problem={problem} />}
        {sessions?.length === 0 && <p className={styles.empty}>Your sessions will be listed here.</p>}
        <ul className={styles.list}>
          {sessions?.map((session) => (
            <SessionItem
              key={session.sessionId}
              session={session}
              current={session.sessionId === current}
              now={now}
              onChosen={onChosen}
              onDelete={() => setDeleting(session)}
            />
          ))}
        </ul>
        {hasMore && (
          <Button className={styles.more} onClick={() => list.showMore()}>
            Show older
          </Button>
        )}
      </nav>
      {signedIn && (
        <Button
          className={styles.leave}
          onClick={() => {
            navigate(NEW_SESSION);
            credentials.signOut();
          }}
        >
          Sign out
        </Button>
      )}
      {deleting && (
        <DeleteDialog
          session={deleting}
          onClose={() => setDeleting(undefined)}
          onDeleted={() => {
            setDeleting(undefined);
            if (deleting.sessionId === current) {
              navigate(NEW_SESSION);
            }
          }}
        />
      )}
    </div>
  );
}
