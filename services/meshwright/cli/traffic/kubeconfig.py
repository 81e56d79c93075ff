"""Which cluster, and as whom: the kubeconfig where kubectl finds it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import yaml
from lightkube.config.kubeconfig import SERVICE_ACCOUNT, KubeConfig, SingleConfig
from lightkube.config.models import Cluster, User
from lightkube.core.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

USUAL = "~/.kube/config"


class KubeconfigError(Exception):
    """Nobody can tell which cluster is meant. The text is for the person who asked."""


def find_cluster(context: str | None) -> SingleConfig:
    """The cluster of the context, by default the current one: of the files of KUBECONFIG, of ~/.kube/config, or that of the pod.

    Raises KubeconfigError.
    """
    files = list(_files())
    try:
        if files:
            config = _merged(map(_read, files))
        elif context is None and Path(SERVICE_ACCOUNT).exists():
            config = KubeConfig.from_service_account()
        else:
            raise KubeconfigError(
                f"There is no kubeconfig: neither $KUBECONFIG nor {USUAL} names a file that exists. It says where the cluster is."
            )
        found = config.get(context)
    except ConfigError as error:
        known = ", ".join(sorted(config.contexts)) or "none"
        raise KubeconfigError(f"{error}. The contexts of the kubeconfig: {known}.") from error
    except KeyError as error:
        raise KubeconfigError(f"The kubeconfig has no entry of the name {error}, which its context uses.") from error
    assert found is not None
    # A context without a user is one for a cluster that asks for none.
    return found._replace(user=found.user or User())


def _files() -> Iterable[Path]:
    named = os.environ.get("KUBECONFIG", "")
    for path in named.split(os.pathsep) if named else (USUAL,):
        if path and (file := Path(path).expanduser()).is_file():
            yield file.absolute()


def _read(file: Path) -> KubeConfig:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise KubeconfigError(f"{file} is no kubeconfig: it holds no mapping")
        # Of several files, one may have a part only.
        named = {name: content.get(name) or [] for name in ("clusters", "contexts", "users")}
        config = KubeConfig.from_dict({**content, **named}, fname=file)
    except KeyError as error:
        raise KubeconfigError(f"{file} is no kubeconfig: an entry has no {error}") from error
    except (OSError, ValueError, TypeError, yaml.YAMLError, msgspec.MsgspecError) as error:
        raise KubeconfigError(f"{file} is no kubeconfig: {error}") from error
    # Paths are relative to the file that they stand in.
    for cluster in config.clusters.values():
        _make_absolute(cluster, file.parent, "certificate_auth")
    for user in config.users.values():
        _make_absolute(user, file.parent, "client_cert", "client_key", "token_file")
    return config


def _make_absolute(entry: Cluster | User, folder: Path, *names: str) -> None:
    for name in names:
        if path := getattr(entry, name):
            setattr(entry, name, str(folder / path))


def _merged(configs: Iterable[KubeConfig]) -> KubeConfig:
    """Of what stands in several, the first holds."""
    first, *others = configs
    for other in others:
        first.clusters = {**other.clusters, **first.clusters}
        first.contexts = {**other.contexts, **first.contexts}
        first.users = {**other.users, **first.users}
        first.current_context = first.current_context or other.current_context
    return first
