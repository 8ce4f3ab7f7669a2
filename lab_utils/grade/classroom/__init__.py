"""A class: every submission found, graded once, recorded, and its marks handed on."""
