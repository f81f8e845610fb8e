from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "delivery"

    def ready(self) -> None:
        # Models can't be imported before the registry is ready.
        from delivery import audience_rules, options  # noqa: PLC0415

        audience_rules.register()
        options.register()
