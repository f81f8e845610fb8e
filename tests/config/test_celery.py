"""Whatever the clock starts is a task that workers know: another one is thrown away with a line in their log."""

from config.celery import app


def test_every_task_of_the_clock_is_known() -> None:
    app.loader.import_default_modules()
    asked = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert asked <= set(app.tasks), sorted(asked - set(app.tasks))
