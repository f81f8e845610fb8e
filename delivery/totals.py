"""The figures of several deliveries added up; rates are taken from the sums, never averaged."""

from collections.abc import Iterable

from delivery.kpi import Summary, share


def total(summaries: Iterable[Summary]) -> Summary:
    """One Summary of many; all zero for none."""
    found = list(summaries)

    def added(name: str) -> int:
        return sum(getattr(one, name) or 0 for one in found)

    to_send, sent, delivered, failed = added("to_send"), added("sent"), added("delivered"), added("failed")
    opened, clicked, processed = added("opened"), added("clicked"), added("processed")
    return Summary(
        to_send=to_send,
        sent=sent,
        delivered=delivered,
        failed=failed,
        opened=opened,
        clicked=clicked,
        delivered_rate=share(delivered, sent),
        failed_rate=share(failed, sent),
        opened_rate=share(opened, delivered),
        clicked_rate=share(clicked, delivered),
        processed=processed,
        processed_rate=share(processed, to_send),
        # Each send has its own pace.
        rate_per_minute=None,
        eta_s=None,
    )
