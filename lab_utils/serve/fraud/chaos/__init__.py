"""Breaking the fraud gateway on purpose: two regions, payers, faults, and Chaos Toolkit's files."""
