"""What is left of people who were erased: that they were, and that nobody may write to their address."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class ErasedProfile(models.Model):
    """One person who was erased. Kept for some weeks, until nothing about them can come in; see audiences.erasure."""

    profile_id = models.BigIntegerField(unique=True)
    erased_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        # Whose late rows are looked for, and what is old.
        indexes = [models.Index(fields=["erased_at"], name="erased_profile_at")]


class WithheldAddress(models.Model):
    """The keyed hash of an address that nobody may write to, without the address. Gone when the address comes again:
    then its person is unsubscribed from what they had left, or it is in quarantine, as before."""

    digest = models.BinaryField(max_length=32, unique=True)
    is_unsubscribed = models.BooleanField(default=False)
    # Of its quarantine; "" when it was in none.
    reason = models.CharField(max_length=40, blank=True)
    # Keys of the subscription groups that their person had left.
    group_ids = ArrayField(models.BigIntegerField(), default=list)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
