"""Boards, devices and modems as data, and the rig that stands in for them."""
