"""`/metrics`: the bot's meter as Prometheus reads it, and the event loop's own lateness.

Routed by `server`. Who may read: whoever has the METRICS_TOKEN; without one, this machine alone, and nobody where a
proxy stands in front of the bot, because all the world comes from loopback then. Numbers that change without anybody
counting (live runs, open feeds) are looked up when they are asked for.
"""

import asyncio
import hmac
import ipaddress
from collections import Counter
from collections.abc import Iterator, Sequence

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from cluster_bot.log import get_logger
from cluster_bot.meter import LIVE_RUNS, LOOP_LAG_S, MEASURES, OPEN_FEEDS, Measure, Meter, Spread
from cluster_bot.runs.ports import Store
from cluster_bot.web.answers import RefusedError
from cluster_bot.web.bearer import bearer_of

log = get_logger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LAG_EVERY_S = 0.25
_LOOK_S = 5.0


class Metrics:
    """The route. `token` "" is none; `behind_proxy` says that who comes from loopback may be anybody."""

    def __init__(self, store: Store, meter: Meter, *, token: str, behind_proxy: bool) -> None:
        self._store = store
        self._meter = meter
        self._token = token.encode()
        self._behind_proxy = behind_proxy
        self._launchers: set[str] = set()
        self._registry = CollectorRegistry()
        self._registry.register(MeterCollector(meter))
        ProcessCollector(registry=self._registry)

    def routes(self) -> Sequence[web.RouteDef]:
        """What to serve."""
        return [web.get("/metrics", self._metrics)]

    async def _metrics(self, request: web.Request) -> web.Response:
        self._let_in(request)
        await self._look_up()
        # On a thread: it is text of some thousand lines, and reads /proc.
        text = await asyncio.to_thread(generate_latest, self._registry)
        return web.Response(body=text, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})

    def _let_in(self, request: web.Request) -> None:
        if self._token:
            if not hmac.compare_digest(bearer_of(request).encode("utf-8", "replace"), self._token):
                raise RefusedError(401, "The token is wrong.")
        elif self._behind_proxy:
            raise RefusedError(403, "Set METRICS_TOKEN to read this.")
        elif not _is_loopback(request.remote):
            raise RefusedError(403, "This is for this machine alone; set METRICS_TOKEN to read it from elsewhere.")

    async def _look_up(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_S):
                live = Counter(run.launcher for run in await self._store.unfinished())
                feeds = len(await self._store.open_feeds())
        except Exception:
            # The border: what is counted elsewhere is worth showing when the database is away, then most of all.
            log.exception("not looked up", extra={"action": "metrics_failed"})
            return
        self._launchers |= live.keys()
        for launcher in self._launchers:
            self._meter.set(LIVE_RUNS, live[launcher], launcher)
        self._meter.set(OPEN_FEEDS, feeds)


class MeterCollector(Collector):
    """A meter as the library's families, in the order of the table."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        """One family a measure, empty ones too: who watches should know that there is such a thing."""
        for measure in MEASURES:
            yield self._histogram(measure) if measure.kind == "histogram" else self._plain(measure)

    def _plain(self, measure: Measure) -> Metric:
        make = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
        family = make(measure.name, measure.words, labels=measure.labels)
        # Copied first: this runs on a thread, and the loop goes on counting.
        for labels, value in list(self._meter.numbers(measure).items()):
            family.add_metric(labels, value)
        return family

    def _histogram(self, measure: Measure) -> Metric:
        family = HistogramMetricFamily(measure.name, measure.words, labels=measure.labels)
        for labels, spread in list(self._meter.spreads(measure).items()):
            family.add_metric(labels, _buckets(measure, spread), spread.total)
        return family


def _buckets(measure: Measure, spread: Spread) -> list[tuple[str, float]]:
    """Each bucket counts all that is below its bound."""
    buckets, sum_so_far = [], 0
    for bound, count in zip([*map(float, measure.bounds), "+Inf"], list(spread.counts), strict=True):
        sum_so_far += count
        buckets.append((str(bound), float(sum_so_far)))
    return buckets


def _is_loopback(address: str | None) -> bool:
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


class LoopLag:
    """Measures how late the loop rings a timer, from `start` until `stop`."""

    def __init__(self, meter: Meter, *, every_s: float = LAG_EVERY_S) -> None:
        self._meter = meter
        self._every_s = every_s
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; from within the loop."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + self._every_s, self._ring)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        assert self._timer is not None
        late_s = asyncio.get_running_loop().time() - self._timer.when()
        self._meter.observe(LOOP_LAG_S, max(0.0, late_s))
        self.start()
