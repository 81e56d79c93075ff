import { type RefObject, useCallback, useEffect, useRef, useState } from "react";

/** So near to the end, in pixels, counts as at the end. */
const NEAR = 64;

export interface FollowEnd {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLDivElement | null>;
  /** The end is in view and stays there as the content grows. */
  readonly atEnd: boolean;
  readonly toEnd: () => void;
}

/**
 * Keeps the end of a growing content in view, until the person scrolls away from it; from then on the content stays where it is,
 * until the person comes back to the end.
 */
export function useFollowEnd(): FollowEnd {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const [atEnd, setAtEnd] = useState(true);

  const toEnd = useCallback(() => {
    following.current = true;
    setAtEnd(true);
    scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  }, []);

  useEffect(() => {
    const frame = scroller.current;
    const inner = content.current;
    if (!frame || !inner) {
      return;
    }
    let lastTop = frame.scrollTop;
    const onScroll = () => {
      const fromEnd = frame.scrollHeight - frame.scrollTop - frame.clientHeight;
      // Growing content moves the end away without anybody's doing; only a way up is a person's wish.
      const wentUp = frame.scrollTop < lastTop - 1;
      lastTop = frame.scrollTop;
      if (fromEnd <= NEAR) {
        following.current = true;
      } else if (wentUp) {
        following.current = false;
      }
      setAtEnd(following.current);
    };
    const onGrowth = () => {
      if (following.current) {
        frame.scrollTop = frame.scrollHeight;
      }
    };
    const observer = new ResizeObserver(onGrowth);
    observer.observe(inner);
    observer.observe(frame);
    frame.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      observer.disconnect();
      frame.removeEventListener("scroll", onScroll);
    };
  }, []);

  return { scroller, content, atEnd, toEnd };
}
