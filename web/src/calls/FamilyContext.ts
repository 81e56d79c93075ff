import { createContext, type ReactNode } from "react";
import type { Run } from "../session/state";

/** The runs of the session, and how one that another delegated is shown inside of its call. */
export interface Family {
  readonly runs: readonly Run[];
  readonly show: (run: Run) => ReactNode;
}

export const FamilyContext = createContext<Family>({ runs: [], show: () => null });
