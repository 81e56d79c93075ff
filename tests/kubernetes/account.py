"""The API as the account of a pod meets it, with a token of its own."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster

SECONDS = 10.0


class Answer(NamedTuple):
    """What the API server said."""

    status: int
    message: str
    """Of a refusal."""


class Account:
    """A ServiceAccount of the default namespace."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._url = f"{cluster.control_plane.url}/api/v1/namespaces/default"
        self._token = cluster.kubectl("create", "token", name).strip()

    def may(self, verb: str, what: str, part: str = "") -> bool:
        """Whether its roles let it; see Cluster.may."""
        return self._cluster.may(f"system:serviceaccount:default:{self._name}", verb, what, part) == "yes"

    def would_patch(self, pod: str, change: dict[str, Any]) -> Answer:
        """What a strategic merge patch would be answered. It is not carried out."""
        request = urllib.request.Request(
            f"{self._url}/pods/{pod}?dryRun=All",
            json.dumps(change).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/strategic-merge-patch+json"},
            method="PATCH",
        )
        unverified = ssl._create_unverified_context()  # noqa: S323  # the server has just signed its certificate itself
        try:
            with urllib.request.urlopen(request, timeout=SECONDS, context=unverified) as answer:
                return Answer(answer.status, "")
        except urllib.error.HTTPError as refusal:
            return Answer(refusal.code, json.loads(refusal.read())["message"])
