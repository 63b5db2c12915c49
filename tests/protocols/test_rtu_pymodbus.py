"""pymodbus as oracle: each side reads what the other wrote."""

from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu import register_message as messages

from protocols import modbus, rtu

units = st.integers(modbus.MIN_UNIT, modbus.MAX_UNIT)
registers = st.integers(0, 0xFFFF)


def frame_of(message: ModbusPDU) -> bytes:
    return FramerRTU(DecodePDU(False)).buildFrame(message)


def read_by_pymodbus(frame: bytes, *, at_server: bool) -> ModbusPDU:
    used, message = FramerRTU(DecodePDU(at_server)).handleFrame(frame, 0, 0)
    assert used == len(frame)
    assert message is not None
    return message


@given(units, registers, st.integers(1, 125), st.booleans())
def test_pymodbus_reads_our_read_requests(unit: int, address: int, count: int, holding: bool) -> None:
    buffer = bytearray(256)
    length = rtu.build_read(buffer, unit, 3 if holding else 4, address, count)
    message = read_by_pymodbus(bytes(buffer[:length]), at_server=True)
    kind = messages.ReadHoldingRegistersRequest if holding else messages.ReadInputRegistersRequest
    assert isinstance(message, kind)
    assert (message.dev_id, message.address, message.count) == (unit, address, count)


@given(units, registers, registers)
def test_pymodbus_reads_our_single_writes(unit: int, address: int, value: int) -> None:
    buffer = bytearray(256)
    length = rtu.build_write_single(buffer, unit, address, value)
    message = read_by_pymodbus(bytes(buffer[:length]), at_server=True)
    assert isinstance(message, messages.WriteSingleRegisterRequest)
    assert (message.dev_id, message.address, message.registers) == (unit, address, [value])


@given(units, registers, st.lists(registers, min_size=1, max_size=123))
def test_pymodbus_reads_our_multiple_writes(unit: int, address: int, values: list[int]) -> None:
    buffer = bytearray(256)
    length = rtu.build_write_multiple(buffer, unit, address, values, len(values))
    message = read_by_pymodbus(bytes(buffer[:length]), at_server=True)
    assert isinstance(message, messages.WriteMultipleRegistersRequest)
    assert (message.dev_id, message.address, message.registers) == (unit, address, values)


@given(units, registers, st.lists(registers, min_size=1, max_size=125))
def test_we_read_the_answers_of_pymodbus(unit: int, address: int, values: list[int]) -> None:
    request = bytearray(256)
    rtu.build_read(request, unit, 4, address, len(values))
    frame = frame_of(messages.ReadInputRegistersResponse(dev_id=unit, registers=values))
    assert rtu.find_answer(frame, len(frame), request) == 0
    assert [rtu.get_u16(frame, 3 + 2 * index) for index in range(len(values))] == values


@given(units, registers, st.lists(registers, min_size=1, max_size=123))
def test_we_read_the_requests_of_pymodbus(unit: int, address: int, values: list[int]) -> None:
    frame = frame_of(messages.WriteMultipleRegistersRequest(dev_id=unit, address=address, registers=values))
    assert rtu.find_request(frame, len(frame), unit) == 0
    assert [rtu.get_u16(frame, 7 + 2 * index) for index in range(len(values))] == values


@given(units, st.lists(registers, min_size=1, max_size=125))
def test_pymodbus_reads_our_answers(unit: int, values: list[int]) -> None:
    buffer = bytearray(256)
    at = rtu.begin_read_answer(buffer, unit, 3, len(values))
    for value in values:
        rtu.put_u16(buffer, at, value)
        at += 2
    message = read_by_pymodbus(bytes(buffer[: rtu.seal(buffer, at)]), at_server=False)
    assert isinstance(message, messages.ReadHoldingRegistersResponse)
    assert message.registers == values


@given(units, st.sampled_from((3, 4, 6, 16)), st.integers(1, 4))
def test_pymodbus_reads_our_exceptions(unit: int, function: int, code: int) -> None:
    buffer = bytearray(256)
    length = rtu.build_exception(buffer, unit, function, code)
    message = read_by_pymodbus(bytes(buffer[:length]), at_server=False)
    assert message.isError()
    assert (message.function_code & 0x7F, message.exception_code) == (function, code)
