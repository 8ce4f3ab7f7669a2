# ---
# jupyter:
#   inference_lab:
#     timing: shared
# ---

# %% [markdown]
# # Welcome to Inference Lab
#
# A trained model is a file. A service that answers is a process that loads that
# file, turns bytes from a network into numbers, multiplies a few billion of them,
# and turns the result back into bytes: thousands of times an hour, at a price, on
# a machine that does other things too. This course teaches one skill: to know
# where the time, the memory and the money go.
#
# ## How a lesson works
#
# 1. **Predict.** Before each measurement you are asked what it will show. Write
#    your guess down, even a wild one. A prediction that fails teaches more than
#    one that holds, and the lessons are built on measurements that surprise.
# 2. **Measure.** Every figure is measured on *your* machine, now, when the cell
#    runs. Nothing is copied from ours. It comes with an interval, `[low to
#    high]`: in 95 of 100 repetitions such an interval holds the true value. Two
#    figures whose intervals overlap widely have not been shown to differ.
# 3. **Understand.** Each lesson says why the figure is what it is, and when it
#    would be another.
# 4. **Hand in.** A lab asks you to make something better. It is graded by running
#    it.

# %% [markdown]
# ## The course
#
# | | lessons | lab |
# |---|---|---|
# | **1 · The ResNet-50 service** (beginner). A Flask service answers in half a second at peak; find out why, and mend it. | {1_resnet_service} | [Lab 1](../labs/1_resnet_service/lab.ipynb) |
# | **2 · LLM serving** (intermediate). A 7B chatbot, a cost budget for each 1,000 queries, a P99 of two seconds. | {2_llm_serving} | [Lab 2](../labs/2_llm_serving/lab.ipynb) |
# | **3 · Fraud scoring** (advanced). Under 50 ms, 99.99 % available, new models with no downtime. | {3_fraud_scoring} | [Lab 3](../labs/3_fraud_scoring/lab.ipynb) |
#
# Open a notebook from the table, or in the file browser on the left. Run cells one
# by one with Shift-Enter: the predictions are worth nothing after the fact.

# %% [markdown]
# ## Your machine
#
# Figures from two machines differ because the machines do. This is yours. The
# instruction sets matter more than the clock: AVX-512 works on sixteen 32-bit
# numbers at once, AVX2 on eight; VNNI multiplies 8-bit integers up to four times
# as fast as that, AMX faster still. A later lesson shows what each is worth.

# %%
from lab_utils.machine.facts import facts

machine = facts()
print(f"processor     {machine.processor}")
print(f"cores         {machine.cores} that this notebook may use")
print(f"memory        {machine.memory_gb} GB")
print(f"instructions  {', '.join(machine.instruction_sets) or 'none of those that matter'}")
print(f"GPU           {machine.gpu or 'none: every figure is the processor’s'}")

# %% [markdown]
# Close what else is at work here (other notebooks, a video, an update) before you
# measure. On a laptop, plug in the charger: on battery many processors run slower.
#
# Start with [1.1 The life of a request](1_resnet_service/01_the_life_of_a_request.ipynb).
