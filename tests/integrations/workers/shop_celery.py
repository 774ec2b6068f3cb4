"""The same shop, its tasks by Celery over a folder."""

from celery import Celery
from shop_tasks import FOLDER, cross, perimeter

from pratique.integrations.celery import start_in_workers

for name in ("queue", "control", "results"):
    (FOLDER / name).mkdir(exist_ok=True)
app = Celery("shop", broker="filesystem://", backend=f"file://{FOLDER / 'results'}")
app.conf.update(
    broker_transport_options={
        "data_folder_in": str(FOLDER / "queue"),
        "data_folder_out": str(FOLDER / "queue"),
        "control_folder": str(FOLDER / "control"),
        "polling_interval": 0.05,
    },
    worker_prefetch_multiplier=1,
)
start_in_workers(perimeter)
task = app.task(name="cross")(cross)
