"""docs/api.md lists every path and every scope."""

import re
from pathlib import Path

from flashnotify.domain import DeliveryStatus, NotificationStatus, Outcome
from tests.docs.api_tables import paths_table, scopes_table
from tests.docs.generated_text import assert_generated
from tests.support.running import Running

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


async def test_the_tables_match_the_code(service: Running) -> None:
    document = (await service.anonymous.get("/openapi.json")).json()
    assert_generated(PAGE, "\n## Paths\n\n", paths_table(document), "\n## ")
    assert_generated(PAGE, "\n## Scopes\n\n", scopes_table(), "\nThe priority")


def test_every_status_is_explained() -> None:
    section = PAGE.read_text().partition("\n## Statuses\n")[2].partition("\n## ")[0]
    explained = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert explained == [*NotificationStatus, *Outcome, *DeliveryStatus]
