/** Waits until `condition` holds, looking often; fails after `ms` milliseconds with what `describe` says. */
export async function until(condition: () => boolean, describe: () => unknown = () => "", ms = 60_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > deadline) {
      throw new Error(`did not happen within ${ms} ms: ${condition}; ${JSON.stringify(describe())}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
