"""The same shop, its jobs by RQ."""

import rq
from shop_tasks import perimeter as shop

from pratique.integrations.rq import Started


class Worker(Started, rq.Worker):
    perimeter = shop


class Spawning(Started, rq.SpawnWorker):
    perimeter = shop


class Simple(Started, rq.SimpleWorker):
    perimeter = shop
