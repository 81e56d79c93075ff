import { useEffect } from "react";

/** The longest part of a title that is worth showing in a tab, in characters. */
const LONGEST = 60;

/** Names the page in the browser's tab; a dot before the name tells that the agent is at work. */
export function useTitle(title: string, working: boolean): void {
  useEffect(() => {
    const short = title.length > LONGEST ? `${title.slice(0, LONGEST - 1)}…` : title;
    document.title = `${working ? "● " : ""}${short} · Meshwright`;
  }, [title, working]);
}
