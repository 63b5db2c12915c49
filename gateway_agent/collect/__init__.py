"""Collecting: one owner per serial port, requests on time, nothing believed that was not asked for."""
