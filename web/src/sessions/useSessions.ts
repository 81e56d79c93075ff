import { useEffect, useSyncExternalStore } from "react";
import { useMesh } from "../mesh/MeshContext";
import type { ListView } from "./list";

/** How often the list is asked for while somebody looks, in milliseconds. */
const REFRESH_MS = 10_000;

/** The list of sessions, kept fresh while the page is visible. */
export function useSessions(): ListView {
  const { sessions } = useMesh();
  useEffect(() => {
    const refresh = () => {
      if (!document.hidden) {
        void sessions.refresh();
      }
    };
    refresh();
    const timer = setInterval(refresh, REFRESH_MS);
    document.addEventListener("visibilitychange", refresh);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", refresh);
    };
  }, [sessions]);
  return useSyncExternalStore(sessions.subscribe, sessions.getView);
}
