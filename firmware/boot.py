"""Runs first after every reset. Nothing is done here on purpose: what can fail belongs to main.py."""
