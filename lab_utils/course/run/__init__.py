"""Notebooks run headless: workers, forked kernels, progress, and the report of it all."""
