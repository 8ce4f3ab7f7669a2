"""The course as files: built from its sources, run headless, reported."""
