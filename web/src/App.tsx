import { useMemo, useState, useSyncExternalStore } from "react";
import styles from "./App.module.css";
import { useAgent } from "./agent/useAgent";
import type { MeshClient } from "./mesh/client";
import { MeshContext } from "./mesh/MeshContext";
import { NewSessionPage } from "./pages/NewSessionPage";
import { SessionPage } from "./pages/SessionPage";
import { DrawerContext } from "./pages/useDrawer";
import { routeOf, usePath } from "./routing";
import { SessionList } from "./sessions/list";
import { Sidebar } from "./sessions/Sidebar";
import type { Credentials } from "./signin/credentials";
import { SignInDialog } from "./signin/SignInDialog";
import { useSignIn } from "./signin/useSignIn";
import { Dialog } from "./ui/Dialog";

interface AppProps {
  readonly mesh: MeshClient;
  /** What the client shows; it is asked for where the mesh wants it. */
  readonly credentials: Credentials;
}

/** The page, for whoever is signed in. */
export function App({ mesh, credentials }: AppProps) {
  const { epoch } = useSignIn(credentials);
  return (
    <>
      <Pages key={epoch} mesh={mesh} credentials={credentials} />
      <SignInDialog credentials={credentials} />
    </>
  );
}

/** The list of sessions, and the session that the address names. */
function Pages({ mesh, credentials }: AppProps) {
  const agent = useAgent(mesh);
  const [sessions] = useState(() => new SessionList(mesh));
  const tools = useMemo(() => ({ mesh, agent, sessions, credentials }), [mesh, agent, sessions, credentials]);
  const [drawerOpen, setDrawerOpen] = useState(false);
  const wide = useWide();
  const drawer = useMemo(() => (wide ? undefined : { open: () => setDrawerOpen(true) }), [wide]);
  const route = routeOf(usePath());
  const current = route.page === "session" ? route.sessionId : undefined;
  const closeDrawer = () => setDrawerOpen(false);
  return (
    <MeshContext value={tools}>
      <DrawerContext value={drawer}>
        <div className={styles.app}>
          <a className={styles.skip} href="#task">
            Skip to the task
          </a>
          {wide && (
            <aside className={styles.side} aria-label="All sessions">
              <Sidebar current={current} onChosen={closeDrawer} />
            </aside>
          )}
          {!wide && drawerOpen && (
            <Dialog label="All sessions" className={styles.drawer} onClose={closeDrawer}>
              <Sidebar current={current} onChosen={closeDrawer} />
            </Dialog>
          )}
          <main className={styles.main}>
            {route.page === "session" ? (
              <SessionPage key={route.sessionId} sessionId={route.sessionId} />
            ) : (
              <NewSessionPage />
            )}
          </main>
        </div>
      </DrawerContext>
    </MeshContext>
  );
}

const WIDE = "(min-width: 52rem)";

/** Whether there is room for the list beside the page. */
function useWide(): boolean {
  return useSyncExternalStore(
    (listener) => {
      const query = matchMedia(WIDE);
      query.addEventListener("change", listener);
      return () => query.removeEventListener("change", listener);
    },
    () => matchMedia(WIDE).matches,
  );
}
