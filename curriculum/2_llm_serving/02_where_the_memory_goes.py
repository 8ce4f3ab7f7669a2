# ---
# jupyter:
#   inference_lab:
#     timing: alone
# ---

# %% [markdown]
# # 2.2 · Where the memory goes
#
# The team of the chatbot has found a graphics card with 24 GiB of memory. The model, in the
# shape of Llama 2 7B at 16 bits, is a file of 13.5 GB. *It fits, and nearly half of the card
# is left*, says the order form. A week later the service turns users away at half past nine,
# and the question is the one that everybody who serves these models asks sooner or later:
# **where did my memory go?**
#
# Into four things: **weights**, once; a **KV cache** for every user; **activations**, while a
# pass runs; and the rest, which is code, copies and what has been freed but not given back.
# This lesson predicts each of them and then looks at a real process.

# %% tags=["parameters"]
scale = "laptop"

# %% tags=["deterministic"]
from lab_utils.components.together import Together
from lab_utils.files import ROOT
from lab_utils.machine.cores import available_cores
from lab_utils.measure.load import lengths
from lab_utils.models.decoder import LLAMA_2_7B, MISTRAL_7B, SMALL, users_that_fit
from lab_utils.models.language.gguf_file import bits_of
from lab_utils.models.language.seeded import prompt, seeded
from lab_utils.scale import at
from lab_utils.serve.llm.memory import EngineProcess
from lab_utils.show import machine as machine_plots
from lab_utils.show import plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.memory_plots import growth
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting, watching
from lab_utils.show.quiz import quiz
from lab_utils.simulate.paging import buffers, pages

MB, GB, GIB = 1e6, 1e9, 2**30
CARD_BYTES, CONTEXT = 24 * GIB, 4096

# %% [markdown]
# ## What one user costs
#
# To write a token the network looks back at all earlier ones, and keeps two vectors for each
# (a key and a value), in each layer, for each head: 2 × layers × cached heads × head width ×
# bytes of a number [1]. For Llama 2 7B [2], whose users may go on until 4,096 tokens:

# %% tags=["deterministic"]
weights_bytes = LLAMA_2_7B.parameters * 2
user_bytes = CONTEXT * LLAMA_2_7B.cache_bytes_per_token()
print(f"weights, 16 bits: {weights_bytes / GB:.1f} GB of the card's {CARD_BYTES / GB:.1f} GB")
print(f"cache: {LLAMA_2_7B.cache_bytes_per_token():,} bytes a token")

# %%
users_guess = predict("How many users of 4,096 tokens fit into what is left?", unit="users")

# %%
users = users_that_fit(LLAMA_2_7B, CARD_BYTES, CONTEXT)
users_guess.reveal(users)
print(f"{user_bytes / GB:.2f} GB a user; {(CARD_BYTES - weights_bytes) / GB:.1f} GB are left")

# %% [markdown]
# Half a megabyte for every token. A user of full length takes as much as a billion weights of 16
# bits. *So let us quantise*, says the team: weights of 4 bits are less than a third
# of the bytes, with their scales.

# %%
quantised_guess = predict("Weights at 4 bits: how many times as many users?", unit="times")

# %%
CHOICES = {
    "Llama: 16-bit weights, 16-bit cache": (LLAMA_2_7B, 16, 2),
    "Llama: 4-bit weights": (LLAMA_2_7B, bits_of("q4_0"), 2),
    "Llama: 8-bit cache": (LLAMA_2_7B, 16, 1),
    "Llama: both": (LLAMA_2_7B, bits_of("q4_0"), 1),
    "Mistral: 16 bits, 16 bits": (MISTRAL_7B, 16, 2),
    "Mistral: 4 bits, 8 bits": (MISTRAL_7B, bits_of("q4_0"), 1),
}
fitting, parts_gb = {}, {}
for name, (shape, bits, value_bytes) in CHOICES.items():
    fitting[name] = users_that_fit(shape, CARD_BYTES, CONTEXT, bits, value_bytes)
    model = shape.parameters * bits / 8
    caches = fitting[name] * CONTEXT * shape.cache_bytes_per_token(value_bytes)
    parts_gb[f"{name} → {fitting[name]} users"] = {
        "weights": model / GB,
        "caches of all users": caches / GB,
    }
quantised_guess.reveal(fitting["Llama: 4-bit weights"] / users)
variant_plots.shares(parts_gb, "24 GiB, filled with users of 4,096 tokens", xlabel="GB")
key_figure(
    "4-bit weights: users, against 16 bits", fitting["Llama: 4-bit weights"] / users, "times"
)
key_figure("Mistral's heads at 16 bits: users, against Llama's",
           fitting["Mistral: 16 bits, 16 bits"] / users, "times")  # fmt: skip

# %% [markdown]
# More than two thirds of the weights' bytes gone, and twice the users: the bytes that were saved
# are shared out among users of 2.1 GB each, and that price has not changed. **Weights are paid
# once, the cache is paid by everybody**, so beyond a few users it is the cache that decides how many
# there can be. And how many there can be is the batch, which decides what a token costs
# (lesson 2.1).
#
# The other lever was built into the network before it was trained. Mistral 7B [3] has 32 heads
# that ask and 8 that are cached: four heads share keys and values (*grouped-query attention*
# [4]). It has more weights than Llama 2 7B, and at 16 bits it holds more users than the other at
# 4. When you choose a model, look at `num_key_value_heads` before you look at the parameters.
#
# (`./lab calc kv-cache` and `./lab calc llm-memory` do this for your own numbers.)
#
# ## A real process
#
# That was arithmetic, about two of the four things. Now load a model and look: the one with
# 0.7 billion weights and 4 cached heads of lesson 2.1. Each engine gets a process of its own, so
# that what the operating system counts is the engine's. It counts *resident* memory: pages that
# are really there.

# %%
path = seeded(SMALL, "q4_0", watching("Tensors"))
file_bytes = path.stat().st_size
print(f"{SMALL.parameters / 1e6:.0f} million weights of {bits_of('q4_0')} bits: "
      f"{SMALL.parameters * bits_of('q4_0') / 8 / MB:.0f} MB; the file: {file_bytes / MB:.0f} MB")  # fmt: skip
peak_guess = predict(
    "At the worst moment of loading: how many times the file's size is in memory?", unit="times"
)
first_guess = predict(
    "Then the first answer, to a prompt of 8 tokens: how many MB does it add?", unit="MB"
)

# %%
CACHES = {"8-bit cache": "u8", "16-bit cache": "f16"}
with waiting("Two processes load the model", about_s=8):
    engines = Together(
        {
            name: EngineProcess(path, available_cores(), KV_CACHE_PRECISION=kind)
            for name, kind in CACHES.items()
        }
    )
    first = {name: engine.admit(prompt(SMALL, 8)) for name, engine in engines.items()}
    for engine in engines.values():
        engine.finish()
look = engines["8-bit cache"].steps | {"first answer": first["8-bit cache"].memory}
libraries_bytes = look["libraries"].resident_bytes
peak = (look["model"].peak_bytes - libraries_bytes) / file_bytes
served = (look["first answer"].resident_bytes - libraries_bytes) / file_bytes
first_bytes = look["first answer"].private_bytes - look["model"].private_bytes
peak_guess.reveal(peak)
first_guess.reveal(first_bytes / MB)
bars = {
    name: {
        "its own": step.private_bytes / MB,
        "files mapped, shared with others": step.mapped_bytes / MB,
    }
    for name, step in look.items()
}
bars["at the peak of loading"] = {"at the worst moment": look["model"].peak_bytes / MB}
variant_plots.shares(bars, "Resident memory after each step", xlabel="MB")
print(f"cache of those 8 tokens: {first['8-bit cache'].used_bytes / MB:.1f} MB")
key_figure("peak while loading ÷ file", peak, "times")
key_figure("ready to serve ÷ file", served, "times")

# %% [markdown]
# The weights are a fact; how many copies of them there are is a decision of the engine.
#
# - **While loading** the file's pages are mapped, the tensors are read out of them, and a graph
#   is made and compiled from the tensors. For a moment all of this is there at once. A container
#   whose limit lies between the peak and the level after it is killed at the start, and its log
#   ends in mid-sentence.
# - **At the first answer** many engines arrange the weights once more, in the order that their
#   matrix kernels like, and keep both. (Where your figure is hundreds of MB, this is what it is:
#   with 8-bit weights it is twice as much, and a second answer adds next to nothing.) So the memory
#   that a service shows *after loading* is not yet what it takes.
#
# "The model has 4 GB, so 8 GB will do" is a guess about these copies. Measure the peak and the
# level after the first answer, and give the limits from that. For the 7B with the same engine:

# %%
seven_bytes = LLAMA_2_7B.parameters * bits_of("q4_0") / 8
print(f"7B at 4 bits: a file of {seven_bytes / GB:.1f} GB; about {peak * seven_bytes / GB:.0f} GB "
      f"at the peak, {served * seven_bytes / GB:.0f} GB when it serves, before anybody's cache")  # fmt: skip

# %% [markdown]
# So lesson 2.1 gives the engine another file: the same weights, converted once into the engine's own
# form, some layers at a time. Such a file is mapped as it lies; nothing is unpacked on loading, and
# of all the copies only the ordered one of the first answer is left. Where a service starts
# often, or in a small container, converting is a step of the build and not of the start.

# %% [markdown]
# ## The cache, counted
#
# Both processes run the same model. One keeps its cache in 8 bits a number, the other in 16 (the
# engine's setting `KV_CACHE_PRECISION`). Users come one after the other, each with a prompt of 256
# tokens, and stay.

# %%
sixteen_guess = predict("16 bits take how many times as much for a token as 8?", unit="times")

# %%
PROMPT, USERS = 256, at(scale, ci=4, laptop=16)
held = {name: {} for name in engines}
for number in progress(range(1, USERS + 1), "Users come"):
    for name, engine in engines.items():
        held[name][number * PROMPT] = engine.admit(prompt(SMALL, PROMPT, seed=number))
growth(
    {n: {t: h.memory.private_bytes for t, h in points.items()} for n, points in held.items()},
    {"8-bit cache": SMALL.cache_bytes_per_token(1), "16-bit cache": SMALL.cache_bytes_per_token(2)},
    "What each further user leaves in memory",
)


def per_token(points):
    """Bytes a token from the first user to the last, whose passes need the same working memory."""
    (few, first), *_, (many, last) = points.items()
    return (last.memory.private_bytes - first.memory.private_bytes) / (many - few)


measured = {name: per_token(points) for name, points in held.items()}
ratio = measured["16-bit cache"] / measured["8-bit cache"]
sixteen_guess.reveal(ratio)
for name, size in measured.items():
    print(f"{name}: {size:,.0f} bytes a token")
key_figure("16-bit cache ÷ 8-bit cache", ratio, "times")

# %% [markdown]
# Straight lines, and the points of 16 bits lie on theirs: the formula is exact. Those of 8 bits
# lie above. Eight bits are not eight bits, as four were not four: numbers that are rounded
# together share a scale and a zero point, here of 4 bytes each. Values are rounded a token and a
# head at a time; keys differ so much from channel to channel that each channel gets a scale of its
# own for every block of tokens [5]:

# %% tags=["deterministic"]
BLOCK, SCALE_AND_ZERO = 32, 8
value_bytes = 1 + SCALE_AND_ZERO / SMALL.head_width
key_bytes = 1 + SCALE_AND_ZERO / BLOCK
eight_bits = (key_bytes + value_bytes) / 2
print(f"a value: {value_bytes} bytes, a key's number: {key_bytes} bytes, on average {eight_bits}")
print(f"8 bits, without scales: {SMALL.cache_bytes_per_token(1):,.0f} bytes a token")
print(f"8 bits, with scales:    {SMALL.cache_bytes_per_token(eight_bits):,.0f} bytes a token")
print(f"16 bits:                {SMALL.cache_bytes_per_token(2):,.0f} bytes a token")

# %% [markdown]
# (Compare with your figure. If yours is lower, your engine's build rounds keys a token at a time,
# too.) Whatever a service does, the tokens that are alive, of all users, times these bytes are
# what the cache takes. What the rounding does to the answers is a question for lesson 2.3.
#
# ## One long prompt
#
# Now somebody pastes a document: one prompt, read in one pass. (The others have left.)

# %%
LONG = at(scale, ci=1024, laptop=3072)
engine = engines["8-bit cache"]
before = engine.finish()
print(f"{LONG:,} tokens in the cache, 8 bits: {LONG * measured['8-bit cache'] / MB:.0f} MB")
long_guess = predict(
    f"A prompt of {LONG:,} tokens: how many MB does the process grow at most?", unit="MB"
)

# %%
with waiting("The document is read", about_s=8):
    document = engine.admit(prompt(SMALL, LONG))
long_bytes = document.memory.private_bytes - before.memory.private_bytes
long_guess.reveal(long_bytes / MB)
print(f"more than its cache: {(long_bytes - document.used_bytes) / MB:.0f} MB, "
      f"{(long_bytes - document.used_bytes) / LONG / 1e3:.0f} kB a token of the pass")  # fmt: skip
key_figure("growth with a long prompt ÷ its cache", long_bytes / document.used_bytes, "times")

# %% [markdown]
# These are the **activations**: between two layers each token of the pass is a vector, of `width`
# numbers and inside of a layer of `inner` numbers, several of them at a time. A token in the
# cache costs its bytes for as long as its user stays. A token *in a pass* costs, while the pass
# runs, its activations on top, and in this model they are more than its cache. A written token is
# one in a pass; a prompt is thousands. (And the figure counts only what this pass needed *more*
# than those of 256 tokens before it.)
#
# So one long prompt can end a service that has served a hundred short ones, and its limit is not
# the number of users: it is the tokens that are read in one pass. Engines have a setting for that
# (`max_num_batched_tokens`, *chunked prefill*): a long prompt is then read in several passes.
#
# ## They are gone. Is the memory?
#
# The document's answer is given; nobody is left in the engine.

# %%
back_guess = predict("What share of that growth does the process give back?", unit="%")

# %%
empty = engine.finish()
returned = 100 * (document.memory.private_bytes - empty.memory.private_bytes) / long_bytes
back_guess.reveal(returned)
repeated = engine.admit(prompt(SMALL, LONG, seed=1))
engine.finish()
again_bytes = repeated.memory.private_bytes - empty.memory.private_bytes
print(f"the same once more: {again_bytes / MB:.0f} MB more, where it was {long_bytes / MB:.0f} MB")
print(f"reserved for the cache all the time: {document.reserved_bytes / MB:,.0f} MB; "
      f"used by the document: {document.used_bytes / MB:.0f} MB")  # fmt: skip
key_figure("given back when nobody is left", returned, "%")

# %% [markdown]
# Nothing. (Below zero where the last token took another block.) The blocks are free in the
# engine's books, and the working memory is kept for the next pass: a second document needs no
# more of it. If the process grew all the same by about a document's cache, then the engine hands
# out its free blocks in turn, and these had never been written to. So there are four figures that
# all are "the memory of the service", and people compare them with each other:
#
# - **reserved**: what the engine has set aside for its cache, from the first second on;
# - **resident**: what has ever been written to, and was not given back;
# - **used**: the blocks that belong to somebody now;
# - **filled**: the tokens in them.
#
# On a CPU, reserved memory becomes resident when it is first written, so a process may grow for
# days until all that it has reserved is resident. That is not a leak. On a GPU, reserved memory
# is taken at once: vLLM takes 92 % of the card by default [6], and the monitor shows 92 % before
# the first user and after the last. **It says nothing about how full the service is.** Ask the
# engine for its cache usage, and alarm on that.
#
# ## Pages
#
# One thing is left: from *used* to *filled*. Where is a user's cache put? An answer's length is
# known when it ends. The plain way is one piece of memory for each user, as long as the longest
# conversation allowed. Here are 1,500 real requests to a chat service [7].

# %%
chats = lengths.recorded(ROOT / "data/lengths/azure_llm_conversation.txt")
whole = chats.prompt_tokens + chats.new_tokens
LIMIT = 8192
plots.ecdf(
    {"prompt and answer": whole, "answer alone": chats.new_tokens},
    "Tokens of 1,500 requests",
    xlabel="tokens",
)
print(f"the longest has {chats.longest:,} tokens, so the limit is {LIMIT:,}")
filled_guess = predict(
    f"A buffer of {LIMIT:,} tokens for each user: what share of the memory holds tokens?", unit="%"
)
page_guess = predict(
    f"Blocks of {BLOCK} tokens, taken when needed: how many times as many users?", unit="times"
)

# %%
kept = {
    f"a buffer of {LIMIT:,} each": buffers(chats, LIMIT),
    "a buffer as long as it will get": buffers(chats),
    "blocks of 256": pages(chats, 256),
    f"blocks of {BLOCK}": pages(chats, BLOCK),
    "blocks of 1": pages(chats, 1),
}
machine_plots.shares(
    {n: {"holds a token": k.share, "set aside": 1 - k.share} for n, k in kept.items()},
    "The memory of the cache, at any moment",
)
one_buffer, paged = kept[f"a buffer of {LIMIT:,} each"], kept[f"blocks of {BLOCK}"]
more_users = one_buffer.reserved_per_user / paged.reserved_per_user
filled_guess.reveal(100 * one_buffer.share)
page_guess.reveal(more_users)
key_figure("one buffer each: memory that holds tokens", 100 * one_buffer.share, "%")
key_figure(f"blocks of {BLOCK}: memory that holds tokens", 100 * paged.share, "%")
key_figure("users with blocks ÷ users with buffers", more_users, "times")

# %% [markdown]
# Most of the memory was set aside for words that nobody wrote. Even an oracle that knew each
# length beforehand would leave a part empty, because an answer's last token has its place kept
# from the first on. The idea that ended this is as old as operating systems: **pages**. A sequence
# gets a block when its last one is full, wherever there is a free one, and a table says where
# they lie. What is lost is half a block for each user. (The paper that brought it to language
# models found 20.4 to 38.2 % of the memory filled in the systems before it [8].)
#
# Then why not blocks of one token? A kernel that reads the past looks up each block and jumps to
# it, and what it reads there should be worth the jump. Does this engine really do it? Ask it for
# the bytes in use:

# %%
block_bytes = None
for length in (1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 1):
    used = engine.admit(prompt(SMALL, length)).used_bytes
    engine.finish()
    block_bytes = block_bytes or used
    print(f"{length:3} tokens: {used / 1e6:.2f} MB, {used / block_bytes:.0f} blocks")
print(f"a block: {block_bytes:,.0f} bytes, {block_bytes / measured['8-bit cache']:.0f} tokens")
engines.stop()

# %% [markdown]
# ## The card again
#
# Back to the 24 GiB and the users who were turned away. One change after the other, with the
# lengths of the real requests (as if Llama 2 took the longest of them, too; and without
# activations, for which a careful owner keeps something back):

# %%
QUANTISED = bits_of("q4_0")
plan = {
    "16 bits, a buffer each": (LLAMA_2_7B, 16, 2, one_buffer),
    "… in blocks": (LLAMA_2_7B, 16, 2, paged),
    "… weights of 4 bits": (LLAMA_2_7B, QUANTISED, 2, paged),
    "… cache of 8 bits": (LLAMA_2_7B, QUANTISED, eight_bits, paged),
    "… and grouped heads": (MISTRAL_7B, QUANTISED, eight_bits, paged),
}
at_once = {
    name: occupancy.users(
        (CARD_BYTES - shape.parameters * bits / 8) / shape.cache_bytes_per_token(number_bytes)
    )
    for name, (shape, bits, number_bytes, occupancy) in plan.items()
}
variant_plots.scoreboard({"users at once": at_once}, "24 GiB, real conversations")
first_plan, *_, last_plan = at_once.values()
key_figure("users on the same card, last ÷ first", last_plan / first_plan, "times")

# %% [markdown]
# The same card. One of these changes, fewer bytes of weights, also makes a token faster for a single
# user (lesson 2.1). Together they let so many users share a pass that a token costs a small part
# of what it did. That is why memory is the first question of serving, and why the order of questions is:
# how is the cache kept, what does a token take in it, how large are the weights.
#
# ## What you have seen
#
# 1. Weights are paid once, the cache by every user: with less than a third of the weights' bytes
#    there were twice the users, and grouped heads brought more than that.
# 2. Loading takes a multiple of the file, and the first answer may take another copy.
# 3. The cache follows its formula to the byte, once the scales are in it.
# 4. Activations belong to the tokens of a pass; one long prompt is the peak.
# 5. Freed is not given back; reserved is not used; used is not filled.
# 6. Blocks lose half a block a user; buffers lose most of the memory.
#
# **Next**: fewer bits again, and what they do to the answers.
#
# ## Three questions

# %%
quiz(
    "The GPU's monitor has shown 92 % of memory in use since the service started this morning. The "
    "manager asks whether a second card is needed. What do you look at?",
    {
        "The trend of the 92 % over the day": "It will not move: the engine reserved the memory at "
        "its start, and keeps it when everybody has left.",
        "The engine's own cache usage, and how long requests wait": "Right: reserved is not used. "
        "Only the engine knows which blocks belong to somebody, and a full cache shows as waiting.",
        "The size of the model's file": "It tells what the weights take, once. The rest of the 92 % "
        "is set aside for users, and nobody knows from this whether any are there.",
    },
    right="The engine's own cache usage, and how long requests wait",
)

# %%
quiz(
    "A service on a CPU grew for a week and then stayed level for another. Today it was killed at "
    "its memory limit, with three users in it; one had pasted a document of 30,000 tokens, which the "
    "engine reads in one pass. What is likely?",
    {
        "A leak, which took two weeks to fill the memory": "A leak does not stay level for a week. "
        "The growth of the first was the reserved cache becoming resident, block by block.",
        "The activations of that pass came on top of all that is never given back": "Right: a pass "
        "of 30,000 tokens needs working memory for all of them at once. With a limit on the tokens "
        "of a pass it would have been read in pieces.",
        "Three caches took more than had been reserved": "A cache takes blocks of the reserve. Where "
        "none is free, a request waits; no memory is taken beyond it.",
    },
    right="The activations of that pass came on top of all that is never given back",
)

# %%
quiz(
    "You serve Llama 2 7B at 16 bits with paged blocks on 24 GiB, and need four times as many users. "
    "Which single change comes closest?",
    {
        "Weights of 4 bits": "They free some 9.7 GB, paid once; what is left for users grows from "
        "12.3 to 22 GB: 1.8 times as many.",
        "A model of the same size with 8 cached heads in place of 32": "Right: each token takes a "
        "quarter of the cache, so nearly four times as many users fit, whatever the weights' bits.",
        "Blocks of 16 tokens in place of 32": "A user loses half a block on average: with "
        "conversations of a thousand tokens that is a percent.",
    },
    right="A model of the same size with 8 cached heads in place of 32",
)

# %% [markdown]
# ## Sources
#
# - [1] J. Austin et al., *How To Scale Your Model*, 2025, *All About Transformer Inference*: size
#   of the KV cache.
# - [2] H. Touvron et al., *Llama 2: Open Foundation and Fine-Tuned Chat Models*, 2023; the shape
#   from the model card's configuration.
# - [3] A. Jiang et al., *Mistral 7B*, 2023, table 1.
# - [4] J. Ainslie et al., *GQA: Training Generalized Multi-Query Transformer Models from
#   Multi-Head Checkpoints*, EMNLP 2023.
# - [5] Z. Liu et al., *KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache*, ICML 2024:
#   keys by channel, values by token.
# - [6] vLLM documentation, `vllm.config.CacheConfig`: `gpu_memory_utilization`, default 0.92 (0.9
#   in earlier releases).
# - [7] Azure Public Dataset, *Azure LLM inference trace 2023* (conversation), CC-BY 4.0; P. Patel et
#   al., *Splitwise*, ISCA 2024.
# - [8] W. Kwon et al., *Efficient Memory Management for Large Language Model Serving with
#   PagedAttention*, SOSP 2023.
