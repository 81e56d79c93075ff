import { useSyncExternalStore } from "react";

/** What the address asks for. */
export type Route = { readonly page: "new" } | { readonly page: "session"; readonly sessionId: string };

/** The address of a new session. */
export const NEW_SESSION = "/";

/** The address of a session. */
export function sessionPath(sessionId: string): string {
  return `/sessions/${sessionId}`;
}

/** What a path asks for; an unknown one asks for a new session. */
export function routeOf(path: string): Route {
  const sessionId = /^\/sessions\/([A-Za-z0-9_-]{1,64})\/?$/.exec(path)?.[1];
  return sessionId ? { page: "session", sessionId } : { page: "new" };
}

/** Goes to another address of the page without loading it again; `writing`: from writing one task, to write the next. */
export function navigate(path: string, writing = false): void {
  if (path !== location.pathname) {
    history.pushState({ writing }, "", path);
    dispatchEvent(new PopStateEvent("popstate"));
  }
}

/** Whether the page was come to from writing a task, so that the next one is written without looking for its place. */
export function cameWriting(): boolean {
  return history.state?.writing === true;
}

/** The path of the address, as it changes. */
export function usePath(): string {
  return useSyncExternalStore(
    (listener) => {
      addEventListener("popstate", listener);
      return () => removeEventListener("popstate", listener);
    },
    () => location.pathname,
  );
}
