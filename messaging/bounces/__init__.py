"""What a mail to our return address tells: who could not be reached, who complained, who is on holiday.

Reads mails and knows nothing of sends: the caller finds out which message is meant (by the address that the mail was
sent to, the delivery header or the Message-ID of the original), and whether the mail may be believed at all, as anybody
can write one. What a failure means is judged by messaging.verdicts. Pure; no database, no network.
"""

from messaging.bounces.reading import read
from messaging.bounces.values import MailKind, Recipient, Report

__all__ = ["MailKind", "Recipient", "Report", "read"]
