import { useEffect, useState, useSyncExternalStore } from "react";
import type { MeshClient } from "../mesh/client";
import { SessionStore, type SessionView } from "./store";

/**
 * Follows a session while the component is there. A page that nobody sees and in which nothing is at work lets go of its stream:
 * browsers allow only a few connections to one server.
 */
export function useSessionStore(mesh: MeshClient, sessionId: string): [SessionStore, SessionView] {
  const [store] = useState(() => new SessionStore(mesh, sessionId));
  useEffect(() => {
    const attend = () => {
      if (document.hidden && store.isIdle()) {
        store.unfollow();
      } else {
        store.follow();
      }
    };
    const hurry = () => {
      if (!document.hidden && store.getView().connection.phase === "reconnecting") {
        store.hurry();
      }
    };
    attend();
    const unsubscribe = store.subscribe(attend);
    document.addEventListener("visibilitychange", attend);
    document.addEventListener("visibilitychange", hurry);
    addEventListener("online", hurry);
    return () => {
      unsubscribe();
      document.removeEventListener("visibilitychange", attend);
      document.removeEventListener("visibilitychange", hurry);
      removeEventListener("online", hurry);
      store.unfollow();
    };
  }, [store]);
  return [store, useSyncExternalStore(store.subscribe, store.getView)];
}
