from django.urls import path

from messaging.views import inbox, senders, sending

app_name = "messaging"
urlpatterns = [
    path("inbox/", inbox.index, name="inbox"),
    path("inbox/export.csv", inbox.export, name="inbox-export"),
    path("inbox/clear/", inbox.clear, name="inbox-clear"),
    path("inbox/<uuid:public_id>/", inbox.message, name="inbox-message"),
    path("inbox/<uuid:public_id>/html/", inbox.html, name="inbox-html"),
    path("settings/senders/", senders.index, name="settings-senders"),
    path("settings/senders/domains/check/", senders.check_domain, name="domain-check"),
    path("settings/senders/new/", senders.add, name="sender-new"),
    path("settings/senders/<uuid:public_id>/", senders.edit, name="sender"),
    path("settings/senders/<uuid:public_id>/default/", senders.make_default, name="sender-default"),
    path("settings/senders/<uuid:public_id>/archive/", senders.archive, name="sender-archive"),
    path("settings/senders/<uuid:public_id>/restore/", senders.restore, name="sender-restore"),
    path("settings/sending/", sending.index, name="settings-sending"),
    path("settings/sending/test/", sending.test, name="sending-test"),
    path("settings/sending/test-mail/", sending.test_mail, name="sending-test-mail"),
    path("settings/sending/environment/", sending.use_environment, name="sending-environment"),
]
