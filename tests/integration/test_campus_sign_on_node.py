"""Sign-in at Node's `oidc-provider`, if that is there: see CONTRIBUTING.md."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.running import running
from tests.support.visitor import Visitor, forms

FOLDER = "OIDC_PROVIDER_FOLDER"
PROGRAM = Path(__file__).parents[1] / "support/openid_provider.mjs"
SECRET = "the secret of the client, which is long"
CALLBACK = "http://test/sign-in/campus/callback"
# Redirects and forms until the provider sends the browser back.
_MOST_STEPS = 15


def package() -> Path | None:
    """Return the folder of the package, if there is one."""
    global_folders = ("/usr/local/lib/node_modules", "/usr/lib/node_modules")
    named = [os.environ[FOLDER]] if FOLDER in os.environ else []
    found = (Path(each, "oidc-provider") for each in (*named, *global_folders))
    return next((each for each in found if (each / "lib/index.js").is_file()), None)


@pytest.fixture
def provider() -> Iterator[str]:
    """Run a provider, and return its URL."""
    node, folder = shutil.which("node"), package()
    if node is None or folder is None:
        pytest.skip(f"needs node, and npm's oidc-provider in its global folder or ${FOLDER}")
    command = [node, str(PROGRAM), str(folder), CALLBACK, SECRET]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


async def come_back_from(start: str) -> httpx.URL:
    """Sign in at the provider and consent, and return where it sends the browser."""
    async with httpx.AsyncClient() as http:
        page = await http.get(start)
        for _ in range(_MOST_STEPS):
            if page.is_redirect:
                target = page.url.join(page.headers["location"])
                if target.host == "test":
                    return target
                page = await http.get(target)
            else:
                [(action, [fields])] = [
                    each for each in forms(page).items() if "prompt" in each[1][0]
                ]
                answers = {"login": "etu1", "password": "any"}
                fields |= {name: value for name, value in answers.items() if name in fields}
                page = await http.post(page.url.join(action), data=fields)
    raise AssertionError(f"{page.status_code} {page.url}: {page.text[:500]}")


async def test_a_person_signs_in_at_another_provider(provider: str) -> None:
    config = ServiceConfig(
        public_url="http://test",
        oidc_issuer=provider,
        oidc_client_secret=SECRET,
        oidc_create_users=True,
        oidc_roles="groups:it=viewer",
    )
    async with running(Service(config)) as service:
        visitor = Visitor(service.anonymous._transport)
        page = await visitor.http.get("/sign-in/campus", follow_redirects=False)
        back = await come_back_from(page.headers["location"])
        page = await visitor.open(str(back))
        assert (page.status_code, page.url.path) == (200, "/account"), visitor.text
        for text in ("Ada Lovelace", "ada@univ.example", "Viewer"):
            assert text in visitor.text
        # A code works once, and only with the cookie of its sign-on.
        page = await visitor.open(str(back))
        assert page.status_code == 403
        await visitor.http.aclose()
