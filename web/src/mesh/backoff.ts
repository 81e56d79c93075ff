/** How waits between attempts grow. */
export interface BackoffTimes {
  /** Upper bound of the first wait, in milliseconds. */
  readonly firstMs: number;
  /** Upper bound of every wait, in milliseconds. */
  readonly mostMs: number;
}

/** For streams that a person watches: quick at first, and calm while the mesh stays away. */
export const STREAM_BACKOFF: BackoffTimes = { firstMs: 400, mostMs: 15_000 };

/** For single calls, while a person waits for the answer. */
export const CALL_BACKOFF: BackoffTimes = { firstMs: 250, mostMs: 2_000 };

/**
 * The wait before attempt number `failures + 1`, in milliseconds: half of it fixed, half of it random, so that pages that lost
 * the same server do not return together.
 */
export function backoffMs(failures: number, times: BackoffTimes, random: () => number = Math.random): number {
  const bound = Math.min(times.mostMs, times.firstMs * 2 ** Math.max(0, failures - 1));
  return bound / 2 + (bound / 2) * random();
}

/** Waits `ms` milliseconds; ends early, without an error, when `signal` is aborted or `wake` fires "wake". */
export function pause(ms: number, signal: AbortSignal, wake?: EventTarget): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      wake?.removeEventListener("wake", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    wake?.addEventListener("wake", end);
  });
}
