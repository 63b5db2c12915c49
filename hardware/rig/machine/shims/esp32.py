# The parts of the ESP32 port's `esp32` module that need neither radio nor flash partitions.


def raw_temperature():
    # In Fahrenheit, as the classic ESP32 has it.
    return 128
