import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { ScriptedMesh } from "./mesh";

/** A scripted mesh on a real socket. */
export class MeshServer {
  /** The session that each call named, with its method; empty where it named none. */
  readonly named: [method: string, session: string][] = [];
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private port = 0;

  constructor(mesh: ScriptedMesh) {
    this.server = createServer(connectNodeAdapter({ routes: mesh.routes }));
    this.server.on("request", (request) => {
      const session = request.headers["x-meshwright-session"] ?? "";
      this.named.push([request.url?.split("/").pop() ?? "", String(session)]);
    });
    this.server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Listens on a free port; again on the same one after `stop`. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(this.port, "127.0.0.1", resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Cuts every connection in the middle of whatever it is doing. */
  cutConnections(): void {
    for (const socket of this.sockets) {
      socket.destroy();
    }
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.cutConnections();
    await closed;
  }
}
