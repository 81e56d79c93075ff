import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin, runnerImport } from "vite";

/** Where `vite` finds a running mesh. */
const MESH = `http://localhost:${process.env.MESHWRIGHT_PORT ?? "8080"}`;

/** With `--mode scripted` Vite's own server plays the mesh, with scripted runs. */
async function scriptedMesh(mode: string): Promise<Plugin | false> {
  if (mode !== "scripted") {
    return false;
  }
  const { module } = await runnerImport<typeof import("./test/mesh/plugin")>("./test/mesh/plugin.ts");
  return module.scriptedMeshPlugin();
}

export default defineConfig(({ mode }) => ({
  plugins: [react(), scriptedMesh(mode)],
  build: {
    outDir: "../services/meshwright/site/page",
    emptyOutDir: true,
    target: ["chrome111", "edge111", "firefox115", "safari16.4"],
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: mode === "scripted" ? {} : { "/meshwright.v1.AgentService": MESH, "/demo": MESH },
  },
}));
