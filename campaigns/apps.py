from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "campaigns"

    def ready(self) -> None:
        # Models can't be imported before the registry is ready.
        from campaigns import registration  # noqa: PLC0415

        registration.register()
