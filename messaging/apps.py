from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class MessagingConfig(AppConfig):
    name = "messaging"

    def ready(self) -> None:
        # Models can't be imported before the registry is ready.
        from accounts import setting_tabs  # noqa: PLC0415
        from audiences import quarantine_words  # noqa: PLC0415
        from messaging import verdicts  # noqa: PLC0415

        quarantine_words.register(verdicts.REASONS)
        setting_tabs.register("messaging:settings-senders", label=_("Senders"), order=20)
        setting_tabs.register("messaging:settings-sending", label=pgettext_lazy("settings", "Sending"), order=30)
        setting_tabs.register("messaging:settings-webhooks", label=_("Webhooks"), order=75)
