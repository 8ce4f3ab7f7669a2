"""An answer in time, whatever fails: deadlines, breakers, hedges, retries, and what they can do."""
