"""The way of a browser to MLflow's pages: a one-time link, which leaves a cookie, and then the cookie."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from aiohttp import web

from azureml_emulator.kernel.errors import Unauthorized
from azureml_emulator.security.page_access import COOKIE, COOKIE_SECONDS, LINK_SECONDS, PageAccess

# Headers that keep the path of the pages from other sites.
PROTECTION: Final = {"Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff"}
_OPEN = "/open/"
_NO_ACCESS = (
    "This page of MLflow needs a link: `azureml-emulator status` and `mlops up` print one. It works once, within "
    f"{LINK_SECONDS // 60} minutes. If you have used one in this browser, reload this page."
)


class MlflowPages:
    """Lets those in who have a link or a cookie."""

    def __init__(self, access: PageAccess) -> None:
        self._access = access

    def path_of(self, request: web.BaseRequest) -> str:
        """The path below the pages' address. Raises Unauthorized without a valid cookie."""
        prefix, _, rest = request.rel_url.raw_path.removeprefix("/").partition("/")
        if f"/{prefix}" != self._access.prefix or not self._has_cookie(request):
            raise Unauthorized(_NO_ACCESS)
        return f"/{rest}"

    def redeemed(self, request: web.BaseRequest) -> web.Response | None:
        """The answer to a link: a cookie, and the page after it; None where it is no link.

        Raises Unauthorized for a link that was used or has expired, unless this browser has a cookie already.
        """
        opened = f"{self._access.prefix}{_OPEN}"
        path = request.rel_url.raw_path
        if request.method != "GET" or not path.startswith(opened):
            return None
        code, _, rest = path.removeprefix(opened).partition("/")
        cookie = self._access.redeem(code)
        if cookie is None and not self._has_cookie(request):
            raise Unauthorized(_NO_ACCESS)
        headers = {"Location": f"{self._access.prefix}/{rest}", "Cache-Control": "no-store", **PROTECTION}
        answer = web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)
        if cookie is not None:
            path = self._access.prefix
            answer.set_cookie(COOKIE, cookie, path=path, max_age=COOKIE_SECONDS, httponly=True, samesite="Strict")
        return answer

    def _has_cookie(self, request: web.BaseRequest) -> bool:
        return self._access.allows(request.cookies.get(COOKIE, ""))
