import { createContext, useContext } from "react";

/** The drawer that holds the list of sessions where there is no room for it beside the page. */
export interface Drawer {
  readonly open: () => void;
}

export const DrawerContext = createContext<Drawer | undefined>(undefined);

/** The drawer; undefined where the list stands beside the page. */
export function useDrawer(): Drawer | undefined {
  return useContext(DrawerContext);
}
