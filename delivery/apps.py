from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "delivery"

    def ready(self) -> None:
        # Models can't be imported before the registry is ready.
        from delivery import alert_settings, audience_rules, erasing, forgetting, options, retention  # noqa: PLC0415

        alert_settings.register()
        audience_rules.register()
        erasing.register()
        forgetting.register()
        options.register()
        retention.register()
