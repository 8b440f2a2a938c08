"""Transport URLs and the URLs made from them."""

from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from flashnotify.errors import SettingsError


class TransportURL:
    """A transport's URL from the settings. Its string forms never show the credentials."""

    def __init__(self, url: SecretStr) -> None:
        try:
            parts = urlsplit(url.get_secret_value())
            self.port = parts.port
            if "@" in parts.path + parts.query + parts.fragment:
                raise ValueError("the password ends early; its beginning is taken for a host")
            options = parse_qs(parts.query, True, strict_parsing=bool(parts.query))
        except ValueError:
            # The reason may quote the password: urlsplit takes what follows ':' for a port.
            raise SettingsError("is not a URL; percent-encode special characters") from None
        self.options = {name: values[-1] for name, values in options.items()}
        self._repeated = sorted(name for name, values in options.items() if len(values) > 1)
        self.scheme = parts.scheme
        self.host = parts.hostname or ""
        self.path = parts.path
        self.query = parts.query
        self.username = unquote(parts.username) if parts.username else None
        self.password = unquote(parts.password) if parts.password else None

    def __str__(self) -> str:
        return base_url(self.scheme, self.host, self.port)

    __repr__ = __str__

    def endpoint(
        self, scheme: str, *, default_port: int | None = None, path: str | None = None
    ) -> str:
        """Return this URL for http(s), without credentials; `path` replaces path and query."""
        if path is None:
            path = self.path + (f"?{self.query}" if self.query else "")
        return base_url(scheme, self.host, self.port or default_port) + path

    def require(self, *parts: str) -> None:
        """Raise a SettingsError for the first of `parts` ("host", "password"…) that is missing."""
        for part in parts:
            if not getattr(self, part):
                raise SettingsError(f"has no {part}")

    def allow_options(self, *known: str) -> None:
        """Raise a SettingsError for an option in the query that is not `known`, or there twice."""
        if unknown := sorted(set(self.options) - set(known)):
            raise SettingsError(
                f"has the unknown option {unknown[0]!r}; expected one of {', '.join(known)}"
            )
        if self._repeated:
            raise SettingsError(f"has the option {self._repeated[0]!r} twice")


def base_url(scheme: str, host: str, port: int | None = None) -> str:
    """Return `scheme://host:port`, with an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
