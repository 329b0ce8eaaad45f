"""Logs, alerts and budgets."""
