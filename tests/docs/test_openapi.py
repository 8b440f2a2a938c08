"""docs/openapi.json is the OpenAPI document that the service serves.

After an intended change: `OPENAPI=write make test ARGS=tests/docs/test_openapi.py`.
"""

import json
import os
from pathlib import Path

from tests.support.running import Running

PAGE = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


async def test_the_checked_in_document_is_the_served_one(service: Running) -> None:
    served = (await service.anonymous.get("/openapi.json")).json()
    if os.environ.get("OPENAPI") == "write":
        PAGE.write_text(json.dumps(served, indent=1, ensure_ascii=False) + "\n")
    assert json.loads(PAGE.read_text()) == served
