"""Numbers of the Modbus standard that we use.

MODBUS Application Protocol Specification V1.1b3 (MB) and MODBUS over Serial Line Specification V1.02 (SL).
"""

READ_HOLDING_REGISTERS = 0x03
"""MB section 6.3."""
READ_INPUT_REGISTERS = 0x04
"""MB section 6.4."""
WRITE_SINGLE_REGISTER = 0x06
"""MB section 6.6."""
WRITE_MULTIPLE_REGISTERS = 0x10
"""MB section 6.12."""
READ_FILE_RECORD = 0x14
"""MB section 6.14."""
WRITE_FILE_RECORD = 0x15
"""MB section 6.15."""
EXCEPTION_FLAG = 0x80
"""Set in the function code of an exception answer; MB section 7."""

ILLEGAL_FUNCTION = 1
"""Exception codes; MB section 7."""
ILLEGAL_DATA_ADDRESS = 2
ILLEGAL_DATA_VALUE = 3
SERVER_DEVICE_FAILURE = 4
SERVER_DEVICE_BUSY = 6

MAX_READ_REGISTERS = 125
"""Registers in one read; MB sections 6.3 and 6.4."""
MAX_WRITE_REGISTERS = 123
"""Registers in one write; MB section 6.12."""
MAX_READ_FILE_REGISTERS = 121
"""Registers of one group in one read of a file: the answer's data are at most 245 bytes; MB section 6.14."""
MAX_WRITE_FILE_REGISTERS = 122
"""Registers of one group in one write of a file: the request's data are at most 251 bytes; MB section 6.15."""
FILE_RECORDS = 10_000
"""Registers that a file number addresses, 0 to 9999; MB section 6.14."""

BROADCAST_UNIT = 0
"""Every server takes the request, none answers; SL section 2.1."""
MIN_UNIT = 1
MAX_UNIT = 247
"""Unit ids above are reserved, although some products leave the factory with them; SL section 2.2."""

MIN_FRAME_BYTES = 4
"""Unit, function and CRC; SL section 2.5.1."""
MAX_FRAME_BYTES = 256
"""SL section 2.5.1."""
