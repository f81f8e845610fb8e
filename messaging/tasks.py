"""Background work of this room: each may run twice or never."""

from celery import shared_task

from messaging import linkcheck, media, notices, sender_dns


@shared_task
def check_links() -> None:
    """Ask about the links that wait, and once more while there are some left."""
    if linkcheck.check_waiting():
        check_links.delay()
    else:
        linkcheck.drop_forgotten()


@shared_task
def purge_media() -> int:
    """Delete the bytes of images that were deleted more than 30 days ago; return how many went."""
    return media.purge()


@shared_task
def send_notices() -> int:
    """Send the notices that wait; return how many the mail server took."""
    return notices.send_due()


@shared_task
def check_sender_dns() -> int:
    """Ask DNS about the senders' domains that weren't looked at for a day; return how many."""
    return sender_dns.check_due()
