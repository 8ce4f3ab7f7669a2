"""The process in which `loadgen` runs MLPerf LoadGen: an order on standard input, logs in a folder.

LoadGen calls `issue` from a thread of its own and goes on with its schedule when that returns, so
the requests are only handed to an event loop in another thread, which sends them. The last line
on standard output tells, for each request in that order, its body's number and why it failed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import threading
from collections.abc import Sequence
from typing import Any

import mlperf_loadgen

from lab_utils.measure.load.generator import Send, post


class _Sut:
    """The system under test as LoadGen sees it: something that takes samples and answers."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._bodies = [base64.b64decode(body) for body in order["bodies"]]
        self._sender = post(order["url"], timeout_s=order["timeout_s"])
        self._limit = order["connections"] if order["scenario"] == "Offline" else None
        self._send: Send | None = None
        self._opened = threading.Event()
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.record: list[list[Any]] = []
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        self._opened.wait()

    async def _serve(self) -> None:
        self._slots = asyncio.Semaphore(self._limit) if self._limit is not None else None
        async with self._sender() as self._send:
            self._opened.set()
            await self._over.wait()

    def issue(self, samples: Sequence[mlperf_loadgen.QuerySample]) -> None:
        """Called by LoadGen; must not wait."""
        self._loop.call_soon_threadsafe(self._start, [(s.id, s.index) for s in samples])

    def _start(self, samples: Sequence[tuple[int, int]]) -> None:
        for identity, index in samples:
            row = [index, None]
            self.record.append(row)
            task = self._loop.create_task(self._request(identity, row))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _request(self, identity: int, row: list[Any]) -> None:
        assert self._send is not None
        body = self._bodies[row[0]]
        if self._slots is None:
            row[1] = await self._send(body)
        else:
            async with self._slots:
                row[1] = await self._send(body)
        # LoadGen waits for every sample, so a failed one is handed back like an answered one.
        answer = mlperf_loadgen.QuerySampleResponse(identity, 0, 0)
        mlperf_loadgen.QuerySamplesComplete([answer])

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()


def _settings(order: dict[str, Any]) -> mlperf_loadgen.TestSettings:
    settings = mlperf_loadgen.TestSettings()
    settings.scenario = getattr(mlperf_loadgen.TestScenario, order["scenario"])
    settings.mode = mlperf_loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = order["duration_ms"]
    settings.min_query_count = 1
    settings.server_target_qps = order["rate_rps"]
    settings.server_target_latency_ns = order["bound_ns"]
    settings.server_target_latency_percentile = order["percentile"]
    settings.offline_expected_qps = order["rate_rps"]
    settings.single_stream_expected_latency_ns = round(1e9 / order["rate_rps"])
    settings.single_stream_target_latency_percentile = order["percentile"]
    settings.multi_stream_samples_per_query = order["per_query"]
    settings.multi_stream_expected_latency_ns = round(1e9 * order["per_query"] / order["rate_rps"])
    settings.multi_stream_target_latency_percentile = order["percentile"]
    return settings


def _main() -> None:
    order = json.load(sys.stdin)
    output = mlperf_loadgen.LogOutputSettings()
    output.outdir = sys.argv[1]
    output.copy_summary_to_stdout = False
    log = mlperf_loadgen.LogSettings()
    log.log_output = output
    log.enable_trace = True  # the only place where LoadGen tells single latencies
    client = _Sut(order)
    count = len(order["bodies"])
    sut = mlperf_loadgen.ConstructSUT(client.issue, lambda: None)
    library = mlperf_loadgen.ConstructQSL(count, count, lambda _: None, lambda _: None)
    try:
        mlperf_loadgen.StartTestWithLogSettings(sut, library, _settings(order), log)
    finally:
        client.close()
    mlperf_loadgen.DestroyQSL(library)
    mlperf_loadgen.DestroySUT(sut)
    print(json.dumps(client.record))


if __name__ == "__main__":
    _main()
