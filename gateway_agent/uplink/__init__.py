"""The way to the platform: what goes next, as SenML-CBOR in CoAP, until it is acknowledged.

Told in words and bytes in protocols/spec/uplink.md.
"""
