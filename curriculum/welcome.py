# ---
# jupyter:
#   inference_lab:
#     timing: shared
# ---

# %% [markdown]
# # Welcome to Inference Lab
#
# You will learn one skill: to know how a trained model is loaded, processed and
# served, and where its time, memory and money go.
