from django.apps import AppConfig


class AudiencesConfig(AppConfig):
    name = "audiences"

    def ready(self) -> None:
        # Models can't be imported before the registry is ready.
        from audiences import options  # noqa: PLC0415

        options.register()
