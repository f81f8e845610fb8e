"""What people did, as outside programs told: profile events and purchases. Not what became of messages; that is in
delivery."""

from django.db import models


class ProfileEvent(models.Model):
    """One thing one person did, such as "signed_up". Append-only; the same one told twice is two. Gone with the person.

    `at` is when it happened, by the program's word, never in the future; `received_at` is ours.
    """

    profile = models.ForeignKey("audiences.Profile", on_delete=models.CASCADE, related_name="events")
    name = models.CharField(max_length=255)
    at = models.DateTimeField()
    properties = models.JSONField(default=dict)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ("view",)
        # What one person did, newest first.
        indexes = [models.Index(fields=["profile", "-at"], name="profile_event_profile")]

    def __str__(self) -> str:
        return self.name


class Purchase(models.Model):
    """One product that one person bought, `quantity` times for `price` each. Append-only, as ProfileEvent."""

    profile = models.ForeignKey("audiences.Profile", on_delete=models.CASCADE, related_name="purchases")
    product_id = models.CharField(max_length=255)
    # ISO 4217.
    currency = models.CharField(max_length=3)
    # Of one; below zero it is money given back.
    price = models.DecimalField(max_digits=16, decimal_places=4)
    quantity = models.PositiveSmallIntegerField(default=1)
    at = models.DateTimeField()
    properties = models.JSONField(default=dict)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ("view",)
        indexes = [models.Index(fields=["profile", "-at"], name="purchase_profile")]

    def __str__(self) -> str:
        return self.product_id
