"""The SDK without `await`, for scripts and notebooks. Events, values and errors are those of `meshwright.client`.

    from meshwright.client.sync import Mesh

    with Mesh("localhost:8080") as mesh:
        print(mesh.ask("Compare the prices of the lamp and the desk in the demo shop"))

It works where an event loop runs already, such as in a notebook. A program should use one of the two, since gRPC wants
one event loop for a process.
"""

from meshwright.client.sync.mesh import Mesh
from meshwright.client.sync.session import Run, Session
from meshwright.client.sync.streams import RunStream, WatchStream

__all__ = ["Mesh", "Run", "RunStream", "Session", "WatchStream"]
