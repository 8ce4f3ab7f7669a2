"""What to look at while the language-model service runs: one set of panels, drawn in two places.

    write_text(Path("dashboard.json"), grafana())           # for a Grafana of your own
    show(prometheus, start_s, time.time(), "Overload")      # here, in the notebook

The course starts no Grafana (no package registry carries its server); Dashboards → New → Import
takes the file. The expressions are names of records in `prometheus/rules.yml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, dashboard, timeseries
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode

from lab_utils.components.prometheus import Prometheus
from lab_utils.show import panels
from lab_utils.show.panels import Panel, Query

PANELS = (
    Panel(
        "Whole answers",
        "s",
        (
            Query("job:llm_request_seconds:p50_rate5m", "p50"),
            Query("job:llm_request_seconds:p99_rate5m", "p99"),
        ),
        "From arrival to the last token, of the answered; the refused are in the error budget.",
        limit=2,
    ),
    Panel(
        "Before the first token, p99",
        "s",
        (
            Query("job:llm_time_to_first_token_seconds:p99_rate5m", "first token"),
            Query("job:llm_queueing_seconds:p99_rate5m", "of it, waiting"),
        ),
        "Where waiting is most of it, the queue is the problem, and not the model.",
    ),
    Panel(
        "From token to token, p99",
        "s",
        (Query("job:llm_inter_token_seconds:p99_rate5m", "p99"),),
        "It grows with the batch, and while prompts are read.",
    ),
    Panel(
        "Tokens",
        "suffix: tokens/s",
        (Query("job_kind:llm_tokens:rate5m", "{{kind}}"),),
        "What the engine does, whoever asked for it.",
    ),
    Panel(
        "Waiting requests",
        "short",
        (Query("instance:llm_queue_depth:sum", "{{instance}}"),),
        "The signal to scale on: it says how much work there is, not how busy the engine is.",
    ),
    Panel(
        "Mean batch",
        "suffix: sequences",
        (Query("instance:llm_batch_size:mean_rate5m", "{{instance}}"),),
        "Sequences of a step.",
    ),
    Panel(
        "KV cache in use",
        "percentunit",
        (Query("instance:llm_cache_usage_ratio:max5m", "{{instance}}"),),
        "A full cache refuses what does not fit beside the others.",
        limit=0.9,
    ),
    Panel(
        "Refused",
        "percentunit",
        (Query("job:llm_rejections:ratio_rate5m", "of what makes sense"),),
        "Shed load; requests that make no sense do not count.",
        limit=0.05,
    ),
    Panel(
        "Error budget: burn rate",
        "short",
        (
            Query("job:llm_error_budget:burn_rate5m", "short window"),
            Query("job:llm_error_budget:burn_rate1h", "long window"),
        ),
        "At 1 the budget lasts its 30 days; a person is called when both are over the line.",
        limit=14.4,
    ),
)


def grafana() -> str:
    """The dashboard as the JSON that Grafana imports; it asks for the Prometheus to read."""
    made = (
        dashboard.Dashboard("Language-model service")
        .uid("inference-lab-llm")
        .tags(["inference-lab"])
        .refresh("10s")
        .time("now-30m", "now")
        .with_variable(dashboard.DatasourceVariable("prometheus").type("prometheus"))
    )
    for panel in PANELS:
        made = made.with_panel(_timeseries(panel))
    text: str = JSONEncoder(sort_keys=True, indent=2).encode(made.build())
    return text


def _timeseries(panel: Panel) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.note)
        .unit(panel.unit)
        .min(0)
        .height(8)
        .span(12)
        .legend(common.VizLegendOptions().show_legend(True))
        .datasource(DataSourceRef(type_val="prometheus", uid="${prometheus}"))
    )
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        target = Dataquery().ref_id(letter).expr(query.promql).legend_format(query.legend)
        made = made.with_target(target)
    if panel.limit is not None:
        steps = [Threshold(color="green"), Threshold(value=panel.limit, color="red")]
        limit = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
        line = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE)
        made = made.thresholds(limit).thresholds_style(line)
    return made


def show(
    prometheus: Prometheus,
    start_s: float,
    end_s: float,
    title: str,
    marks: Mapping[str, float] | None = None,
) -> None:
    """Draw the panels from a running Prometheus that has the service's rules."""
    panels.draw(
        PANELS,
        lambda promql: prometheus.query_range(promql, start_s, end_s),
        title,
        start_s=start_s,
        marks=marks,
    )
