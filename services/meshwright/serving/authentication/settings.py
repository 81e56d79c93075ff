"""Settings of authentication, shared by all that check tokens."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, ValidationInfo, field_validator

URL_SCHEMES = ("https://", "http://")


class CallerAuthentication(BaseModel):
    """Which tokens callers show. All three are set or none is: without them every caller is the principal `local`.

    A mixin of settings: the gateway and every service have these.
    """

    auth_jwks: str = Field(
        default="",
        description="Turns authentication on: where the public keys are with which callers' tokens are checked, a JWKS as the "
        "path of a file or as an https:// (or, inside a cluster, http://) address. Empty: no authentication, loopback only.",
    )
    auth_issuer: str = Field(
        default="",
        max_length=1024,
        description="Who issues the callers' tokens: the exact value of their claim `iss`. Needed with "
        "MESHWRIGHT_AUTH_JWKS.",
    )
    auth_audience: str = Field(
        default="",
        max_length=1024,
        description="For whom the callers' tokens are made: a value of their claim `aud`. Needed with "
        "MESHWRIGHT_AUTH_JWKS.",
    )

    @property
    def authenticates(self) -> bool:
        """Whether callers have to show a token."""
        return bool(self.auth_jwks)

    @property
    def jwks_is_url(self) -> bool:
        """Whether the keys are fetched; otherwise they are in a file."""
        return self.auth_jwks.startswith(URL_SCHEMES)

    @field_validator("auth_jwks")
    @classmethod
    def _jwks_is_a_path_or_a_url(cls, jwks: str) -> str:
        if "://" in jwks and not jwks.startswith(URL_SCHEMES):
            raise ValueError(f"{jwks!r} is neither the path of a file nor an https:// or http:// address")
        return jwks

    @field_validator("auth_issuer", "auth_audience")
    @classmethod
    def _set_together(cls, value: str, info: ValidationInfo) -> str:
        jwks = info.data.get("auth_jwks")
        if jwks and not value:
            raise ValueError("is needed with MESHWRIGHT_AUTH_JWKS, or tokens that were made for others would do")
        if jwks == "" and value:
            raise ValueError("has no effect without MESHWRIGHT_AUTH_JWKS: set both, or neither")
        return value


class ServiceAuthentication(CallerAuthentication):
    """What a service needs beside: the key with which the mesh's services vouch for a principal among themselves."""

    mesh_key_file: Path | None = Field(
        default=None,
        description="File with the secret, at least 32 bytes, with which the mesh's services sign the short-lived tokens that they "
        "show each other. The same for all of them. Needed with MESHWRIGHT_AUTH_JWKS; `meshwright up` makes one by itself.",
    )

    @field_validator("mesh_key_file")
    @classmethod
    def _key_with_authentication(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        jwks = info.data.get("auth_jwks")
        if jwks and file is None:
            raise ValueError(
                "is needed with MESHWRIGHT_AUTH_JWKS. Make one with: (umask 077; head -c 32 /dev/urandom | base64 > mesh.key)"
            )
        if jwks == "" and file is not None:
            raise ValueError("has no effect without MESHWRIGHT_AUTH_JWKS: set both, or neither")
        return file
