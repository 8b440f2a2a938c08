"""`/v1/receipts`: delivery reports from gateways."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from flashnotify.api.parameters import refuse_unknown_parameters
from flashnotify.api.problems import problems
from flashnotify.delivery.receipts import Receipts, Report
from flashnotify.domain import DeliveryStatus

# What is below it, a gateway calls with GET to report.
CALLBACKS = "/v1/receipts"
# Kannel 1.4 user's guide, "Delivery reports": the status is a bit mask. 2 means not delivered to
# the phone, 16 refused by the SMSC; newer versions add reason bits to the 2.
_KANNEL_DELIVERED = 1
_KANNEL_FAILED = 2 | 16


class ReceiptOut(BaseModel):
    """The status of the delivery after the report."""

    status: DeliveryStatus


def receipts_router(receipts: Receipts) -> APIRouter:
    """Return the endpoint of Kannel. The token in the path authenticates it, not an API key."""
    router = APIRouter(
        prefix=CALLBACKS,
        tags=["receipts"],
        dependencies=[Depends(refuse_unknown_parameters)],
    )

    @router.get(
        "/kannel/{delivery_id}/{token}",
        summary="Report the delivery of an SMS (Kannel)",
        description="Called by Kannel, at the URL that it got with the SMS. The token in the path "
        "proves that.",
        responses=problems(503),
    )
    async def report_kannel_delivery(
        delivery_id: UUID,
        token: Annotated[
            str, Path(max_length=64, description="The token in the URL given to Kannel.")
        ],
        status: Annotated[int, Query(ge=0, description="Kannel's `%d`: 1, 2, 4, 8 or 16.")],
    ) -> ReceiptOut:
        report = Report.under_way
        if status & _KANNEL_DELIVERED:
            report = Report.delivered
        elif status & _KANNEL_FAILED:
            report = Report.undeliverable
        return ReceiptOut(status=await receipts.take("kannel", delivery_id, token, report))

    return router
