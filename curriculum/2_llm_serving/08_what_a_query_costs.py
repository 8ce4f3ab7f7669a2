# ---
# jupyter:
#   inference_lab:
#     timing: alone
# ---

# %% [markdown]
# # 2.8 · What a query costs
#
# The chatbot has a budget: so much for a thousand queries. At the end of the month two people look
# at the same bill. One writes *far below the budget* into the report, the other *many times above
# it*. Both can show their sums, and neither has made a mistake in the arithmetic.
#
# This lesson works out what a query costs from both ends. From below: what a machine gives while
# it works, and its list price. From above: a bill, divided by what was answered. **The two meet
# only for somebody who knows what lies between them.**

# %% tags=["parameters"]
scale = "laptop"

# %%
import math

import numpy as np

from lab_utils.components.together import Together
from lab_utils.cost import fleet, focus
from lab_utils.cost.focus import Bill
from lab_utils.cost.hourly import PROMQL, cost_of_queries, read_counts
from lab_utils.cost.made_bill import Plan
from lab_utils.cost.prices import catalogue
from lab_utils.cost.tokens import cost_per_million_tokens
from lab_utils.machine.cores import available_cores
from lab_utils.machine.facts import facts
from lab_utils.measure.compare import interleaved
from lab_utils.measure.interval import interval, ratio_interval
from lab_utils.models.decoder import TINY, decode_s, prefill_s
from lab_utils.models.language.gguf_file import bits_of
from lab_utils.models.language.seeded import seeded
from lab_utils.scale import at
from lab_utils.serve.llm.chat import chat, visits
from lab_utils.serve.llm.load import in_turn, when_due
from lab_utils.serve.llm.service import LLMService
from lab_utils.show import cost_plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import waiting, watching
from lab_utils.show.quiz import quiz

threads = available_cores()
PLACES, SHORTER = 16, (64, 8)  # prompts and answers are divided by
prices = catalogue()
here = prices.with_cores(threads)
print(f"this machine: {threads} cores, {facts().processor}")
print(f"for hire: {here.machine}, {here.cores} cores, {here.provider} {here.region}: "
      f"{here.price():.4f} {here.currency} an hour ({here.seen_text()})")  # fmt: skip

# %% [markdown]
# (Your machine is not for hire, and the one that is has another processor. The price is only the
# nearest that the catalogue has for as many cores; `data/prices` says where each price was seen, and
# when. Before you decide anything, look the price up again.)
#
# ## A machine that is always busy
#
# The service of lesson 2.4, with continuous batches and conversations that a real service recorded
# [1], and always somebody waiting.

# %%
paths = {kind: seeded(TINY, kind, watching(f"Tensors, {kind}")) for kind in ("q4_0", "q8_0")}
with waiting("Two services start", about_s=8):
    services = Together(
        {
            kind: LLMService(path, threads=threads, batch_most=PLACES, queue_most=10**6)
            for kind, path in paths.items()
        }
    )
service = services["q4_0"]
COUNT = at(scale, ci=48, laptop=600)
crowd = chat(COUNT, *SHORTER)
cents_guess = predict("1,000 answers at that hourly price: how many US cents?", unit="cents")

# %%
with waiting("A crowd", about_s=5):
    full = in_turn(service, TINY, crowd, PLACES + 4)


def cents_for_1000(served):
    """The time from the first request to the last answer, at the machine's price."""
    return 100 * 1000 * here.price() * (served.load.duration_s / 3600) / served.load.answered


rate_per_h = 3600 * full.load.rate_rps
full_cents = cents_for_1000(full)
cents_guess.reveal(full_cents)
per_million = cost_per_million_tokens(here.price(), full.tokens_per_s, utilisation=1)
print(f"{full.load.rate_rps:.1f} answers a second, {full.tokens_per_s:,.0f} tokens a second")
print(f"a million written tokens: {per_million:.3f} {here.currency}")
key_figure("1,000 answers, machine always full", full_cents, "US cents")

# %% [markdown]
# Price ÷ rate: that is the whole formula, and it is how a price for a million tokens comes into a
# slide. (The model is small and the conversations are shortened, so the figure says nothing about yours.
# The ratios below do.) It holds for a machine that is *full for every second
# that is paid*.
#
# ## A machine that waits for people
#
# People do not come one upon the other. A service is built for its busiest hour, and a chatbot's
# quiet hours bring a small part of that. Here it is at a fifth of what it can do.

# %%
PART, QUIET_S = 0.2, at(scale, ci=7, laptop=30)
some = max(8, round(QUIET_S * PART * full.load.rate_rps))
quiet = visits(some, PART * full.load.rate_rps)
waiting_guess = predict(
    "1,000 answers at a fifth of the load: how many times the cost?", unit="times"
)
faster_guess = predict("The median answer: what share of its time on the full machine?", unit="%")

# %%
with waiting("A quiet hour, shortened", about_s=QUIET_S):
    calm = when_due(service, TINY, quiet, chat(some, *SHORTER))
quiet_cents = cents_for_1000(calm)
inside_s = float(np.median(full.latency_s - full.queueing_s))
waiting_guess.reveal(quiet_cents / full_cents)
faster_guess.reveal(100 * np.median(calm.latency_s) / inside_s)
print(f"full:  {full_cents:.3f} cents for 1,000, median answer {inside_s:.2f} s")
print(f"quiet: {quiet_cents:.3f} cents for 1,000, median answer {np.median(calm.latency_s):.2f} s")
key_figure(
    "cost of 1,000 answers, at a fifth of the load ÷ full", quiet_cents / full_cents, "times"
)

# %% [markdown]
# Nothing got worse. Answers came sooner, there was no queue and no error, and a query costs about five
# times as much. **The machine is paid by the hour, whatever it does in it**, so an empty machine is
# pleasant to use and dear. A price for a million tokens that names no utilisation says nothing.
#
# (`./lab calc cost-per-query` and `cost-per-token` take the utilisation as an input.)
#
# ## Faster is not cheaper
#
# There are two remedies from the earlier lessons: fewer bits, and more users in a pass. Both services,
# at 4 bits and at 8, one user at a time and full, in turn:

# %%
bits_guess = predict(
    "From 8 bits to 4, one user at a time: what share of the time an answer?", unit="%"
)
bits_cost_guess = predict("From 8 bits to 4, machine full: what share of the cost?", unit="%")
full_cost_guess = predict(
    "From one user at a time to full, 4 bits: what share of the cost?", unit="%"
)
full_time_guess = predict("And how many times as long does an answer take?", unit="times")

# %%
few, many = chat(at(scale, ci=3, laptop=12), *SHORTER), chat(2 * PLACES, *SHORTER)
in_turn(services["q8_0"], TINY, chat(4, *SHORTER), 2)
rounds = interleaved(
    {
        f"{bits}, {name}": lambda kind=kind, lengths=lengths, users=users: in_turn(
            services[kind], TINY, lengths, users
        )
        for kind, bits in (("q8_0", "8 bits"), ("q4_0", "4 bits"))
        for name, lengths, users in (("one user", few, 1), ("full", many, PLACES + 4))
    },
    rounds=at(scale, ci=3, laptop=8),
    watch=watching("Rounds of all four"),
)
cents = {name: [cents_for_1000(run) for run in runs] for name, runs in rounds.items()}
seconds = {
    name: [float(np.median(run.latency_s - run.queueing_s)) for run in runs]
    for name, runs in rounds.items()
}
variant_plots.scoreboard(
    {
        "1,000 answers (US cents)": {name: interval(each) for name, each in cents.items()},
        "median answer, waiting aside (s)": {name: interval(e) for name, e in seconds.items()},
    },
    "The same answers",
)
fewer_s = ratio_interval(seconds["4 bits, one user"], seconds["8 bits, one user"]).scaled(100)
fewer_cost = ratio_interval(cents["4 bits, full"], cents["8 bits, full"]).scaled(100)
full_cost = ratio_interval(cents["4 bits, full"], cents["4 bits, one user"]).scaled(100)
bits_guess.reveal(fewer_s)
bits_cost_guess.reveal(fewer_cost)
full_cost_guess.reveal(full_cost)
full_time_guess.reveal(ratio_interval(seconds["4 bits, full"], seconds["4 bits, one user"]))
key_figure("4 bits ÷ 8 bits, one user, seconds", fewer_s, "%")
key_figure("4 bits ÷ 8 bits, full, cost", fewer_cost, "%")
key_figure("full ÷ one user, cost", full_cost, "%")

# %% [markdown]
# Batching moves time and cost in opposite directions: an answer takes longer and costs less. Fewer bits
# move both the same way, by amounts that need not agree, since the passes of a full machine are bound
# by other things than those of a lone user (lesson 2.1). So *"latency fell by a third, so our costs
# fall by a third"* does not follow, in either direction. Costs fall when the machine gives more answers
# an hour **and then fewer machines are paid**.
#
# ## A larger machine
#
# The usual next question: a GPU? The catalogue has one for more money than the small machine. What it
# would reach on this model nobody has measured here, so it gets the bound from its data sheet [2],
# which no program reaches, and beside it a tenth and a hundredth of the bound.

# %%
large = prices.next_with_gpu(here.price())
gpu = prices.gpus[large.gpu]
step_s = max(
    decode_s(TINY.decode_parameters, bits_of("q4_0") / 8, gpu.bandwidth_bytes_per_s),
    prefill_s(TINY.decode_parameters, PLACES, gpu.peak_per_s),
)
answer_s = prefill_s(TINY.decode_parameters, crowd.prompt_tokens.mean(), gpu.peak_per_s)
answer_s += crowd.new_tokens.mean() * step_s / PLACES
bound_per_h = large.gpus * 3600 / answer_s
dearer = large.price() / here.price()
print(f"{large.machine} with {large.gpus} × {gpu.name}: {large.price():.3f} {large.currency} an hour, "
      f"{dearer:.1f} times the small machine's ({large.seen_text()})")  # fmt: skip
print(f"the small machine: {rate_per_h:,.0f} answers an hour")
print(
    f"the GPU machine:   {bound_per_h:,.0f} at most, {bound_per_h / rate_per_h:,.0f} times as many"
)
even_guess = predict("From how many answers an hour on is the GPU machine cheaper?", unit="an hour")
tenth_guess = predict(
    "If the GPU reaches a tenth of its bound: how many times as high is that break-even?",
    unit="times",
)

# %%
loads = np.geomspace(rate_per_h / 50, 5 * max(dearer * rate_per_h, bound_per_h), 4000)
small = fleet.fleet_cost_per_thousand(loads, here.price(), rate_per_h)
with_gpu = {
    f"GPU machine, {name}": fleet.fleet_cost_per_thousand(loads, large.price(), part * bound_per_h)
    for name, part in (("at its bound", 1), ("a tenth", 0.1), ("a hundredth", 0.01))
}
even = fleet.break_even_load(here.price(), rate_per_h, large.price())
cost_plots.cost_by_load(
    loads,
    {name: 100 * costs for name, costs in ({here.machine: small} | with_gpu).items()},
    "1,000 answers, from whole machines",
    ylabel="US cents",
    break_even=even,
)
cheaper_from = {
    name: float(loads[costs < small].min(initial=math.inf)) for name, costs in with_gpu.items()
}
even_guess.reveal(even)
tenth_guess.reveal(cheaper_from["GPU machine, a tenth"] / cheaper_from["GPU machine, at its bound"])
for name, load in cheaper_from.items():
    print(
        f"{name}: "
        + (f"cheaper from {load:,.0f} answers an hour" if load < math.inf else "never cheaper")
    )
key_figure("break-even, in full small machines", even / rate_per_h, "machines")

# %% [markdown]
# If a tenth of the speed made your break-even higher, you did what nearly everybody does. **The speed
# of the large machine is not in the break-even.** There, one GPU machine carries the whole load at any
# speed that suffices, and costs its price; what it competes with is how many small machines that
# price buys: *rate of the small one × ⌊price ÷ price⌋* (`./lab calc break-even`). Its speed decides
# two other things. One is whether it carries the load of the break-even at all: a line that never
# gets below that of the small machines does not. The other is what a query costs far to the right,
# where the machines of both kinds are full.
#
# To the left all lines rise with the same slope: one machine, paid in full, for fewer and fewer
# answers. That is where most services live. The way down is not a faster machine, it is a smaller one,
# or one that is shared with others.
#
# ## Paid beforehand
#
# One more lever, which needs no engineer: promise to pay for a year. The lesson's month is *made*
# (`cost/made_bill.py`, a seed and a page of assumptions), with the catalogue's prices. Here are its
# queries, as Prometheus counts them in each hour, and the machines that they need.

# %%
print(PROMQL)
counts = read_counts(focus.FOLDER / "queries.csv")
plan = Plan()
rented = prices.offer(plan.gpu_machine)
needed = fleet.machines_needed(counts.by_service["chat"], plan.chat_rate)
on_demand, reserved, spot = (
    rented.price(kind) for kind in ("on demand", "reserved 1 year", "spot")
)
print(
    f"{counts.by_service['chat'].sum():,.0f} queries; 1 to {needed.max()} machines, {needed.mean():.1f} on average"
)
print(
    f"{rented.machine}: {on_demand:.3f} an hour on demand, {reserved:.3f} reserved for a year, {spot:.3f} spot"
)
reserve_guess = predict(f"How many of the {needed.max()} should be reserved?", unit="machines")

# %%
bills = {
    number: float(np.sum(number * reserved + np.maximum(needed - number, 0) * on_demand))
    for number in range(needed.max() + 1)
}
best = fleet.worth_reserving(needed, on_demand, reserved)
reserve_guess.reveal(best)
variant_plots.scoreboard(
    {
        f"the month ({rented.currency})": {f"{n} reserved": cost for n, cost in bills.items()},
        "hours in which that many are needed (%)": {
            f"{n} reserved": 100 * float(np.mean(needed >= n)) for n in bills
        },
    },
    "A month, by how many machines are reserved",
    mark=f"{best} reserved",
)
print(f"reserved ÷ on demand: {100 * fleet.reserved_share(on_demand, reserved):.0f} %")
key_figure("the best number reserved, against none", 100 * bills[best] / bills[0], "%")

# %% [markdown]
# Read the right column against that percentage: a machine is worth its reservation where it is needed
# in a larger share of the hours than *reserved ÷ on demand*. So reserve the base and rent the peaks;
# reserving for the peak costs more than reserving nothing.
#
# And spot machines, which may be taken away? Suppose (an assumption; measure yours) that each is
# taken once in ten hours, and the next needs a quarter of an hour until its model is loaded:

# %%
useful = fleet.spot_price(spot, interruptions_per_h=0.1, lost_h=0.25)
print(
    f"spot: {spot:.3f} an hour, {useful:.3f} a useful hour, {100 * useful / on_demand:.0f} % of on demand"
)

# %% [markdown]
# In money the interruptions hardly show. What they cost is capacity, at a moment that somebody else
# chooses, often the same peak that is yours. They suit work that can wait.
#
# ## The bill
#
# Now from above. The month's bill is in the columns of **FOCUS** [3], on which the large clouds
# agreed: one row for each charge. DuckDB reads it where it lies.

# %%
bill = Bill(focus.FOLDER / "focus.csv.gz")
print(f"{bill.start} to {bill.end} (UTC), {bill.currency}")
bill.sql("SELECT ChargePeriodStart, ResourceName, Service, BilledCost::DOUBLE AS billed, "
         "EffectiveCost::DOUBLE AS effective FROM charges "
         "WHERE ResourceName LIKE 'chat%' ORDER BY ALL LIMIT 6")  # fmt: skip

# %% [markdown]
# Two people, two sums. One takes what is tagged as the chatbot's; the other takes the invoice, since
# somebody has to pay it.

# %%
thousands = counts.by_service["chat"].sum() / 1000
tagged, invoice = (
    float(bill.sql(f"SELECT sum(BilledCost) FROM charges WHERE {where}").fetchall()[0][0])
    / thousands
    for where in ("Service = 'chat'", "true")
)
between_guess = predict("The larger of the two is how many times the smaller?", unit="times")

# %%
between_guess.reveal(invoice / tagged)
print(f"tagged 'chat': {tagged:.3f} {bill.currency} for 1,000 queries")
print(f"whole invoice: {invoice:.3f} {bill.currency} for 1,000 queries")
key_figure("the invoice ÷ what is tagged, for 1,000 queries", invoice / tagged, "times")

# %% [markdown]
# Both are wrong by a large factor. **Before you read on, find out why.** The table is `charges`; ask it
# what you like. Two questions to begin with:

# %%
bill.sql("SELECT ChargeCategory, ChargeClass, ChargeDescription, count(*) AS charges, "
         "sum(BilledCost)::INT AS billed, sum(EffectiveCost)::INT AS effective "
         "FROM charges GROUP BY ALL ORDER BY billed DESC")  # fmt: skip

# %%
bill.sql("SELECT Service, "
         "regexp_replace(coalesce(ResourceName, CommitmentDiscountName), '-[0-9]+$', '') AS name, "
         "CommitmentDiscountStatus AS status, count(*) AS charges, sum(BilledCost)::INT AS billed, "
         "sum(EffectiveCost)::INT AS effective "
         "FROM charges WHERE ChargeCategory = 'Usage' AND ChargeClass IS NULL GROUP BY ALL ORDER BY ALL")  # fmt: skip

# %% [markdown]
# What there is to find:
#
# 1. **A year in one row.** The reserved machines were paid at once, on the first of the month. In
#    *BilledCost* that purchase stands in this month, and their hours cost nothing. In *EffectiveCost*
#    the purchase is zero and each hour bears its part. Add the two columns, or take the purchase from
#    one and the hours from the other, and it is counted twice.
# 2. **Machines without a tag.** The autoscaler's template has none, so the dearest hours, the peaks on
#    demand, belong to nobody.
# 3. **Reserved, and not used.** At night some of the reserved machines stand still. These hours have no
#    resource and no tag, and they were bought for the chatbot. (The team reserved more than the section
#    above would have.)
# 4. **Other people's machines**, a **tax**, a **credit** of one time, and a **correction** of last month,
#    which has the chatbot's tag.
#
# So: *EffectiveCost*, usage of this month, what is tagged or bears the chatbot's name.

# %%
OWNERS = {"chat-%": "chat"}
true = cost_of_queries(bill.hourly("EffectiveCost", OWNERS), counts, "chat")
only_tagged = cost_of_queries(bill.hourly("EffectiveCost"), counts, "chat")
twice = bill.sql(
    "SELECT sum(BilledCost + EffectiveCost) FROM charges "
    "WHERE coalesce(Service, ResourceName, CommitmentDiscountName) LIKE 'chat%'"
).fetchall()
cost_plots.readings(
    {
        "billed, tagged": tagged,
        "effective, tagged": only_tagged.per_thousand.median,
        "effective, tagged or by name": true.per_thousand.median,
        "the whole invoice": invoice,
        "billed + effective": float(twice[0][0]) / thousands,
    },
    "One bill, one month, 1,000 queries",
    xlabel=bill.currency,
    right="effective, tagged or by name",
)
print(f"1,000 queries: {true.per_thousand:.3f} {bill.currency}, over {true.per_thousand.n} days")
key_figure("chat, 1,000 queries, from the bill", true.per_thousand, bill.currency)
key_figure("what is tagged ÷ the truth", 100 * tagged / true.per_thousand.median, "%")

# %% [markdown]
# The interval comes from the days: what the month would have given with other days of the same kind.
# It is why *"costs fell by 3 % since last month"* may mean nothing.
#
# ## The hours that nobody asks about
#
# A division of two months hides when the money goes. What do 1,000 queries cost at the quietest hour
# of the day, against the cheapest?

# %%
hours_guess = predict(
    "The dearest hour of the day ÷ the cheapest, for 1,000 queries?", unit="times"
)

# %%
by_hour = true.by_hour_of_day
cost_plots.by_day_and_hour(
    list(true.by_day.values()), list(by_hour), true.per_thousand, "chat, 1,000 queries",
    ylabel=bill.currency,
)  # fmt: skip
hours_guess.reveal(by_hour.max() / by_hour.min())
key_figure("dearest hour of the day ÷ cheapest", by_hour.max() / by_hour.min(), "times")

# %% [markdown]
# The reservation is paid at night, too. (The hours are the bill's, UTC. Prometheus stamps
# `increase(…[1h])` with the *end* of its hour, the bill names an hour by its *beginning*; join them as
# they stand and every query meets the costs of the next hour. Join them with local time and the night
# moves into the day. The month's sum does not notice either.)
#
# The bill has another service, `summaries`, which is asked in office hours and runs all day and night.

# %%
joined_guess = predict(
    "Join its costs with its counts, hour by hour, as SQL's JOIN does: what share of the true cost "
    "of 1,000 queries remains?", unit="%"
)  # fmt: skip

# %%
summaries = cost_of_queries(bill.hourly("EffectiveCost", OWNERS), counts, "summaries")
asked = summaries.queries > 0
inner = 1000 * summaries.cost[asked].sum() / summaries.queries[asked].sum()
joined_guess.reveal(100 * inner / summaries.per_thousand.median)
print(f"all hours:             {summaries.per_thousand:.3f} {bill.currency}")
print(f"hours with queries:    {inner:.3f} {bill.currency}")
print(f"paid without a query:  {summaries.idle.sum()} of {summaries.hours.size} hours")
key_figure(
    "summaries: an inner join's share of the cost", 100 * inner / summaries.per_thousand.median, "%"
)

# %% [markdown]
# Where no query came, Prometheus has no number, not a zero; an inner join drops the row, and with it
# the money of that hour. Begin from the bill's hours and look up the counts, not the other way round.
#
# (On AWS without an export, `cost.aws.hourly_costs` asks Cost Explorer and gives the same table. It
# needs your credentials, and one cent a page.)
#
# ## What does a token cost?
#
# The question practitioners ask most. What you have now is the answer's form: **price ÷ (rate ×
# utilisation)**, with the rate at the batch that your latency allows, and the utilisation of all hours
# that are paid. For this machine and this month's shape:

# %%
lived_in = counts.by_service["chat"].sum() / (needed.max() * plan.chat_rate * needed.size)
grown = counts.by_service["chat"].sum() / (needed.sum() * plan.chat_rate)
for name, utilisation in (
    ("always full (the slide)", 1.0),
    ("as many as each hour needs", grown),
    ("as many as the peak needs, always", lived_in),
):
    cost = cost_per_million_tokens(here.price(), full.tokens_per_s, utilisation)
    print(f"{name:34} {utilisation:4.0%}: {cost:.3f} {here.currency} a million tokens")
key_figure("a token at the peak's fleet ÷ the slide's", 1 / lived_in, "times")

# %%
services.stop()

# %% [markdown]
# The first line is what a benchmark gives, the last what a team pays that has sized for its peak and
# left it so. And say which tokens: those of a prompt are read many in a pass, those of an answer one
# (lesson 2.1), so a bill of one price for both hides which of the two your users send.
#
# ## What you have seen
#
# 1. Cost = price ÷ (rate × utilisation). At a fifth of the load a query costs five times as much, and
#    is answered sooner.
# 2. What makes an answer faster and what makes it cheaper are two figures. Measure both.
# 3. The break-even of a larger machine is a ratio of prices times the small machine's rate.
# 4. Reserve what is needed for more than reserved ÷ on demand of the hours.
# 5. From a bill: EffectiveCost, untagged and unused included, every paid hour, UTC, with an interval.
#
# **Next**: going further, measured.
#
# ## Four questions

# %%
quiz(
    "A benchmark says 2,000 tokens a second on a machine of 2 USD an hour: 0.28 USD a million. Your "
    "bill comes to 1.90. The machine, the model and the engine are the same. Where do you look first?",
    {
        "At the utilisation of the paid hours": "Right: 0.28 ÷ 1.90 is 15 %. A service that is sized for its "
        "peak and never shrinks is often there.",
        "At the quantisation": "It is in the 2,000 tokens a second already.",
        "At the currency and the tax": "They move a bill by a fifth, not by a factor of seven.",
    },
    right="At the utilisation of the paid hours",
)

# %%
quiz(
    "One GPU machine costs as much as nine CPU machines and is 40 times as fast. A newer GPU, same "
    "price, is 80 times as fast. Your load fills three CPU machines. What does the newer one change?",
    {
        "The GPU is now worth it": "The load would have to fill nine CPU machines, whichever GPU it is.",
        "Nothing in cost": "Right: below nine full CPU machines the GPU machine is paid and mostly idle. It "
        "may still answer sooner, which is another reason, and another budget.",
        "The break-even falls to half": "Its speed is not in the break-even, only the prices and the small "
        "machine's rate are.",
    },
    right="Nothing in cost",
)

# %%
quiz(
    "For a report you sum BilledCost of last month: 40 % below the month before. Traffic was the same. What "
    "do you check before you celebrate?",
    {
        "Whether a commitment was paid in the month before": "Right: billed cost moves with invoices, "
        "effective cost with use.",
        "Whether the latency rose": "It is always worth a look, and it explains no bill.",
        "Whether the provider lowered its prices": "By 40 % in a month, unannounced: look for a row of "
        "category Purchase first.",
    },
    right="Whether a commitment was paid in the month before",
)

# %%
quiz(
    "A reserved machine costs 62 % of one on demand. Your third machine is needed from 9 to 21 h, every day. "
    "Reserve it?",
    {
        "Yes, 38 % off": "Off the price of an hour. But all 24 hours are paid.",
        "No: it is needed in half of the hours, and reserving pays from 62 %": "Right, by a little; the first "
        "two may well pay.",
        "Yes, its hours are the busiest": "How busy it is does not matter, how many hours it is needed does.",
    },
    right="No: it is needed in half of the hours, and reserving pays from 62 %",
)

# %% [markdown]
# ## Sources
#
# - [1] Azure Public Dataset, *Azure LLM inference trace 2023* (conversation), CC-BY 4.0.
# - [2] NVIDIA's data sheets, as `data/prices/gpus.csv` names them: bandwidth and dense bf16 operations.
# - [3] FinOps Foundation, *FOCUS, the FinOps Open Cost and Usage Specification*, 1.0 and 1.1:
#   BilledCost, EffectiveCost, ChargeCategory, ChargeClass, CommitmentDiscountStatus.
# - [4] Prices: `data/prices/machines.csv`, each with its day and address.
# - [5] AWS, *Cost Explorer API Reference*, GetCostAndUsage.
# - [6] Prometheus documentation, *Query functions*: `increase`.
