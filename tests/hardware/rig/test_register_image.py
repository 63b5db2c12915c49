"""Two readings of the same profiles: what the rig encodes is what the gateway decodes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.profiles.decode import decode
from gateway_agent.profiles.load import load_profile, profile_names
from gateway_agent.profiles.requests import plan_requests
from gateway_agent.profiles.resolve import ResolvedProfile, resolve
from hardware.rig.register_image import RegisterImage
from protocols import quality


def resolved_profiles() -> list[ResolvedProfile]:
    """All profiles with registers, with each choice of each of their options."""
    found = []
    for name in profile_names():
        profile = load_profile(name)
        found.append(resolve(profile))
        for option, section in profile.options.items():
            found.extend(resolve(profile, {option: choice}) for choice in section.choices or section.range or ())
    return [one for one in found if one.profile.frame is None and any(point.register for point in one.points)]


RESOLVED = resolved_profiles()


def image_of(resolved: ResolvedProfile) -> RegisterImage:
    return RegisterImage(resolved.points, resolved.profile.device.requests.max_gap)


def decoded(resolved: ResolvedProfile, image: RegisterImage) -> dict[str, tuple[int | None, int]]:
    """All points as the gateway decodes them from the answers to its own requests."""
    values = {}
    limits = resolved.profile.device.requests
    for request in plan_requests(resolved.points, limits.max_registers, limits.max_gap):
        data = image.read(request.unit_offset, request.function, request.address, request.count)
        assert data is not None, f"the image lacks registers of {request}"
        registers = struct.unpack(f">{request.count}H", data)
        values.update({point.name: decode(point, registers, request.address) for point in request.points})
    return values


@given(st.data())
def test_what_is_encoded_is_decoded(data: st.DataObject) -> None:
    resolved = data.draw(st.sampled_from(RESOLVED))
    image = image_of(resolved)
    expected: dict[str, int | None] = {}
    for point in resolved.points:
        if point.register is None:
            continue
        value = data.draw(st.integers(point.low, point.high), label=point.name)
        image.put(point.name, value)
        if len(image.sharing_registers(point.name)) == 1:
            exact = abs(value) < 2**24 or point.register.type != "f32"
            assert not exact or image.get(point.name) == value
    for name in {point.name for point in resolved.points if point.register}:
        expected[name] = image.get(name)
    for name, (value, reason) in decoded(resolved, image).items():
        if resolved.point(name).register.zero_means_retry and expected[name] == 0:  # type: ignore[union-attr]
            assert reason == quality.INVALID
        elif reason != quality.RANGE:
            assert (value, reason) == (expected[name], quality.GOOD)


@pytest.mark.parametrize("resolved", RESOLVED, ids=lambda resolved: resolved.profile.device.model)
def test_what_a_device_calls_invalid_is_no_value(resolved: ResolvedProfile) -> None:
    image = image_of(resolved)
    for point in resolved.points:
        register = point.register
        if register is None:
            continue
        if register.type == "f32" or register.invalid:
            image.put_invalid(point.name)
            assert image.get(point.name) is None
            assert decoded(resolved, image)[point.name] == (None, quality.INVALID)
        else:
            with pytest.raises(ValueError, match="no value that means none"):
                image.put_invalid(point.name)


@pytest.mark.parametrize("resolved", RESOLVED, ids=lambda resolved: resolved.profile.device.model)
def test_a_status_gives_its_quality(resolved: ResolvedProfile) -> None:
    image = image_of(resolved)
    for point in resolved.points:
        register = point.register
        if register is None or register.status is None:
            continue
        for wanted in {*register.status.codes.values(), register.status.otherwise} - {None, quality.GOOD}:
            assert wanted is not None
            image.put_quality(point.name, wanted)
            assert decoded(resolved, image)[point.name] == (None, wanted)
        image.put_quality(point.name, quality.GOOD)


@pytest.mark.parametrize("resolved", RESOLVED, ids=lambda resolved: resolved.profile.device.model)
def test_other_decimals_and_units_mean_the_same_to_both(resolved: ResolvedProfile) -> None:
    image = image_of(resolved)
    for point in resolved.points:
        register = point.register
        if register is None:
            continue
        for decimals in register.decimals.codes if register.decimals else ():
            image.put_codes(point.name, decimals=decimals)
            for unit_code in register.unit_code.codes if register.unit_code else ():
                image.put_codes(point.name, unit_code=unit_code)
                for raw in (0, 1, 5, 15, 25, 1999):
                    image.put_raw(point.name, raw)
                    value, reason = decoded(resolved, image)[point.name]
                    assert reason == quality.RANGE or value == image.get(point.name)


def test_a_value_that_does_not_fit_is_refused() -> None:
    image = image_of(resolve(load_profile("peacefair-pzem-016")))
    image.put("voltage", 65535)
    with pytest.raises(ValueError, match="does not fit"):
        image.put("voltage", 65536)
    with pytest.raises(ValueError, match="does not fit"):
        image.put("voltage", -1)


def test_registers_across_a_gap_that_no_request_crosses_do_not_exist() -> None:
    image = image_of(resolve(load_profile("eastron-sdm120")))
    assert image.read(0, 4, 0, 2) is not None
    assert image.read(0, 4, 0x0058, 2) is None
    assert image.read(0, 3, 0, 2) is None
    assert image.read(1, 4, 0, 2) is None
