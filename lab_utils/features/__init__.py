"""The features of a payment while it waits: kept up to date by every payment, read in one trip.

    online = OnlineFeatures(MemoryStore())          # or SqliteStore(path), RedisStore(port=…)
    served = online.of(payment)                     # records it, and gives its features
    served.values, served.missing, served.age_s     # missing ones are NaN and named, never 0

A store keeps *events* (who paid where, when, how much), and the windows are counted when they are
read. So a count goes down by itself when an hour has passed, a payment that comes twice counts
once, and one that comes late falls into its place. `models/fraud/features.py` says the same of all
payments at once, for training; a test holds the two equal, row by row.
"""
