"""The verbs of `./lab`: each parses, calls one function, prints."""
