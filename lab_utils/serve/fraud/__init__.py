"""Fraud scoring, served: the gateway, its audit log, and the smallest service around a scorer."""
