import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

// How long the page takes says how busy the machine is, and nothing else.
configure({ asyncUtilTimeout: 60_000 });

afterEach(() => {
  if (typeof document !== "undefined") {
    cleanup();
  }
});
