"""Fraud scoring: simulated card payments, their features, and the models that score them.

Ground: Y.-A. Le Borgne, W. Siblini, B. Lebichot, G. Bontempi, *Reproducible Machine Learning for
Credit Card Fraud Detection: Practical Handbook*, Université Libre de Bruxelles, 2022; called "the
Handbook" in this folder.
"""
