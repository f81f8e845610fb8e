from django.urls import path

from messaging.views import inbox, media, media_public, senders, sending, webhooks

app_name = "messaging"
urlpatterns = [
    path("inbox/", inbox.index, name="inbox"),
    path("inbox/export.csv", inbox.export, name="inbox-export"),
    path("inbox/clear/", inbox.clear, name="inbox-clear"),
    path("inbox/<uuid:public_id>/", inbox.message, name="inbox-message"),
    path("inbox/<uuid:public_id>/html/", inbox.html, name="inbox-html"),
    path("media/", media.index, name="media"),
    path("media/upload/", media.upload, name="media-upload"),
    path("media/choose/", media.choose, name="media-choose"),
    path("media/<uuid:public_id>/", media.file, name="media-file"),
    path("media/<uuid:public_id>/thumbnail/", media.thumbnail, name="media-thumbnail"),
    path("media/<uuid:public_id>/describe/", media.describe, name="media-describe"),
    path("media/<uuid:public_id>/copy/", media.copy, name="media-copy"),
    path("media/<uuid:public_id>/delete/", media.delete, name="media-delete"),
    path("media/<uuid:public_id>/restore/", media.restore, name="media-restore"),
    # In messages that were sent years ago: this one never changes. messaging.middleware answers it.
    path("m/<str:token>/<str:name>", media_public.serve, name="media-public"),
    path("settings/senders/", senders.index, name="settings-senders"),
    path("settings/senders/domains/check/", senders.check_domain, name="domain-check"),
    path("settings/senders/domains/key/make/", senders.domain_key, {"action": "make"}, name="domain-key-make"),
    path("settings/senders/domains/key/check/", senders.domain_key, {"action": "check"}, name="domain-key-check"),
    path("settings/senders/domains/key/retire/", senders.domain_key, {"action": "retire"}, name="domain-key-retire"),
    path("settings/senders/new/", senders.add, name="sender-new"),
    path("settings/senders/<uuid:public_id>/", senders.edit, name="sender"),
    path("settings/senders/<uuid:public_id>/default/", senders.make_default, name="sender-default"),
    path("settings/senders/<uuid:public_id>/archive/", senders.archive, name="sender-archive"),
    path("settings/senders/<uuid:public_id>/restore/", senders.restore, name="sender-restore"),
    path("settings/sending/", sending.index, name="settings-sending"),
    path("settings/sending/test/", sending.test, name="sending-test"),
    path("settings/sending/test-mail/", sending.test_mail, name="sending-test-mail"),
    path("settings/sending/environment/", sending.use_environment, name="sending-environment"),
    path("settings/webhooks/", webhooks.index, name="settings-webhooks"),
    path("settings/webhooks/secrets/", webhooks.add, name="webhook-add"),
    path("settings/webhooks/secrets/<uuid:public_id>/retire/", webhooks.retire, name="webhook-retire"),
]
