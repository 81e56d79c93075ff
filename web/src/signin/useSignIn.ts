import { useSyncExternalStore } from "react";
import type { Credentials, SignInView } from "./credentials";

/** Who is signed in, as it changes. */
export function useSignIn(credentials: Credentials): SignInView {
  return useSyncExternalStore(credentials.subscribe, credentials.getView);
}
