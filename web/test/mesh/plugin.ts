import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Connect, Plugin } from "vite";
import { ScriptedMesh } from "./mesh";

/**
 * Lets Vite's servers answer for the mesh, so that the page can be worked on and looked at without one. SCRIPTED_PACE scales the
 * waits of the scripts; MESHWRIGHT_MODEL names another model than the offline planner.
 */
export function scriptedMeshPlugin(): Plugin {
  const mesh = new ScriptedMesh();
  mesh.pace = Number(process.env.SCRIPTED_PACE ?? mesh.pace);
  mesh.model = process.env.MESHWRIGHT_MODEL ?? mesh.model;
  const serve = (middlewares: Connect.Server) => {
    const handle = connectNodeAdapter({ routes: mesh.routes });
    middlewares.use((request, response, next) =>
      request.url?.startsWith("/meshwright.v1.") ? handle(request, response) : next(),
    );
  };
  return {
    name: "scripted-mesh",
    configureServer: ({ middlewares }) => serve(middlewares),
    configurePreviewServer: ({ middlewares }) => serve(middlewares),
  };
}
