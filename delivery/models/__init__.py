"""How one send went, person by person. Written by the pipeline; read by the panel, the logs and the API."""

from delivery.models.deliveries import EMAIL, ENDED, RUNNING, Delivery, DeliveryState, Exclusion, Shard, ShardState
from delivery.models.figures import Criterion, DeliveryStat, DomainDay, SentAlert
from delivery.models.log import (
    Attempt,
    Event,
    EventKind,
    InboundEvent,
    NotedRefusal,
    Outcome,
    PastRecipients,
    RefusalLook,
    SendLog,
)
from delivery.models.noted import RefusedCall, TestMessage
from delivery.models.requests import Claim, RequestAttachment, RequestRecipient, RequestState, TriggerRequest

__all__ = [
    "EMAIL",
    "ENDED",
    "RUNNING",
    "Attempt",
    "Claim",
    "Criterion",
    "Delivery",
    "DeliveryStat",
    "DeliveryState",
    "DomainDay",
    "Event",
    "EventKind",
    "Exclusion",
    "InboundEvent",
    "NotedRefusal",
    "Outcome",
    "PastRecipients",
    "RefusalLook",
    "RefusedCall",
    "RequestAttachment",
    "RequestRecipient",
    "RequestState",
    "SendLog",
    "SentAlert",
    "Shard",
    "ShardState",
    "TestMessage",
    "TriggerRequest",
]
