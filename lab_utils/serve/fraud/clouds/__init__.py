"""The scorer as managed clouds run it: their contracts, a container for both, their front door."""
