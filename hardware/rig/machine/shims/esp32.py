# The parts of the ESP32 port's `esp32` module that need neither radio nor flash partitions.


def mcu_temperature():
    return 42
