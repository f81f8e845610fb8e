from django.urls import path

from audiences.views import counting, groups, importing, profiles, quarantine, segments

app_name = "audiences"
urlpatterns = [
    path("profiles/", profiles.listing, name="profiles"),
    path("profiles/import/", importing.upload, name="import"),
    path("profiles/import/<uuid:public_id>/", importing.detail, name="import-detail"),
    path("profiles/import/<uuid:public_id>/start/", importing.start, name="import-start"),
    path("profiles/import/<uuid:public_id>/progress/", importing.progress, name="import-progress"),
    path("profiles/import/<uuid:public_id>/cancel/", importing.cancel, name="import-cancel"),
    path("profiles/import/<uuid:public_id>/report/", importing.report, name="import-report"),
    path("profiles/<uuid:public_id>/", profiles.detail, name="profile"),
    path("profiles/<uuid:public_id>/unsubscribe/", profiles.unsubscribe, name="profile-unsubscribe"),
    path("profiles/<uuid:public_id>/resubscribe/", profiles.resubscribe, name="profile-resubscribe"),
    path("profiles/<uuid:public_id>/release/", profiles.release, name="profile-release"),
    path("profiles/<uuid:public_id>/subscriptions/", groups.of_profile, name="profile-subscriptions"),
    path("segments/groups/", groups.listing, name="groups"),
    path("segments/groups/new/", groups.new, name="group-new"),
    path("segments/groups/<uuid:public_id>/", groups.detail, name="group"),
    path("segments/groups/<uuid:public_id>/archive/", groups.archive, name="group-archive"),
    path("segments/", segments.listing, name="segments"),
    path("segments/new/", segments.new, name="segment-new"),
    path("segments/<uuid:public_id>/", segments.detail, name="segment"),
    path("segments/<uuid:public_id>/delete/", segments.delete, name="segment-delete"),
    path("deliverability/quarantine/", quarantine.listing, name="quarantine"),
    path("deliverability/quarantine/export.csv", quarantine.export, name="quarantine-export"),
    path("deliverability/quarantine/add/", quarantine.add, name="quarantine-add"),
    path("deliverability/quarantine/release/", quarantine.release_many, name="quarantine-release-many"),
    path("deliverability/quarantine/address/", quarantine.address, name="quarantine-address"),
    path("deliverability/quarantine/address/release/", quarantine.release, name="quarantine-release"),
    path("audience/estimate/", counting.estimate, name="estimate"),
    path("audience/membership/", counting.membership, name="membership"),
    path("audience/sample/", counting.sample, name="sample"),
]
