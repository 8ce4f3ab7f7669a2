"""A service in several regions, worked out event by event at 100,000 requests a second.

`model` describes it, `engine.simulate` runs it, `_loop` is what is compiled, and `reference` is the
same model in SimPy, to check against.
"""
