from django.urls import path

from delivery.views import activity, control, deliverability, hooks, lists, logs, panel, public

app_name = "delivery"
urlpatterns = [
    path("deliverability/", deliverability.overview, name="deliverability"),
    path("deliverability/check-dns/", deliverability.check_dns, name="check-dns"),
    path("activity/", activity.listing, name="activity"),
    path("activity/rows/", activity.rows, name="activity-rows"),
    path("activity/refused/<uuid:public_id>/", activity.refused, name="activity-refused"),
    path("activity/requests/<uuid:public_id>/", activity.detail, name="activity-request"),
    path("deliveries/pill/", panel.pill, name="pill"),
    path("deliveries/figures/", lists.figures, name="figures"),
    path("deliveries/<uuid:public_id>/panel/", panel.panel, name="panel"),
    path("deliveries/<uuid:public_id>/chart/", panel.chart, name="chart"),
    path("deliveries/<uuid:public_id>/chart.csv", panel.chart_csv, name="chart-csv"),
    path("deliveries/<uuid:public_id>/samples/", panel.samples, name="samples"),
    path("deliveries/<uuid:public_id>/samples/<int:number>/", panel.sample_frame, name="sample-frame"),
    path("deliveries/<uuid:public_id>/prepare/", control.prepare, name="prepare"),
    path("deliveries/<uuid:public_id>/abort/", control.abort, name="abort"),
    path("deliveries/<uuid:public_id>/pause/", control.pause, name="pause"),
    path("deliveries/<uuid:public_id>/resume/", control.resume, name="resume"),
    path("deliveries/<uuid:public_id>/stop/", control.stop, name="stop"),
    path("deliveries/<uuid:public_id>/start-now/", control.start_now, name="start-now"),
    path("deliveries/<uuid:public_id>/refresh/", control.refresh, name="refresh"),
    path("deliveries/<uuid:public_id>/retry/", control.retry, name="retry"),
    path("deliveries/<uuid:public_id>/compute/", control.compute, name="compute"),
    path("deliveries/<uuid:public_id>/segment/", lists.new, name="list-new"),
    path("deliveries/<uuid:public_id>/log/<slug:tab>/", logs.log, name="log"),
    path("deliveries/<uuid:public_id>/log/<slug:tab>/export.csv", logs.export, name="log-export"),
    path("deliveries/<uuid:public_id>/recipients/<uuid:profile_id>/", logs.recipient, name="recipient"),
    path(
        "deliveries/<uuid:public_id>/recipients/<uuid:profile_id>/message/",
        logs.recipient_message,
        name="recipient-message",
    ),
    path("profiles/<uuid:public_id>/messages/", logs.profile_messages, name="profile-messages"),
    # In messages that were sent years ago: these four never change.
    path("o/<str:token>.gif", public.opened, name="open"),
    path("c/<str:token>/<int:number>", public.clicked, name="click"),
    path("u/<str:token>/", public.unsubscribe, name="unsubscribe"),
    path("v/<str:token>/", public.mirror, name="mirror"),
    # Known to providers.
    path("hooks/<slug:provider>/<str:secret>/", hooks.hook, name="hook"),
]
