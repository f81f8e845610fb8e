from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class ApiConfig(AppConfig):
    name = "api"

    def ready(self) -> None:
        # Models can't be imported before the registry is ready.
        from accounts import leaving, setting_tabs  # noqa: PLC0415
        from api import keys, limit_settings, postback_settings, told_again  # noqa: PLC0415
        from campaigns import page_tabs  # noqa: PLC0415
        from delivery import callers  # noqa: PLC0415
        from messaging import webhook_users  # noqa: PLC0415

        limit_settings.register()
        postback_settings.register()
        leaving.register(keys.lost_with)
        callers.register(callers.Teller(told_again.of_request, told_again.of_refused))
        setting_tabs.register("api:keys", label=_("API keys"), order=60)
        page_tabs.register("api", label=pgettext_lazy("tab of a campaign", "API"), url_name="api:campaign-tab")
        webhook_users.register(
            "api:postbacks",
            title=_("Events of transactional messages"),
            text=_("One address is told what became of each message of the transactional endpoint."),
        )
