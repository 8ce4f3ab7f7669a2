"""Envoy: the real proxy, between clients and the servers that a lesson has started.

    with Envoy(
        clusters={"old": Cluster([[old.url]]), "new": Cluster([[new.url]])},
        routes={"score": Route({"old": 99, "new": 1}, timeout_s=0.05)},
    ) as envoy:
        envoy.url("score")                           # clients ask here
        envoy.weights("score", {"old": 95, "new": 5})
        envoy.fault("score", "new", delay_s=0.1, delayed=0.5)
        envoy.stats(r"cluster\\.new\\.upstream_rq_5xx")
        envoy.healthy("old")                         # address → whether it is sent requests

A *cluster* is servers of which any may answer, in an order of priority; a *route* is a loopback
port of its own, whose requests are shared out over clusters by weight. Weights, faults and the
share that is mirrored are runtime keys: they change while it runs, and no connection is lost.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from lab_utils.components import environments
from lab_utils.components.process import POLL_S, Process
from lab_utils.errors import LabError

ENVIRONMENT = "envoy"
NAME = re.compile(r"[A-Za-z0-9_-]+")
"""Of a cluster or a route: it becomes a part of Envoy's own names, where a dot divides."""
ERROR = re.compile(r"error initializing config\S* '[^']*': (?P<text>[^\n]+)")
API = "type.googleapis.com/envoy.extensions"
RETRY_ON = "connect-failure,refused-stream,reset,gateway-error"
NO_SERVER = (
    "Envoy's package holds no server for this machine, only for Linux (glibc), macOS on ARM and "
    "Windows. Run this there, or in a virtual machine."
)


@dataclass(frozen=True)
class Cluster:
    """Servers of which any may answer.

    servers: their URLs, as `http://127.0.0.1:8000`; those of the first group are asked while they
    are healthy, then those of the next one. (Envoy takes a group for whole while 1 ÷ 1.4 of it,
    its overprovisioning factor, is healthy.)

    health: the path that is asked every `check_every_s`, for `check_within_s` at most; after
    `unhealthy_after` bad answers in a row a server is sent nothing, after one good one it is again.
    Empty: nobody asks.

    eject_after: so many failed requests in a row (502, 503, 504, refused, broken or late), and the
    server is sent nothing for `ejected_s`, longer each time; a good health check ends it, too.
    None: never. most_retries: under way at the same time; Envoy's own default is 3, and what
    exceeds it fails.
    """

    servers: Sequence[Sequence[str]]
    health: str = ""
    check_every_s: float = 0.5
    check_within_s: float = 0.25
    unhealthy_after: int = 2
    eject_after: int | None = None
    ejected_s: float = 5.0
    connect_within_s: float = 0.25
    most_retries: int = 1000


@dataclass(frozen=True)
class Route:
    """A port of its own. clusters: name → weight; the shares are the weights ÷ their sum.

    timeout_s: until the whole answer, retries included. retries: how often a request that was
    refused, broken off, late (`try_s`) or answered 502, 503 or 504 is sent again, to a server and,
    where there is one, a priority that it has not been to; only for requests that may be done
    twice. try_s: for each attempt; None: only the whole. hedged: an attempt that is late is left
    running beside the next one, and the first good answer counts. backoff_s: the longest wait
    before the first retry (Envoy's own default is 0.025).

    mirror: a cluster that gets a copy of requests, whose answers nobody waits for; `Envoy.mirrored`
    says which share, all at the start.
    """

    clusters: Mapping[str, int]
    timeout_s: float = 15.0
    retries: int = 0
    try_s: float | None = None
    hedged: bool = False
    backoff_s: float = 0.001
    mirror: str | None = None


class Envoy:
    """The proxy, alive only inside the `with` block, on loopback ports of its own.

    It computes on one thread. Its environment is made on first use. Raises LabError for clusters
    and routes that make no sense, where the environment cannot be made, and with Envoy's own words
    where it does not start.
    """

    def __init__(
        self,
        clusters: Mapping[str, Cluster],
        routes: Mapping[str, Route],
        *,
        start_timeout_s: float = 60,
        waiting: environments.Waiting = environments.silently,
    ) -> None:
        self._configuration = configuration(clusters, routes)
        self._clusters, self._routes = dict(clusters), dict(routes)
        self._start_timeout_s = start_timeout_s
        self._waiting = waiting
        self._stack = ExitStack()
        self._process: Process | None = None
        self._client = httpx.Client(trust_env=False, timeout=30)
        self._address_file = Path()
        self._ports: dict[str, int] = {}
        self.admin_url = ""

    def __enter__(self) -> Self:
        program = binary(self._waiting)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="envoy-")))
            (folder / "envoy.json").write_text(json.dumps(self._configuration))
            self._address_file = folder / "admin"
            command = [str(program), "--config-path", str(folder / "envoy.json")]
            command += ["--admin-address-path", str(self._address_file)]
            # Several Envoys of one machine would share the memory of hot restarts.
            command += ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
            self._process = Process(
                "Envoy",
                command,
                ready=self._answers,
                folder=folder,
                start_timeout_s=self._start_timeout_s,
                reason=_reason,
            )
            stack.callback(self._client.close)
            stack.enter_context(self._process)
            self._ports = self._listening()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def process(self) -> Process:
        """The proxy's process, for its log and for what it costs."""
        assert self._process is not None
        return self._process

    @property
    def metrics_url(self) -> str:
        """What Prometheus may read."""
        return f"{self.admin_url}/stats/prometheus"

    @property
    def version(self) -> str:
        """Its version, as `1.40.0`."""
        said = self._get("/server_info")
        return str(json.loads(said)["version"]).split("/")[1]

    def url(self, route: str) -> str:
        """Where clients ask."""
        self._known(route)
        return f"http://127.0.0.1:{self._ports[route]}"

    def weights(self, route: str, weights: Mapping[str, int]) -> None:
        """Share out the route's requests anew, from the next one on; all at the same moment."""
        known = self._known(route).clusters
        if set(weights) != set(known):
            raise LabError(
                f"Weights of {', '.join(weights) or 'nothing'} were given for the route {route}; "
                f"expected those of {', '.join(known)}."
            )
        _check_weights(route, weights)
        self.runtime({_weight(route, name): weight for name, weight in weights.items()})

    def mirrored(self, route: str, share: float) -> None:
        """From now on so much (0 to 1) of the route's requests are copied to its mirror."""
        if self._known(route).mirror is None:
            raise LabError(f"The route {route} has no mirror; give it one when Envoy starts.")
        _check_share(share)
        self.runtime({f"mirror.{route}": _fraction(share)})

    def fault(
        self,
        route: str,
        cluster: str,
        *,
        delay_s: float = 0.0,
        delayed: float = 1.0,
        status: int = 503,
        refused: float = 0.0,
    ) -> None:
        """Spoil the route's requests to a cluster from now on, or mend it (without arguments).

        delay_s: added to the share `delayed` (0 to 1), before the route's own time begins to run.
        refused: the share that is answered with `status`, and never reaches a server.
        """
        if cluster not in self._known(route).clusters:
            raise LabError(
                f"The cluster {cluster} is not one of the route {route}; expected one of "
                f"{', '.join(self._known(route).clusters)}."
            )
        _check_share(delayed)
        _check_share(refused)
        prefix = f"fault.{route}.{cluster}"
        self.runtime(
            {
                f"{prefix}.delay_ms": round(1e3 * delay_s),
                f"{prefix}.delayed": _fraction(delayed if delay_s else 0),
                f"{prefix}.status": status,
                f"{prefix}.refused": _fraction(refused),
            }
        )

    def runtime(self, keys: Mapping[str, int | Mapping[str, Any]]) -> None:
        """Set runtime keys of one's own choice, all in one step; a fraction is an object."""
        # Without spaces: in a query a space becomes a plus, which Envoy takes for one.
        written = {n: json.dumps(value, separators=(",", ":")) for n, value in keys.items()}
        self._ask("POST", "/runtime_modify", written)

    def stats(self, pattern: str = "") -> dict[str, int]:
        """Its counters and gauges by name, those that a regular expression finds."""
        told = json.loads(self._get("/stats", {"filter": pattern, "format": "json"}))
        return {one["name"]: int(one["value"]) for one in told["stats"] if "value" in one}

    def count(self, name: str) -> int:
        """One of the counters or gauges; 0 where Envoy has not counted it yet."""
        return self.stats(f"^{re.escape(name)}$").get(name, 0)

    def healthy(self, cluster: str) -> dict[str, bool]:
        """Whether each of a cluster's servers, host:port, is well by its checks and conduct."""
        if cluster not in self._clusters:
            raise LabError(
                f"There is no cluster {cluster}; expected one of {', '.join(self._clusters)}."
            )
        told = json.loads(self._get("/clusters", {"format": "json"}))
        (found,) = (one for one in told["cluster_statuses"] if one["name"] == cluster)
        return {
            _address(host["address"]["socket_address"]): not any(
                host["health_status"].get(flaw)
                for flaw in ("failed_active_health_check", "failed_outlier_check")
            )
            for host in found["host_statuses"]
        }

    def until_healthy(self, cluster: str, within_s: float = 60) -> None:
        """Return when all of a cluster's servers are sent requests. Raises LabError otherwise."""
        # Counted, not clocked: where all is stopped for a while, nobody has been late.
        for _ in range(math.ceil(within_s / POLL_S)):
            if all((servers := self.healthy(cluster)).values()):
                return
            time.sleep(POLL_S)
        bad = ", ".join(address for address, well in servers.items() if not well)
        raise LabError(f"In {within_s:g} s {bad} of the cluster {cluster} did not become healthy.")

    def _known(self, route: str) -> Route:
        if route not in self._routes:
            raise LabError(f"There is no route {route}; expected one of {', '.join(self._routes)}.")
        return self._routes[route]

    def _answers(self) -> bool:
        try:
            self.admin_url = f"http://{self._address_file.read_text().strip()}"
            return self._client.get(f"{self.admin_url}/ready").status_code == httpx.codes.OK
        except (OSError, httpx.HTTPError, httpx.InvalidURL):  # not written yet, or half
            return False

    def _listening(self) -> dict[str, int]:
        told = json.loads(self._get("/listeners", {"format": "json"}))
        return {
            one["name"]: one["local_address"]["socket_address"]["port_value"]
            for one in told["listener_statuses"]
        }

    def _get(self, path: str, asked: Mapping[str, str] | None = None) -> str:
        return self._ask("GET", path, asked)

    def _ask(self, verb: str, path: str, asked: Mapping[str, str] | None = None) -> str:
        try:
            answer = self._client.request(verb, f"{self.admin_url}{path}", params=asked)
        except httpx.TransportError as error:
            raise LabError(f"Envoy's admin does not answer {path}: {error}.") from None
        if answer.status_code != httpx.codes.OK:
            raise LabError(f"Envoy's admin refuses {path}: {answer.text.strip()}")
        return answer.text


def binary(waiting: environments.Waiting = environments.silently) -> Path:
    """Where the program is; its environment is made where it is not there yet."""
    packages = environments.packages(environments.python(ENVIRONMENT, waiting))
    program = packages / "envoy" / "_bin" / "envoy"
    if not program.exists():
        raise LabError(NO_SERVER)
    return program


def configuration(clusters: Mapping[str, Cluster], routes: Mapping[str, Route]) -> dict[str, Any]:
    """What Envoy reads at its start: API v3, with every port still to be chosen.

    Raises LabError where a route names a cluster that is not there, and for a weight, a name or a
    URL that makes no sense.
    """
    if not clusters or not routes:
        raise LabError(
            f"Envoy got {len(clusters)} clusters and {len(routes)} routes; expected one or more."
        )
    for name in (*clusters, *routes):
        if not NAME.fullmatch(name):
            raise LabError(f"The name is {name!r}; expected letters, digits, - and _ alone.")
    for name, route in routes.items():
        _check_weights(name, route.clusters)
        for cluster in (*route.clusters, *([route.mirror] if route.mirror else [])):
            if cluster not in clusters:
                raise LabError(
                    f"The route {name} names the cluster {cluster}; expected one of "
                    f"{', '.join(clusters)}."
                )
    return {
        "admin": {"address": _socket("127.0.0.1", 0)},
        "stats_flush_interval": "0.5s",  # its histograms are as old as that
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        "static_resources": {
            "clusters": [_cluster(name, cluster) for name, cluster in clusters.items()],
            "listeners": [_listener(name, route) for name, route in routes.items()],
        },
    }


def _cluster(name: str, cluster: Cluster) -> dict[str, Any]:
    groups = [[_endpoint(name, url) for url in group] for group in cluster.servers]
    if not groups or not all(groups):
        raise LabError(f"The cluster {name} has a group without a server; expected one in each.")
    limits = {"max_connections": 10_000, "max_pending_requests": 10_000, "max_requests": 10_000}
    made: dict[str, Any] = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": _seconds(cluster.connect_within_s),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"priority": priority, "lb_endpoints": group}
                for priority, group in enumerate(groups)
            ],
        },
        "circuit_breakers": {"thresholds": [limits | {"max_retries": cluster.most_retries}]},
    }
    if cluster.health:
        every = _seconds(cluster.check_every_s)
        made["health_checks"] = [
            {
                "timeout": _seconds(cluster.check_within_s),
                "interval": every,
                # A cluster without requests is checked once a minute otherwise, and one that
                # begins to get some is taken for unhealthy as long.
                "no_traffic_interval": every,
                "no_traffic_healthy_interval": every,
                "unhealthy_threshold": cluster.unhealthy_after,
                "healthy_threshold": 1,
                "http_health_check": {"path": cluster.health},
            }
        ]
    if cluster.eject_after is not None:
        made["outlier_detection"] = {
            "consecutive_gateway_failure": cluster.eject_after,
            "enforcing_consecutive_gateway_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "interval": "0.25s",
            "base_ejection_time": _seconds(cluster.ejected_s),
            # Half of them at most: where all fail in a row, the cause is not theirs.
            "max_ejection_percent": 50,
        }
    return made


def _endpoint(cluster: str, url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None or parts.port is None:
        raise LabError(
            f"A server of the cluster {cluster} is at {url!r}; expected a URL with a port, as "
            "http://127.0.0.1:8000."
        )
    return {"endpoint": {"address": _socket(parts.hostname, parts.port)}}


def _listener(name: str, route: Route) -> dict[str, Any]:
    action: dict[str, Any] = {
        "timeout": _seconds(route.timeout_s),
        "weighted_clusters": {
            "runtime_key_prefix": f"weights.{name}",
            "clusters": [
                {"name": cluster, "weight": weight} for cluster, weight in route.clusters.items()
            ],
        },
    }
    if route.retries:
        action["retry_policy"] = _retries(route)
        action["hedge_policy"] = {"hedge_on_per_try_timeout": route.hedged}
    if route.mirror is not None:
        share = {"default_value": {"numerator": 100}, "runtime_key": f"mirror.{name}"}
        action["request_mirror_policies"] = [{"cluster": route.mirror, "runtime_fraction": share}]
    manager = {
        "@type": f"{API}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": name,
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": action}],
                }
            ]
        },
        "http_filters": [
            *(_fault(name, cluster) for cluster in route.clusters),
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{API}.filters.http.router.v3.Router"},
            },
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "name": name,
        "address": _socket("127.0.0.1", 0),
        "filter_chains": [{"filters": filters}],
    }


def _retries(route: Route) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "retry_on": RETRY_ON,
        "num_retries": route.retries,
        "retry_back_off": {
            "base_interval": _seconds(route.backoff_s),
            "max_interval": _seconds(10 * route.backoff_s),
        },
        # Without it a retry goes where the request has just failed: the first priority is healthy
        # until a check says otherwise.
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": f"{API}.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                "update_frequency": 1,
            },
        },
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": f"{API}.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ],
        "host_selection_retry_max_attempts": 3,
    }
    if route.try_s is not None:
        policy["per_try_timeout"] = _seconds(route.try_s)
    return policy


def _fault(route: str, cluster: str) -> dict[str, Any]:
    """Does nothing until its runtime keys say so; one for each cluster of a route."""
    prefix, never = f"fault.{route}.{cluster}", _fraction(0)
    return {
        "name": f"fault-{cluster}",
        "typed_config": {
            "@type": f"{API}.filters.http.fault.v3.HTTPFault",
            "upstream_cluster": cluster,
            "delay": {"fixed_delay": "0.001s", "percentage": never},
            "abort": {"http_status": 503, "percentage": never},
            "delay_duration_runtime": f"{prefix}.delay_ms",
            "delay_percent_runtime": f"{prefix}.delayed",
            "abort_http_status_runtime": f"{prefix}.status",
            "abort_percent_runtime": f"{prefix}.refused",
        },
    }


def _check_weights(route: str, weights: Mapping[str, int]) -> None:
    numbers = list(weights.values())
    if not all(isinstance(n, int) and n >= 0 for n in numbers) or not sum(numbers):
        raise LabError(
            f"The weights of the route {route} are {dict(weights)}; expected whole numbers from 0 "
            "on, one of them above it."
        )


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise LabError(f"The share is {share:g}; expected 0 to 1.")


def _fraction(share: float) -> dict[str, Any]:
    """A plain number would count as per cent, and Envoy knows no half of one."""
    return {"numerator": round(1e6 * share), "denominator": "MILLION"}


def _weight(route: str, cluster: str) -> str:
    return f"weights.{route}.{cluster}"


def _seconds(value: float) -> str:
    return f"{value:.9f}s"


def _socket(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _address(socket: Mapping[str, Any]) -> str:
    return f"{socket['address']}:{socket['port_value']}"


def _reason(log: str) -> str | None:
    """Why a configuration was refused; Envoy says it before it tells how it ends."""
    found = ERROR.search(log)
    return None if found is None else found["text"].strip()
