"""One module for each way of speaking to a modem, named for it."""
