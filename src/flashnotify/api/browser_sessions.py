"""Sessions as browsers prove them: by a cookie, which only our own pages may use for changes."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from flashnotify.api.headers import header
from flashnotify.errors import NotPermitted
from flashnotify.identity.sessions import Sessions, SignedIn

SESSION = "flashnotify-session"
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Cookies:
    """Our cookies. Behind https no other host, and nothing in between, can set or read them."""

    public_url: str

    @property
    def secure(self) -> bool:
        """Whether browsers reach us by https."""
        return self.public_url.startswith("https:")

    def get(self, request: Request, name: str) -> str | None:
        """Return the value of a cookie, if there is any."""
        return request.cookies.get(self._full(name)) or None

    def set(self, response: Response, name: str, value: str) -> None:
        """Set a cookie until the browser is closed; how long it is good for is not its to say."""
        response.set_cookie(
            self._full(name), value, path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def delete(self, response: Response, name: str) -> None:
        """Delete a cookie."""
        response.delete_cookie(
            self._full(name), path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def _full(self, name: str) -> str:
        # The prefix binds it to this host (RFC 6265bis, section 4.1.3.2).
        return f"__Host-{name}" if self.secure else name


@dataclass(frozen=True, slots=True)
class BrowserSessions:
    """Authenticates requests by the cookie of a session."""

    sessions: Sessions
    cookies: Cookies

    async def find(self, request: Request) -> SignedIn | None:
        """Return who is signed in; None for a request without a cookie.

        Raise `NotAuthenticated` if the session has ended.
        """
        cookie = self.cookies.get(request, SESSION)
        return None if cookie is None else await self.sessions.authenticate(cookie)

    async def authenticate(self, request: Request) -> SignedIn | None:
        """Return who is signed in, for a request to the API. Raise as `find`, and `NotPermitted`.

        That is when another site's page made the browser send a request that changes something.
        """
        signed_in = await self.find(request)
        if signed_in is not None:
            self.require_same_origin(request)
            request.scope["state"]["signed_in"] = signed_in
        return signed_in

    def require_same_origin(self, request: Request) -> None:
        """Raise `NotPermitted` if an unsafe request does not come from a page of our own.

        Browsers say in `Sec-Fetch-Site` where a request comes from, those before 2023 only in
        `Origin`. `none` is not enough: nobody types the address of a POST.
        """
        site = header(request.scope, b"sec-fetch-site")
        is_own = site == "same-origin" if site else self._is_own_origin(request.scope)
        if request.method not in _SAFE and not is_own:
            raise NotPermitted(
                "With the cookie of a session, only pages of this service may change something. "
                "Scripts use an API key.",
                code="cross_site",
            )

    def _is_own_origin(self, scope: Scope) -> bool:
        origin, public = header(scope, b"origin") or "", urlsplit(self.cookies.public_url)
        if origin == f"{public.scheme}://{public.netloc}":
            return True
        # Without https, we may be called by any of our names.
        host = header(scope, b"host")
        return not self.cookies.secure and host is not None and origin == f"http://{host}"
