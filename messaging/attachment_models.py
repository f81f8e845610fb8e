"""Files that go with messages of calls."""

from django.db import models


class AttachedFile(models.Model):
    """The bytes of a file that goes with messages, once for all who refer to them. A trigger keeps them as they are.

    Written by messaging.attachments, deleted by delivery.attached once nobody refers to them any more.
    """

    sha256 = models.CharField(max_length=64, unique=True)
    data = models.BinaryField()
    # When it was last referred to anew. It says nothing about the bytes, and keeps the purge away meanwhile.
    wanted_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.sha256
