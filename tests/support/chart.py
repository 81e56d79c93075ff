"""The chart, rendered by Helm's own library, as objects."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

FOLDER = Path(__file__).parents[2] / "helm" / "meshwright"
VALUES_FILES = ("default", "minimal", "production", "canary")
RELEASE = "mesh"
NAMESPACE = "agents"

Object = dict[str, Any]

AUTH: Object = {
    "enabled": True,
    "jwksUrl": "https://login.example.com/keys",
    "issuer": "https://login.example.com/",
    "audience": "meshwright",
    "meshKeySecret": {"name": "mesh-key"},
}
"""Values of `auth`: with login."""
SHARED: Object = {"volume": {"accessMode": "ReadWriteMany"}}
"""Values of `files`: a volume that pods on several nodes mount."""
CANARY: Object = {"enabled": True, "weight": 10, "image": {"tag": "0.2.0"}}
"""Values of `canary`: a second version beside the first; needs SHARED."""

DELETION_COST: Object = {"metrics": {"enabled": True}, "browser": {"replicas": 3, "deletionCost": {"enabled": True}}}
"""Values: browser pods that are told apart by their leases."""


@dataclass(frozen=True)
class Manifest:
    """What one rendering of the chart made."""

    objects: tuple[Object, ...]
    notes: str

    def of(self, kind: str) -> dict[str, Object]:
        """The objects of a kind by name."""
        return {it["metadata"]["name"]: it for it in self.objects if it["kind"] == kind}

    def one(self, kind: str, name: str) -> Object:
        """An object by kind and name, without the release's name: `one("Deployment", "agent")`."""
        return self.of(kind)[f"{RELEASE}-{name}"]

    @property
    def pods(self) -> dict[str, Object]:
        """The pods that the objects make: by name, `metadata` and `spec` each."""
        made = {
            it["metadata"]["name"]: it["spec"]["template"] for it in self.objects if "template" in it.get("spec", {})
        }
        return made | self.of("Pod")

    def environment(self, name: str) -> dict[str, Any]:
        """The variables of a pod's container: text, or where it comes from."""
        (container,) = self.pods[f"{RELEASE}-{name}"]["spec"]["containers"]
        return {it["name"]: it.get("value", it.get("valueFrom")) for it in container["env"]}

    def volumes(self, name: str) -> dict[str, Object]:
        """The volumes of a pod by name."""
        return {it["name"]: it for it in self.pods[f"{RELEASE}-{name}"]["spec"]["volumes"]}


@functools.cache
def chart() -> Chart:
    """The chart, loaded once."""
    return Chart.load(FOLDER)


def values_of(name: str) -> Object:
    """The values of a file in values/; `default` has none."""
    if name == "default":
        return {}
    values: Object = yaml.safe_load((FOLDER / "values" / f"{name}.yaml").read_text())
    return values


@functools.cache
def rendered(name: str) -> Manifest:
    """The chart with a file of values/, rendered once."""
    return render(values_of(name))


def render(values: Object) -> Manifest:
    """The chart with these values."""
    texts = chart().render(values, name=RELEASE, namespace=NAMESPACE)
    notes = next(text for path, text in texts.items() if path.endswith("NOTES.txt"))
    documents = (yaml.safe_load_all(text) for path, text in texts.items() if path.endswith(".yaml"))
    return Manifest(tuple(it for each in documents for it in each if it), notes)


def nested(**paths: Any) -> Object:
    """Values by path: `nested(agent__autoscaling__enabled=True)`."""
    values: Object = {}
    for path, value in paths.items():
        *parents, last = path.split("__")
        folder = values
        for parent in parents:
            folder = folder.setdefault(parent, {})
        folder[last] = value
    return values
