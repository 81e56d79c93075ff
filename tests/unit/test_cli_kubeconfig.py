"""Where `meshwright traffic --kubernetes` finds its cluster: as kubectl does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from meshwright.cli.traffic.kubeconfig import KubeconfigError, find_cluster

if TYPE_CHECKING:
    from pathlib import Path


def entry(kind: str, name: str, **content: Any) -> dict[str, Any]:
    return {f"{kind}s": [{"name": name, kind: content}]}


def write(file: Path, *entries: dict[str, Any], current: str = "") -> Path:
    content: dict[str, Any] = {"current-context": current} if current else {}
    for it in entries:
        content.update(it)
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


def test_the_file_of_the_home_folder_is_used_and_its_paths_are_relative_to_it(home: Path) -> None:
    write(
        home / ".kube" / "config",
        entry("cluster", "c", server="https://one:6443", **{"certificate-authority": "ca.crt"}),
        entry("user", "u", **{"client-certificate": "/etc/u.crt", "client-key": "keys/u.key"}),
        entry("context", "x", cluster="c", user="u", namespace="agents"),
        current="x",
    )
    found = find_cluster(None)
    assert (found.cluster.server, found.namespace) == ("https://one:6443", "agents")
    assert found.cluster.certificate_auth == str(home / ".kube" / "ca.crt")
    assert found.user is not None
    assert (found.user.client_cert, found.user.client_key) == ("/etc/u.crt", str(home / ".kube" / "keys" / "u.key"))


def test_of_several_files_the_first_that_says_something_holds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(
        home / "first", entry("context", "x", cluster="c"), entry("cluster", "c", server="https://one"), current="y"
    )
    second = write(
        home / "second",
        entry("cluster", "c", server="https://two"),
        entry("context", "y", cluster="c", user="u"),
        entry("user", "u", token="secret"),
        current="x",
    )
    missing = home / "missing"
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (missing, first, second))))
    found = find_cluster(None)
    assert (found.context_name, found.cluster.server) == ("y", "https://one")
    assert found.user is not None
    assert found.user.token == "secret"
    other = find_cluster("x")
    # One for a cluster that asks for no identity.
    assert (other.context_name, other.user is not None and other.user.token) == ("x", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no kubeconfig"),
        ("clusters: [{name: c}]", "is no kubeconfig: an entry has no 'cluster'"),
        ("contexts: [{name: x, context: {cluster: [1]}}]", "is no kubeconfig"),
        ("contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x", "no entry of the name 'c'"),
        ("contexts: [{name: x, context: {cluster: c}}]", "The contexts of the kubeconfig: x."),
        ("{}", "The contexts of the kubeconfig: none."),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config").write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(home / "config"))
    with pytest.raises(KubeconfigError) as raised:
        find_cluster(None)
    assert said in str(raised.value)


def test_without_any_it_says_where_one_is_looked_for(home: Path) -> None:
    with pytest.raises(KubeconfigError, match=r"neither \$KUBECONFIG nor ~/.kube/config"):
        find_cluster(None)
